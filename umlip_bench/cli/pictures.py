"""``umlip-bench pictures``: drawings of what a run folder holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from umlip_bench.cli.command import application
from umlip_bench.cli.options import Argument, Folder, Overwriting, say_incomplete
from umlip_bench.cli.settings_file import write_settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from umlip_bench.ground.outputs import Output

DRAWERS = {
    "phonons": "umlip_bench.analysis.phonon_pictures",
    "migration": "umlip_bench.analysis.migration_pictures",
}
"""By suite, the module whose ``pictures`` takes results of one case by model and gives names and figures."""
OVERVIEWS = {"phonons": "umlip_bench.analysis.phonon_pictures"}
"""By suite, the module whose ``overviews`` takes results by case and model and gives names and figures."""


@dataclass(frozen=True, kw_only=True)
class Pictures(Overwriting):
    """Draw phonon bands with densities of states, and energy profiles of migration paths.

    Of DFT and of all models of a run folder, as PNG; over all materials, histograms of the ratios of highest
    frequencies.
    """

    name = "umlip-bench pictures"
    examples = """\
  umlip-bench run phonons migration --model chgnet-0.3.0 --out runs/first
  umlip-bench pictures runs/first
      bands and densities of states of every material, energy profiles of every path, DFT and all
      models of the folder in each picture; and how the ratios of highest frequencies are distributed
"""
    folder: Annotated[Path, Argument("RUN")]
    """the run folder"""
    out: Folder | None = None
    """where to (default: pictures in the run folder)"""

    def run(self) -> int:
        from importlib import import_module

        from umlip_bench.ground.errors import UmlipBenchError
        from umlip_bench.ground.outputs import Output, make_folder

        reference, found = _results(self.folder)
        if not found:
            raise UmlipBenchError(
                f"{self.folder} holds no finished case of the suites {', '.join(DRAWERS)}; run "
                + " or ".join(f"`umlip-bench run {suite} --out {self.folder}`" for suite in DRAWERS)
                + " first"
            )
        out = self.out or self.folder / "pictures"
        make_folder(out)
        for (suite, case), results in found.items():
            for name, figure in import_module(DRAWERS[suite]).pictures(results, reference):
                path = out / f"{re.sub(r'[^A-Za-z0-9._+-]+', '_', case)}-{name}.png"
                _save(figure, Output(path, self.force))
        for suite, module in OVERVIEWS.items():
            of_suite = {case: results for (other, case), results in found.items() if other == suite}
            for name, figure in import_module(module).overviews(of_suite, reference):
                _save(figure, Output(out / f"{suite}-{name}.png", self.force))
        write_settings(self, out)
        return 0


def _save(figure: Figure, output: Output) -> None:
    from umlip_bench.ground.outputs import PNG_METADATA

    output.write(lambda file: figure.savefig(file, format="png", dpi=160, metadata=PNG_METADATA))
    print(output.path)


def _results(folder: Path) -> tuple[str, dict[tuple[str, str], dict[str, Any]]]:
    """How the reference is called, and results by suite and case, and by model.

    Functionals are told: the reference's, and those of models that were trained on another.
    """
    from umlip_bench.analysis.runs import read_run
    from umlip_bench.ground.level_of_theory import differs

    run = read_run(folder)
    say_incomplete(run)
    level = run.level
    reference = "DFT" if level.functional == "unknown" else f"DFT ({level})"
    names = {}
    for model in run.models:
        own = run.card(model).level_of_theory
        names[model] = f"{model} ({own.functional})" if differs(own, level) else model
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for record in run.records:
        if record.suite in DRAWERS and record.status == "done":
            by_model = found.setdefault((record.suite, record.case), {})
            by_model[names[record.model]] = run.result(record)
    return reference, found


app = application(Pictures)
