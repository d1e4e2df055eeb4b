"""``umlip-bench run``: run suites with any number of models against one data set."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from umlip_bench.cli.options import Subparsers, add_command, add_device_options, positive

if TYPE_CHECKING:
    from rich.console import Console

    from umlip_bench.ground.level_of_theory import LevelOfTheory
    from umlip_bench.potentials.weights import Weights, WeightsStore
    from umlip_bench.running.plan import DataIdentity, SuitePlan
    from umlip_bench.running.runner import RunOutcome

REFERENCE_MODELS = ("chgnet-0.3.0", "m3gnet-mp-2021.2.8", "mace-mp-0-medium")
"""One version of each potential of the paper; run when none is named, downloaded if need be."""

EXAMPLES = """\
  umlip-bench run --out runs/first
      every suite that the embedded PBE set has data for, every model whose weights are here
  umlip-bench run high-energy phonons --model chgnet-0.3.0 --model m3gnet-mp-2021.2.8 --out runs/two
  umlip-bench run high-energy --model my.model --data my.xyz --device cuda --out runs/mine
  umlip-bench run surfaces --structure Cu.cif --max-index 2 --model chgnet-0.3.0 --out runs/Cu
  umlip-bench run migration --structure LiFePO4.cif --ion Li --mode quick --model chgnet-0.3.0 --out runs/Li

An interrupted run goes on where it was when the same command is given again.
"""

MAX_INDEX = 1
"""Highest Miller index of the surfaces of a structure, where none is asked for."""
FEW_CASES = 12
"""So many are listed one by one below the table."""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    from umlip_bench.analysis.registry import suite_names

    parser = add_command(
        commands,
        "run",
        help="run benchmark suites",
        description=(
            "Run suites and print how soft each model is, with 95 % intervals. The run folder keeps every\n"
            "case as it ends (journal/), all predictions (predictions/), and in the end cases.jsonl and\n"
            "the summary (summary.json)."
        ),
        examples=EXAMPLES,
    )
    parser.add_argument(
        "suites",
        metavar="SUITE",
        nargs="*",
        help=f"{', '.join(suite_names())} (default: all that there is data for)",
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
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--data",
        default="pbe-mini",
        metavar="ID|FILE",
        help="pbe-mini (default), a set of `umlip-bench data list`, or a file with labels",
    )
    source.add_argument(
        "--structure",
        type=Path,
        metavar="FILE",
        help="measure this structure, without reference values; FILE@N takes frame N of several",
    )
    parser.add_argument(
        "--trust-order",
        action="store_true",
        help=(
            "with --data: take forces of phonopy's force sets as they are, even where they do not look as if "
            "they were in the order of the supercell"
        ),
    )
    parser.add_argument(
        "--max-index",
        type=positive,
        metavar="N",
        help="with --structure: highest Miller index of surfaces (default: 1)",
    )
    parser.add_argument("--ion", metavar="EL", help="with --structure: the ion that migrates")
    parser.add_argument(
        "--mode",
        choices=("quick", "standard", "full"),
        default="standard",
        help="how many cases: a few, all but the dearest (default), all",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the run folder")
    parser.add_argument(
        "--new-model",
        action="store_true",
        help="measure the models anew, also where DIR has results of other ones of their names",
    )
    add_device_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from rich.markup import escape

    from umlip_bench.cli import console

    source = _structure(options) if options.structure else _dataset(options)

    # Slow imports only after what a user can get wrong.
    from umlip_bench.potentials.devices import resolve_device, resolve_dtype
    from umlip_bench.potentials.weights import WeightsStore
    from umlip_bench.running.runner import run_suites

    level = source.data.level_of_theory
    device, dtype = resolve_device(options.device), resolve_dtype(options.dtype)
    models, missing = _locate(options.model, level, WeightsStore())
    errors = console.errors()
    with _Bars(errors) as bars:
        outcome = run_suites(
            source.plans,
            models,
            source.data,
            options.out,
            device=device,
            dtype=dtype,
            progress=bars,
            new_model=options.new_model,
        )
    _report(console.output(), outcome, source, one_by_one=options.structure is not None)
    # Names and reasons are the user's, and may hold brackets that rich would take for markup.
    for name, reason in {**missing, **outcome.unusable}.items():
        text = f"[yellow]{escape(name)} was left out:[/] {escape(reason)}"
        errors.print(text, highlight=False, soft_wrap=True)
    for said in outcome.told:
        errors.print(f"[yellow]Note:[/] {escape(said)}.", highlight=False, soft_wrap=True)
    if options.model is None:
        errors.print(_others(models, missing), markup=False, highlight=False, soft_wrap=True)
    for record in outcome.failed:
        where = escape(f"{record.model}, {record.suite}, {record.case}: {record.reason}")
        errors.print(f"[red]failed:[/] {where}", highlight=False, soft_wrap=True)
    if outcome.n_done == 0:
        print("umlip-bench: nothing succeeded", file=sys.stderr)
        return 1
    print(f"Run folder: {options.out}", file=sys.stderr)
    return 0


@dataclass(frozen=True, eq=False)
class _Source:
    """What is run on, and what to say of it."""

    data: DataIdentity
    plans: Sequence[SuitePlan]
    notes: Sequence[str]


def _dataset(options: argparse.Namespace) -> _Source:
    """The cases of a data set, for the suites asked for or all that have any."""
    from umlip_bench import datasets
    from umlip_bench.benchmarks import load_suite, load_suites
    from umlip_bench.benchmarks.suite import Mode
    from umlip_bench.ground.errors import UmlipBenchError
    from umlip_bench.running.plan import DataIdentity, SuitePlan

    if options.max_index is not None:
        raise UmlipBenchError(
            f"--max-index {options.max_index} goes with --structure FILE; the surfaces of a data set "
            "(--data) are given"
        )
    if options.ion is not None:
        raise UmlipBenchError(
            f"--ion {options.ion} goes with --structure FILE; images of a path (--data) say which atom moves"
        )
    wanted = [load_suite(name) for name in dict.fromkeys(options.suites)]
    dataset = datasets.load(options.data, trust_order=options.trust_order)
    plans = []
    notes = []
    for suite in wanted or load_suites():
        cases = suite.cases(dataset, Mode(options.mode))
        if cases:
            plans.append(SuitePlan(suite, cases))
        elif wanted:
            raise UmlipBenchError(
                f"data set {dataset.manifest.id} has no case for the suite {suite.name}; it has some for: "
                f"{', '.join(dataset.tasks)}"
            )
        left_out = Counter(case.unusable for case in dataset.unusable(suite.name))
        notes += [
            f"{suite.name}: {n} cases of the data are left out: {reason}."
            for reason, n in left_out.most_common()
        ]
    if not plans:
        raise UmlipBenchError(f"data set {dataset.manifest.id} has no case for any suite")
    level = dataset.manifest.level_of_theory
    data = DataIdentity(dataset.manifest.id, dataset.sha256, level)
    return _Source(data, plans, [*notes, *dataset.manifest.caveats])


def _structure(options: argparse.Namespace) -> _Source:
    """The cases that follow from a structure, for the suites asked for or all that can."""
    import hashlib

    from umlip_bench.benchmarks import load_suite, load_suites
    from umlip_bench.benchmarks.suite import Mode, StructureRequest
    from umlip_bench.ground.errors import UmlipBenchError
    from umlip_bench.ground.level_of_theory import LevelOfTheory
    from umlip_bench.ground.structures import read_structure, split_frames
    from umlip_bench.running.plan import DataIdentity, SuitePlan

    path: Path = options.structure
    able = [suite for suite in load_suites() if suite.takes_structures]
    wanted = [load_suite(name) for name in dict.fromkeys(options.suites)]
    for suite in wanted:
        if not suite.takes_structures:
            raise UmlipBenchError(
                f"the suite {suite.name} needs reference data; without them there are "
                f"{', '.join(s.name for s in able)}"
            )
    atoms = read_structure(path)
    file, frame = split_frames(path)
    named = {suite.name for suite in wanted or able}
    for option, value, of in (
        ("--max-index", options.max_index, "surfaces"),
        ("--ion", options.ion, "migration"),
    ):
        if value is not None and of not in named:
            raise UmlipBenchError(
                f"{option} {value} is of the suite {of}, which is not among those to run; leave it "
                f"away, or add {of}"
            )
    mode = Mode(options.mode)
    max_index = MAX_INDEX if options.max_index is None else options.max_index
    name = file.stem if frame is None else f"{file.stem}@{frame}"
    request = StructureRequest(atoms, name, max_index, options.ion, mode)
    plans, notes = [], []
    for suite in wanted or able:
        try:
            plans.append(SuitePlan(suite, suite.structure_cases(request)))
        except UmlipBenchError as error:
            if wanted:
                raise
            notes.append(f"{suite.name} is left out: {error}.")
    if not plans:
        raise UmlipBenchError(f"no suite can measure {path}: {' '.join(notes)}")
    # The frame is in the name of the data, and so in its identity.
    identity = f"{max_index} {options.ion} ".encode() + file.read_bytes()
    data = DataIdentity(path.name, hashlib.sha256(identity).hexdigest(), LevelOfTheory("unknown"))
    return _Source(data, plans, notes)


def _locate(
    names: list[str] | None, data: LevelOfTheory, store: WeightsStore
) -> tuple[list[Weights], dict[str, str]]:
    """Weights of the wanted models, and why others are missing.

    A name that stands for no model is an error at once; weights that are not to be had leave a model
    out.
    """
    from umlip_bench.ground.errors import UmlipBenchError, WeightsError
    from umlip_bench.potentials.catalogue import catalogue
    from umlip_bench.potentials.loading import locate

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
    from umlip_bench.ground.errors import WeightsError

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


def _report(console: Console, outcome: RunOutcome, source: _Source, *, one_by_one: bool) -> None:
    from umlip_bench.analysis.tables import print_cases, print_table
    from umlip_bench.ground.level_of_theory import differs, level_warning

    data = source.data.level_of_theory
    other = {name for name, level in outcome.levels.items() if differs(level, data)}
    for part in outcome.suites:
        if not one_by_one:
            shown = part.suite.presentation
            print_table([row for row in part.rows if row.model not in other], shown, console)
            if any(row.model in other for row in part.rows):
                console.print(
                    "[yellow]Not comparable: trained on another functional than the data's[/]"
                )
                print_table([row for row in part.rows if row.model in other], shown, console)
        for model, results in part.results.items():
            table = part.suite.case_table(results)
            few = table is not None and min(len(results), len(table.rows)) <= FEW_CASES
            if table is not None and (one_by_one or few):
                print_cases(replace(table, title=f"{model}: {table.title}"), console)
    if not one_by_one:
        reference = f"Reference: {source.data.id}, {data.in_full}."
        console.print(reference, style="dim", markup=False, highlight=False)
    for name in () if one_by_one else outcome.levels:
        warning = level_warning(outcome.levels[name], data)
        if warning:
            console.print(f"{name}: {warning}.", style="yellow", markup=False, highlight=False)
    for note in source.notes:
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
