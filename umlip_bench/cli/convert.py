"""``umlip-bench convert``: run folders of older versions in today's form."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from umlip_bench.cli.declare import Argument, Command, Folder


@dataclass(frozen=True, kw_only=True)
class ConvertCommand(Command):
    """Write the results of a run folder that an older version made into a new folder.

    Report, compare, card, export and pictures read that. The old folder stays as it is.
    """

    name = "umlip-bench convert"
    examples = """\
  umlip-bench convert runs/old --out runs/new
"""
    folder: Annotated[Path, Argument("RUN")]
    """the old run folder"""
    out: Folder
    """the new one"""

    def run(self) -> int:
        from umlip_bench.running.convert import convert

        done = convert(self.folder, self.out)
        for reason in done.left_out:
            print(f"left out: {reason}", file=sys.stderr)
        said = f"{done.n_cases} cases in {self.out}; {len(done.left_out)} left out"
        print(said, file=sys.stderr)
        return 0 if done.n_cases else 1


COMMAND = ConvertCommand
