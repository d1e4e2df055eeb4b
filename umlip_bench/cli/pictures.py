"""``umlip-bench pictures``: drawings of what a run folder holds."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umlip_bench.cli.options import Subparsers, add_command, add_force_option, say_incomplete

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

EXAMPLES = """\
  umlip-bench run phonons migration --model chgnet-0.3.0 --out runs/first
  umlip-bench pictures runs/first
      bands and densities of states of every material, energy profiles of every path, DFT and all models
      of the folder in each picture; and how the ratios of highest frequencies are distributed
"""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "pictures",
        help="draw phonon bands and migration profiles of a run",
        description=(
            "Draw phonon bands with densities of states, and energy profiles of migration paths, of DFT and\n"
            "of all models of a run folder as PNG; over all materials, histograms of the ratios of highest\n"
            "frequencies."
        ),
        examples=EXAMPLES,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="the run folder")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to (default: pictures in the run folder)"
    )
    add_force_option(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from importlib import import_module

    from umlip_bench.ground.errors import UmlipBenchError
    from umlip_bench.ground.outputs import Output, make_folder

    reference, found = _results(options.folder)
    if not found:
        raise UmlipBenchError(
            f"{options.folder} holds no finished case of the suites {', '.join(DRAWERS)}; run "
            + " or ".join(f"`umlip-bench run {suite} --out {options.folder}`" for suite in DRAWERS)
            + " first"
        )
    out = options.out or options.folder / "pictures"
    make_folder(out)
    for (suite, case), results in found.items():
        for name, figure in import_module(DRAWERS[suite]).pictures(results, reference):
            path = out / f"{re.sub(r'[^A-Za-z0-9._+-]+', '_', case)}-{name}.png"
            _save(figure, Output(path, options.force))
    for suite, module in OVERVIEWS.items():
        of_suite = {case: results for (other, case), results in found.items() if other == suite}
        for name, figure in import_module(module).overviews(of_suite, reference):
            _save(figure, Output(out / f"{suite}-{name}.png", options.force))
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
