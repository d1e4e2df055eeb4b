"""``umlip-finetune ladder``: all methods on the same labels."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, ClassVar

from cyclopts import Parameter

from umlip_bench.cli.command import application
from umlip_bench.cli.finetune.training import METHODS, Training
from umlip_bench.cli.options import Data, File, Name, Overwriting
from umlip_bench.cli.settings_file import with_settings


@dataclass(frozen=True, kw_only=True)
class Ladder(Overwriting, Training):
    """Fit every method to the labels, judge each by frames that it did not see, and recommend one.

    These are the frames of --held-out that have a label's composition, or, without it, the labels themselves
    in three folds. Nothing is written but the numbers; `umlip-finetune fit` makes the model.
    """

    name = "umlip-finetune ladder"
    examples = """\
  umlip-finetune ladder --model chgnet-0.3.0 --labels one.xyz --held-out pbe-mini
  umlip-finetune ladder --model chgnet-0.3.0 --labels many.xyz --method scalar --method full
"""
    renamed: ClassVar = {"--data": "--held-out"}
    model: Name
    """model to correct, as for `umlip-bench run`"""
    labels: Data
    """labelled frames"""
    held_out: Data | None = None
    """labelled frames to judge by"""
    method: Annotated[tuple[str, ...], Parameter(choices=METHODS)] = METHODS
    """may be given several times"""
    out: File | None = None
    """write the numbers as JSON"""

    def run(self) -> int:
        from umlip_bench.cli import console
        from umlip_bench.cli.labels import load_labels
        from umlip_bench.finetune.ladder import climb, folds_of, print_ladder
        from umlip_bench.finetune.measures import unseen
        from umlip_bench.ground.outputs import Output, json_text
        from umlip_bench.potentials.loading import potential

        if self.out is not None:
            Output(self.out, self.force).check()
        labels = load_labels(self.labels).frames
        held_out = (
            [] if self.held_out is None else unseen(load_labels(self.held_out).frames, labels)
        )
        folds = folds_of(labels, held_out)
        errors = console.errors()
        with errors.status("") as status:
            model = potential(self.model, device=self.device, dtype=self.dtype)
            ladder = climb(
                model,
                folds,
                self.training,
                methods=[method for method in METHODS if method in self.method],
                on_method=lambda method: status.update(f"{self.model}: {method}"),
            )
        print_ladder(ladder, console.output())
        if self.out is not None:
            Output(self.out, self.force).write_text(
                json_text(with_settings(self, ladder.to_json()))
            )
            print(f"Numbers of every method: {self.out}", file=sys.stderr)
        return 0


app = application(Ladder)
