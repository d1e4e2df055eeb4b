"""``umlip-bench run``: run a suite with any number of models against one data set."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from umlip_bench.cli.options import Subparsers, add_command, add_device_options

if TYPE_CHECKING:
    from rich.console import Console

    from umlip_bench.potentials.card import LevelOfTheory
    from umlip_bench.potentials.store import Weights, WeightsStore
    from umlip_bench.runner import Outcome

REFERENCE_MODELS = ("chgnet-0.3.0", "m3gnet-mp-2021.2.8", "mace-mp-0-medium")
"""One version of each potential of the paper; run when none is named, downloaded if need be."""

EXAMPLES = """\
  umlip-bench run high-energy --out runs/first
      every model whose weights are here, on the embedded PBE set
  umlip-bench run high-energy --model chgnet-0.3.0 --model m3gnet-mp-2021.2.8 --out runs/two
  umlip-bench run high-energy --model my.model --data my.xyz --device cuda --out runs/mine

An interrupted run goes on where it was when the same command is given again.
"""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "run",
        help="run a benchmark suite",
        description=(
            "Run a suite and print how soft each model is, with 95 % intervals. The run folder keeps every\n"
            "case (cases.jsonl), all predictions (predictions/) and the summary (summary.json)."
        ),
        examples=EXAMPLES,
    )
    parser.add_argument(
        "suite", metavar="SUITE", nargs="?", default="high-energy", help="high-energy (default)"
    )
    parser.add_argument(
        "--model",
        action="append",
        metavar="NAME",
        help=(
            "a model of `umlip-bench models`, a path to weights, or ase:module.path:ClassName; may be "
            f"given several times (default: {', '.join(REFERENCE_MODELS)} and every other model with "
            "weights here and the functional of the data)"
        ),
    )
    parser.add_argument(
        "--data",
        default="pbe-mini",
        metavar="ID|FILE",
        help="pbe-mini (default), or an extended XYZ file with REF_energy, REF_forces, REF_stress",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the run folder")
    add_device_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from rich.markup import escape

    from umlip_bench import datasets
    from umlip_bench.benchmarks import suite as suite_by_name
    from umlip_bench.cli import console

    suite = suite_by_name(options.suite)
    dataset = datasets.load(options.data)
    level = dataset.manifest.level_of_theory

    # Slow imports only after what a user can get wrong.
    from umlip_bench.devices import resolve_device, resolve_dtype
    from umlip_bench.potentials.store import WeightsStore
    from umlip_bench.runner import DataIdentity, run_suite

    device, dtype = resolve_device(options.device), resolve_dtype(options.dtype)
    models, missing = _locate(options.model, level, WeightsStore())
    errors = console.errors()
    with _Bars(errors) as bars:
        outcome = run_suite(
            suite,
            models,
            dataset,
            DataIdentity(dataset.manifest.id, dataset.sha256, level),
            options.out,
            device=device,
            dtype=dtype,
            progress=bars,
        )
    left_out = Counter(case.unusable for case in dataset.unusable(suite.name))
    notes = [
        f"{n} cases of the data are left out: {reason}." for reason, n in left_out.most_common()
    ]
    _report(console.output(), outcome, level, [*notes, *dataset.manifest.caveats])
    # Names and reasons are the user's, and may hold brackets that rich would take for markup.
    for name, reason in {**missing, **outcome.unusable}.items():
        text = f"[yellow]{escape(name)} was left out:[/] {escape(reason)}"
        errors.print(text, highlight=False, soft_wrap=True)
    if options.model is None:
        errors.print(_others(models, missing), markup=False, highlight=False, soft_wrap=True)
    for record in outcome.failed:
        where = escape(f"{record.model}, {record.case}: {record.reason}")
        errors.print(f"[red]failed:[/] {where}", highlight=False, soft_wrap=True)
    if outcome.n_done == 0:
        print("umlip-bench: nothing succeeded", file=sys.stderr)
        return 1
    print(f"Run folder: {options.out}", file=sys.stderr)
    return 0


def _locate(
    names: list[str] | None, data: LevelOfTheory, store: WeightsStore
) -> tuple[list[Weights], dict[str, str]]:
    """Weights of the wanted models, and why others are missing.

    A name that stands for no model is an error at once; weights that are not to be had leave a model
    out.
    """
    from umlip_bench.errors import UmlipBenchError, WeightsError
    from umlip_bench.loading import locate
    from umlip_bench.potentials.catalogue import catalogue

    wanted = list(dict.fromkeys(names or REFERENCE_MODELS))
    found: list[Weights] = []
    missing: dict[str, str] = {}
    for name in wanted:
        try:
            weights = locate(name, store)
        except WeightsError as error:
            missing[name] = str(error)
            continue
        namesake = next((w for w in found if w.card.name == weights.card.name), None)
        if namesake is None:
            found.append(weights)
        elif namesake.sha256 != weights.sha256:
            raise UmlipBenchError(
                f"{namesake.paths[0]} and {weights.paths[0]} are different weights that both go by the "
                f"name {weights.card.name}; rename one of them"
            )
    if names is None:
        for card in catalogue().values():
            same = card.level_of_theory.functional == data.functional
            if card.name not in wanted and (same or data.functional == "unknown"):
                here = _if_here(card, store, missing)
                if here is not None:
                    found.append(here)
    return found, missing


def _if_here(card: Any, store: WeightsStore, missing: dict[str, str]) -> Weights | None:
    from umlip_bench.errors import WeightsError

    try:
        return store.locate(card)
    except WeightsError as error:
        missing[card.name] = str(error)
        return None


def _others(models: list[Weights], missing: dict[str, str]) -> str:
    """What could have been run as well."""
    from umlip_bench.potentials.catalogue import catalogue

    known = {weights.card.name for weights in models} | set(missing)
    others = [name for name in catalogue() if name not in known]
    return (
        f"Not run: {', '.join(others)}. Fetch weights with `umlip-bench models fetch NAME`, run a model "
        "with --model NAME."
    )


def _report(console: Console, outcome: Outcome, data: LevelOfTheory, notes: list[str]) -> None:
    from umlip_bench.analysis.tables import print_table
    from umlip_bench.runner import differs, level_warning

    other = {name for name, level in outcome.levels.items() if differs(level, data)}
    print_table([row for row in outcome.rows if row.model not in other], console)
    if any(row.model in other for row in outcome.rows):
        console.print("[yellow]Not comparable: trained on another functional than the data's[/]")
        print_table([row for row in outcome.rows if row.model in other], console)
    for name in dict.fromkeys(row.model for row in outcome.rows):
        warning = level_warning(outcome.levels[name], data)
        if warning:
            console.print(f"{name}: {warning}.", style="yellow", markup=False, highlight=False)
    for note in notes:
        console.print(f"Note: {note}", style="dim", markup=False, highlight=False)


class _Bars:
    """A progress bar per model on stderr."""

    def __init__(self, console: Console) -> None:
        from umlip_bench.cli.progress import progress_bar

        self._progress = progress_bar(console)
        self._task: Any = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def start(self, model: str, total: int, finished: int) -> None:
        self._task = self._progress.add_task(model, total=total, completed=finished)

    def advance(self) -> None:
        self._progress.advance(self._task)
