"""``umlip-bench status``: how far a run is, also while it is running."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from umlip_bench.cli.declare import Argument, Command


@dataclass(frozen=True, kw_only=True)
class StatusCommand(Command):
    """Tell how many cases of a run are done, failed and left, and how long the rest will take.

    The run may be under way; its folder is only read.
    """

    name = "umlip-bench status"
    examples = """\
  umlip-bench status runs/first
"""
    folder: Annotated[Path, Argument("RUN")]
    """the run folder"""

    def run(self) -> int:
        from rich.table import Table
        from rich.text import Text

        from umlip_bench.analysis.run_status import run_status
        from umlip_bench.cli.console import output
        from umlip_bench.ground.durations import in_words

        status = run_status(self.folder)
        table = Table("model", "suite")
        for column in ("planned", "done", "failed", "left"):
            table.add_column(column, justify="right")
        for each in status.progress:
            numbers = (each.n_planned, each.n_done, each.n_failed, each.n_left)
            table.add_row(Text(each.model), each.suite, *map(str, numbers))
        output().print(table)
        for said in status.damaged:
            print(f"umlip-bench: {said}; it will be computed again", file=sys.stderr)
        if not status.n_left:
            print("Complete.")
        elif status.last is None:
            print(f"{status.n_left} left; none has ended yet.")
        elif status.quiet is not None:
            print(
                f"{status.n_left} left; the last case ended {in_words(status.quiet.total_seconds())} ago, "
                f"at {status.last:%Y-%m-%d %H:%M} UTC: rerun the command to resume if it is not running."
            )
        elif status.remaining is None:
            print(f"{status.n_left} left; too few have ended to tell how long they take.")
        else:
            print(
                f"{status.n_left} left; {status.per_minute:.1f} cases a minute, "
                f"{in_words(status.remaining.total_seconds())} more if the others are like them."
            )
        return 0


COMMAND = StatusCommand
