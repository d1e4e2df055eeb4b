"""``umlip-bench card``: the report card of a model, to be handed to others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from umlip_bench.cli.declare import Argument, File, Name, Overwriting, say_incomplete
from umlip_bench.cli.settings_file import settings_comment

ENDINGS = (".md", ".html")


@dataclass(frozen=True, kw_only=True)
class CardCommand(Overwriting):
    """Write the report card of a model from a run folder.

    What it is for, how soft it is, where it fails, what to correct, and on what that was measured. Markdown,
    or HTML by the ending.
    """

    name = "umlip-bench card"
    examples = """\
  umlip-bench card runs/first --model chgnet-0.3.0
  umlip-bench card runs/first --model chgnet-0.3.0 --out chgnet.md
  umlip-bench card runs/first --model chgnet-0.3.0 --out chgnet.html
"""
    folder: Annotated[Path, Argument("RUN")]
    """the run folder"""
    model: Name | None = None
    """a model of the run (default: the only one that it has)"""
    out: File | None = None
    """a file *.md or *.html (default: print Markdown)"""

    def run(self) -> int:
        from umlip_bench.analysis.card_text import card_html, model_card
        from umlip_bench.analysis.compared_models import Side
        from umlip_bench.analysis.runs import read_run
        from umlip_bench.ground.errors import UmlipBenchError
        from umlip_bench.ground.outputs import COMMENT, Output

        out = self.out
        if out is not None and out.suffix not in ENDINGS:
            raise UmlipBenchError(f"--out {out}: the name must end in {' or '.join(ENDINGS)}")
        if out is not None:
            Output(out, self.force).check()
        run = read_run(self.folder)
        models = [self.model] if self.model else list(run.models)
        if len(models) != 1:
            there = ", ".join(models) or "no model with a finished case"
            raise UmlipBenchError(f"{run.path} has {there}; name one with --model")
        say_incomplete(run)
        side = Side(run, models[0], models[0])
        if out is None:
            print(f"{model_card(side)}\n{COMMENT}", end="")
            return 0
        text = card_html(side) if out.suffix == ".html" else f"{model_card(side)}\n"
        mark = "" if out.suffix == ".html" else COMMENT
        Output(out, self.force).write_text(text + settings_comment(self) + mark)
        print(out)
        return 0


COMMAND = CardCommand
