"""``umlip-bench run``: run suites with any number of models against one data set."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from cyclopts import Parameter

from umlip_bench.cli.declare import (
    Argument,
    Data,
    File,
    Folder,
    Name,
    Names,
    OnDevice,
    Reads,
    TakesLabels,
    metavar,
)
from umlip_bench.cli.settings_file import write_settings
from umlip_bench.ground.durations import checked_duration, seconds_in
from umlip_bench.ground.label_reading import AS_FOUND
from umlip_bench.ground.limits import Count
from umlip_bench.ground.plugins import installed

if TYPE_CHECKING:
    from rich.console import Console

    from umlip_bench.potentials.weights import Weights
    from umlip_bench.running.jobs import Jobs
    from umlip_bench.running.runner import RunOutcome
    from umlip_bench.running.source import Source

SUITES = "umlip_bench.suites"
"""Entry points of suites; their own module is too slow to import for help."""


def _suites() -> str:
    """Help for their names."""
    return f"{', '.join(sorted(installed(SUITES).found))} (default: all that there is data for)"


@dataclass(frozen=True, kw_only=True)
class RunCommand(OnDevice, TakesLabels):
    """Run suites and print how soft each model is, with 95 % intervals.

    The run folder keeps every case as it ends (journal/), all predictions (predictions/), and in the end
    cases.jsonl, the summary (summary.json) and the command (settings.yaml). Rerun the command
    to resume an interrupted run.
    """

    name = "umlip-bench run"
    examples = """\
  umlip-bench run --out runs/first
      every suite that the embedded PBE set has data for, every model whose weights are here
  umlip-bench run high-energy phonons --model chgnet-0.3.0 --model m3gnet-mp-2021.2.8 --out runs/two
  umlip-bench run high-energy --model my.model --data my.xyz --device cuda --out runs/mine
  umlip-bench run surfaces --structure Cu.cif --max-index 2 --model chgnet-0.3.0 --out runs/Cu
  umlip-bench run migration --structure LiFePO4.cif --ion Li --mode quick --model chgnet-0.3.0 --out runs/Li
  umlip-bench run --structure Cu.cif --against mace-mp-0-medium --model chgnet-0.3.0 --out runs/relative
      how chgnet-0.3.0 differs from another model on high-energy states of the crystal
  umlip-bench run --config runs/two/settings.yaml --out runs/again
"""
    suites: Annotated[tuple[str, ...], Argument("SUITE"), Parameter(help=_suites())] = ()
    model: Names = ()
    """a model of `umlip-bench models`, a path to weights, an ASE calculator as ase:module.path:NAME or
    ase:./file.py:NAME?key=value, or the path of a YAML file that names one; mine=MODEL calls it mine; may be
    given several times (default: one version of each potential of the paper, and every other model with
    weights here and the functional of the data)"""
    data: Data | None = None
    """a set of `umlip-bench data list`, or a file or folder with labels (default: pbe-mini)"""
    structure: File | None = None
    """measure this structure, without reference values; FILE@N takes frame N of several"""
    against: Name | None = None
    """with --structure: compare with this model, in place of DFT, on high-energy states of the structure that
    it samples; all numbers are relative to it"""
    trust_order: bool = False
    """with --data: take forces of phonopy's force sets as they are, even where they do not look as if they
    were in the order of the supercell"""
    max_index: Count | None = None
    """with --structure: highest Miller index of surfaces (default: 1)"""
    ion: Annotated[str | None, metavar("EL")] = None
    """with --structure: the ion that migrates"""
    mode: Literal["quick", "standard", "full"] = "standard"
    """how many cases: a few, all but the dearest, all"""
    out: Folder
    """the run folder"""
    jobs: Count | None = None
    """processes, of one thread each on a CPU and a GPU each with CUDA (default: all cores or GPUs, if the
    run takes longer than starting others does)"""
    dask: Annotated[str | None, metavar("WHERE")] = None
    """have the workers of a Dask cluster measure: the address of its scheduler (tcp://HOST:PORT), a scheduler
    file, or local for one on this machine, with --jobs workers; all must see the same DIR"""
    join: bool = False
    """share the run with other processes that are given the same command, also on other machines that see
    DIR: each measures what no other has claimed"""
    time_limit: Annotated[str | None, Reads(checked_duration, metavar="TIME")] = None
    """stop after so long, such as 2h or 30min, with the best estimates by then; rerun to go on"""
    new_model: bool = False
    """measure the models anew, also where DIR has results of other ones of their names"""

    def run(self) -> int:
        from rich.markup import escape

        from umlip_bench.cli import console

        source = self._source()

        # Slow imports only after what a user can get wrong.
        from umlip_bench.running.measure import prepare
        from umlip_bench.running.run_report import how_far, others, print_outcome

        prepared = prepare(source, self.model, device=self.device, dtype=self.dtype)
        models, missing = prepared.models, prepared.missing
        resolved = self._resolved(source, models)
        errors = console.errors()
        with _Bars(errors, lambda: write_settings(resolved, self.out)) as bars:
            measured = prepared.carry_out(
                self.out,
                bars,
                new_model=self.new_model,
                jobs=self._jobs(),
                join=self.join,
                time_limit=None if self.time_limit is None else seconds_in(self.time_limit),
            )
            outcome = measured.outcome
        write_settings(resolved, self.out)
        if outcome.with_others:
            return self._say_others(outcome)
        print_outcome(outcome, source, console.output())
        # Names and reasons are the user's, and may hold brackets that rich would take for markup.
        for name, reason in {**missing, **outcome.unusable}.items():
            text = f"[yellow]{escape(name)} was left out:[/] {escape(reason)}"
            errors.print(text, highlight=False, soft_wrap=True)
        for said in outcome.told:
            errors.print(f"[yellow]Note:[/] {escape(said)}.", highlight=False, soft_wrap=True)
        if not self.model:
            errors.print(others(models, missing), markup=False, highlight=False, soft_wrap=True)
        for said in how_far(outcome) if outcome.n_left else ():
            errors.print(escape(said), highlight=False, soft_wrap=True)
        for record in outcome.failed:
            where = escape(f"{record.model}, {record.suite}, {record.case}: {record.reason}")
            errors.print(f"[red]failed:[/] {where}", highlight=False, soft_wrap=True)
        if outcome.n_done == 0:
            print("umlip-bench: nothing succeeded", file=sys.stderr)
            return 1
        print(
            f"Run folder: {self.out}. All of it on one page: umlip-bench report {self.out}",
            file=sys.stderr,
        )
        return 0

    def _jobs(self) -> Jobs | int | None:
        """Who else measures; options that do not go together are refused."""
        from umlip_bench.cli import console
        from umlip_bench.ground.errors import UmlipBenchError

        if self.join and (self.dask is not None or self.jobs not in (None, 1)):
            other = "--jobs" if self.dask is None else "--dask"
            raise UmlipBenchError(
                f"{other} does not go with --join, where each process works alone; give the command as often "
                "as there are to be processes"
            )
        if self.dask is None:
            return 1 if self.join else self.jobs
        from umlip_bench.running.dask_jobs import dask_jobs

        def say(page: str) -> None:
            console.errors().print(f"Dask: {page}", markup=False, highlight=False, soft_wrap=True)

        return dask_jobs(self.dask, self.jobs, self.device, say)

    def _say_others(self, outcome: RunOutcome) -> int:
        """What a process that joined says if it is not the last; its exit status."""
        for name, reason in outcome.unusable.items():
            print(f"{name} was left out: {reason}", file=sys.stderr)
        print(
            f"What is left is with others who joined, or for a later command: umlip-bench status {self.out}",
            file=sys.stderr,
        )
        return 0

    def _source(self) -> Source:
        """What is run on; options that would do nothing are refused."""
        from umlip_bench.ground.errors import UmlipBenchError
        from umlip_bench.running.measure import MAX_INDEX, source_of

        if self.against is not None:
            return self._relative_source(self.against)
        given = {"--max-index": self.max_index, "--ion": self.ion}
        if self.structure is None:
            why = {
                "--max-index": "the surfaces of a data set (--data) are given",
                "--ion": "images of a path (--data) say which atom moves",
            }
            for option, value in given.items():
                if value is not None:
                    raise UmlipBenchError(
                        f"{option} {value} goes with --structure FILE; {why[option]}"
                    )
            return source_of(
                self.suites,
                self.data,
                None,
                self.mode,
                trust_order=self.trust_order,
                reading=self.reading,
            )
        if self.data is not None or self.trust_order or self.reading != AS_FOUND:
            other = "--trust-order" if self.trust_order else "what is said of labels"
            other = other if self.data is None else f"--data {self.data}"
            raise UmlipBenchError(
                f"{other} does not go with --structure {self.structure}, which is measured without reference "
                "values; leave one away"
            )
        max_index = MAX_INDEX if self.max_index is None else self.max_index
        source = source_of(
            self.suites, None, self.structure, self.mode, max_index=max_index, ion=self.ion
        )
        of = {"--max-index": "surfaces", "--ion": "migration"}
        for option, value in given.items():
            if value is not None and self.suites and of[option] not in self.suites:
                raise UmlipBenchError(
                    f"{option} {value} is of the suite {of[option]}, which is not among those to run; leave "
                    f"it away, or add {of[option]}"
                )
        return source

    def _relative_source(self, against: str) -> Source:
        """States of the structure, labelled by another model."""
        from umlip_bench.cli import console
        from umlip_bench.cli.progress import progress_bar
        from umlip_bench.finetune.relative import SUITE, relative_labels
        from umlip_bench.ground.errors import UmlipBenchError
        from umlip_bench.ground.structures import read_structure
        from umlip_bench.potentials.loading import potential
        from umlip_bench.running.measure import source_of

        if self.structure is None:
            raise UmlipBenchError(
                f"--against {against} goes with --structure FILE, whose states it samples and labels"
            )
        others = [name for name in self.suites if name != SUITE]
        beside = ["--data", "--trust-order", "--max-index", "--ion"]
        values = [self.data, self.trust_order or None, self.max_index, self.ion]
        given = [name for name, value in zip(beside, values, strict=True) if value is not None]
        given += ["what is said of labels"] if self.reading != AS_FOUND else []
        if others or given:
            raise UmlipBenchError(
                f"{(others + given)[0]} does not go with --against, which measures the suite {SUITE} alone; "
                "leave one of them away"
            )
        atoms = read_structure(self.structure)
        errors = console.errors()
        with errors.status(f"reading {against}"):
            reference = potential(against, device=self.device, dtype=self.dtype)
        with progress_bar(errors) as bar:
            row = bar.add_task(f"states of {self.structure.name}", total=None)
            labels = relative_labels(
                reference,
                atoms,
                self.structure.name,
                keep=self.out,
                progress=lambda done, total: bar.update(row, completed=done, total=total),
            )
        return source_of([SUITE], labels, None, self.mode)

    def _resolved(self, source: Source, models: Sequence[Weights]) -> RunCommand:
        """The command, with what it took where nothing was named."""
        from umlip_bench.running.measure import DATA

        return replace(
            self,
            suites=self.suites or tuple(plan.suite.name for plan in source.plans),
            model=self.model or tuple(weights.card.name for weights in models),
            data=self.data if self.structure else self.data or DATA,
        )


class _Bars:
    """A progress bar per model on stderr; `on_case` is called when a case is in the folder."""

    def __init__(self, console: Console, on_case: Callable[[], None]) -> None:
        from umlip_bench.cli.progress import progress_bar

        self._progress = progress_bar(console)
        self._on_case = on_case
        self._tasks: dict[str, Any] = {}
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
        if model not in self._tasks:
            self._tasks[model] = self._progress.add_task(model, total=total)
        self._task = self._tasks[model]
        self._progress.update(self._task, completed=finished)

    def advance(self, n: int = 1) -> None:
        self._on_case()
        self._progress.advance(self._task, n)


COMMAND = RunCommand
