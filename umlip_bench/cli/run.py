"""``umlip-bench run``: run suites with any number of models against one data set."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from umlip_bench.cli.measures import Measures
from umlip_bench.cli.settings_file import write_settings
from umlip_bench.cli.workers import Sharing
from umlip_bench.ground.durations import seconds_in

if TYPE_CHECKING:
    from rich.console import Console

    from umlip_bench.running.jobs import Jobs
    from umlip_bench.running.runner import RunOutcome


@dataclass(frozen=True, kw_only=True)
class RunCommand(Measures, Sharing):
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
    join: bool = False
    """share the run with other processes that are given the same command, also on other machines that see
    DIR: each measures what no other has claimed"""

    def run(self) -> int:
        from rich.markup import escape

        from umlip_bench.cli import console

        self.use_compiled()
        if not self.join:
            self.begin_others(self.model)
        source = self.source()

        # Slow imports only after what a user can get wrong.
        from umlip_bench.running.measure import prepare
        from umlip_bench.running.run_report import how_far, others, print_outcome

        prepared = prepare(source, self.model, device=self.device, dtype=self.dtype)
        models, missing = prepared.models, prepared.missing
        resolved = self.resolved(source, models)
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
            f"Run folder: {self.out}. All of it on one page: umlip-bench report {self.out} --open",
            file=sys.stderr,
        )
        return 0

    def _jobs(self) -> Jobs | int | None:
        """Who else measures; options that do not go together are refused."""
        from umlip_bench.ground.errors import UmlipBenchError

        if self.join and (self.dask is not None or self.jobs not in (None, 1)):
            other = "--jobs" if self.dask is None else "--dask"
            raise UmlipBenchError(
                f"{other} does not go with --join, where each process works alone; give the command as often "
                "as there are to be processes"
            )
        if self.join and self.new_model:
            raise UmlipBenchError(
                "--new-model does not go with --join, where each process would begin anew; give it to "
                "umlip-bench submit, or run without --join first"
            )
        return 1 if self.join else self.others(self.device)

    def _say_others(self, outcome: RunOutcome) -> int:
        """What a process that joined says if it is not the last; its exit status."""
        for name, reason in outcome.unusable.items():
            print(f"{name} was left out: {reason}", file=sys.stderr)
        print(
            f"What is left is with others who joined, or for a later command: umlip-bench status {self.out}",
            file=sys.stderr,
        )
        return 0


class _Bars:
    """A progress bar per model on stderr; `on_case` is called when the first case is in the folder."""

    def __init__(self, console: Console, on_case: Callable[[], object]) -> None:
        from umlip_bench.cli.progress import progress_bar

        self._progress = progress_bar(console)
        self._on_case = on_case
        self._tasks: dict[str, Any] = {}
        self._task: Any = None
        self._any = False

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
        if not self._any:
            self._on_case()
            self._any = True
        self._progress.advance(self._task, n)


COMMAND = RunCommand
