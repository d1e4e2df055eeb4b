"""``umlip-bench pictures``: drawings of what a run folder holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from umlip_bench.cli.declare import Argument, Folder, Overwriting, say_incomplete
from umlip_bench.cli.settings_file import write_settings

PIXELS_PER_INCH = 160


@dataclass(frozen=True, kw_only=True)
class PicturesCommand(Overwriting):
    """Draw phonon bands and densities of states, equations of state, and energy profiles of migration paths.

    Of DFT and of all models of a run folder, as PNG; over all materials, how the highest frequencies spread.
    These are figures of `umlip-bench report`, without the page.
    """

    name = "umlip-bench pictures"
    examples = """\
  umlip-bench run phonons eos migration --model chgnet-0.3.0 --out runs/first
  umlip-bench pictures runs/first
      bands and densities of states of every material, its equation of state, energy profiles of every path:
      DFT and all models of the folder in each picture; and how the ratios of highest frequencies spread
"""
    folder: Annotated[Path, Argument("RUN")]
    """the run folder"""
    out: Folder | None = None
    """where to (default: pictures in the run folder)"""

    def run(self) -> int:
        from umlip_bench.analysis.report import figures
        from umlip_bench.analysis.report.case_figures import case_figures
        from umlip_bench.analysis.report.pictures import drawn_suites
        from umlip_bench.analysis.runs import read_run
        from umlip_bench.ground.errors import UmlipBenchError

        run = read_run(self.folder)
        say_incomplete(run)
        found = list(case_figures(run))
        if not found:
            suites = drawn_suites()
            raise UmlipBenchError(
                f"{self.folder} holds no finished case of the suites {', '.join(suites)}; run "
                + " or ".join(f"`umlip-bench run {suite} --out {self.folder}`" for suite in suites)
                + " first"
            )
        out = self.out or self.folder / "pictures"
        for path in figures.write(
            found, out, endings=["png"], pixels_per_inch=PIXELS_PER_INCH, force=self.force
        ):
            print(path)
        write_settings(self, out)
        return 0


COMMAND = PicturesCommand
