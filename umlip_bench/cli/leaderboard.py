"""``umlip-bench leaderboard``: a static site of all potentials of any number of run folders."""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from umlip_bench.cli.declare import Argument, Folder, Overwriting, say_incomplete
from umlip_bench.cli.settings_file import write_settings


@dataclass(frozen=True, kw_only=True)
class LeaderboardCommand(Overwriting):
    """Write a static site of all potentials of run folders: which is how soft, and for what each is safe.

    Potentials by suites, to be sorted and filtered by element and class of compounds; a page of each
    potential with its known failures first; paired differences; and whether the scale of the forces ranks
    potentials and materials as surfaces, barriers and phonons do. It needs no server and no network, and
    without JavaScript its tables stand as they are.
    """

    name = "umlip-bench leaderboard"
    examples = """\
  umlip-bench leaderboard runs/first --out site
      site/index.html, a page of each potential beside it, and all scales in site/board.csv
  umlip-bench leaderboard runs/first runs/second --out site
"""
    runs: Annotated[tuple[Path, ...], Argument("RUN")]
    """run folders"""
    out: Folder
    """folder of the site"""
    open: bool = False
    """open it in the browser"""

    def run(self) -> int:
        from umlip_bench.analysis.runs import read_run
        from umlip_bench.running.leaderboard import leaderboard

        runs = [read_run(path) for path in self.runs]
        for run in runs:
            say_incomplete(run)
        index = leaderboard(runs, self.out, force=self.force)
        print(index)
        if self.open:
            webbrowser.open(index.resolve().as_uri())
        write_settings(self, self.out)
        return 0


COMMAND = LeaderboardCommand
