"""``umlip-bench submit``: run suites in an array job."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated

from umlip_bench.cli.declare import Reads
from umlip_bench.cli.measures import Measures
from umlip_bench.cli.settings_file import write_settings
from umlip_bench.ground.durations import seconds_in
from umlip_bench.ground.limits import Count

if TYPE_CHECKING:
    from submitit.core.utils import DelayedSubmission


def _option(text: str) -> tuple[str, str]:
    """Name and value of an option of sbatch."""
    name, mark, value = text.lstrip("-").partition("=")
    if not (name and mark and value):
        raise ValueError(f"{text!r} is no option of sbatch as KEY=VALUE, such as time=4:00:00")
    from umlip_bench.running.slurm_array import NOT_GIVEN

    if remedy := NOT_GIVEN.get(name.replace("_", "-")):
        raise ValueError(f"{name} cannot be given with --slurm: {remedy}")
    return name, value


class JoinTask:
    """What a task does: a command line of ``umlip-bench``; it is pickled.

    Parameters
    ----------
    words
        Of the command.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)

    def __call__(self, number: int) -> int:
        """Run it; the number of the task makes no difference."""
        from umlip_bench.cli import main

        status = main(self.words)
        if status:
            raise RuntimeError(f"umlip-bench {' '.join(self.words)} ended with status {status}")
        return status

    def checkpoint(self, number: int) -> DelayedSubmission:
        """At the end of the walltime: the same again."""
        from submitit.core.utils import DelayedSubmission

        return DelayedSubmission(self, number)


@dataclass(frozen=True, kw_only=True)
class SubmitCommand(Measures):
    """Run suites in an array job of Slurm.

    Each task is `umlip-bench run --join` on the run folder, which all must see: it measures what no other has
    claimed, until nothing is left. One that comes to the end of its walltime goes back into the queue.
    """

    name = "umlip-bench submit"
    examples = """\
  umlip-bench submit phonons --model my.model --data my.xyz --out runs/mine --tasks 9 --slurm time=4:00:00
  umlip-bench submit --out runs/gpu --tasks 8 --slurm partition=gpu --slurm gpus-per-node=1 --slurm time=120
"""
    tasks: Count = 10
    """tasks of the array; each loads one model at a time"""
    slurm: Annotated[
        tuple[tuple[str, str], ...], Reads(_option, each=True, metavar="KEY=VALUE")
    ] = ()
    """an option of sbatch by its long name, for each task (default: time=60, cpus-per-task=1)"""

    def run(self) -> int:
        options: Mapping[str, str] = dict(self.slurm)
        walltime = self._walltime(options)
        source = self.source()

        from umlip_bench.cli.run import RunCommand
        from umlip_bench.running.measure import prepare
        from umlip_bench.running.slurm_array import LOGS, check_slurm, submit_array

        check_slurm()

        prepared = prepare(source, self.model, device=self.device, dtype=self.dtype)
        resolved = self.resolved(source, prepared.models)
        shared = {each.name: getattr(resolved, each.name) for each in fields(Measures)}
        command = RunCommand(**{**shared, "new_model": False}, join=True)
        prepared.carry_out(
            self.out, new_model=self.new_model, join=True, time_limit=walltime, only_plan=True
        )
        settings = write_settings(command, self.out)
        words = ["run", "--config", str(settings)]
        jobs = submit_array(JoinTask(words), self.tasks, options, self.out)
        for name, reason in prepared.missing.items():
            print(f"{name} was left out: {reason}", file=sys.stderr)
        n = sum(len(plan.cases) for plan in source.plans) * len(prepared.models)
        print(
            f"{n} cases for {len(jobs)} tasks of the job {jobs[0].partition('_')[0]}; their output is in "
            f"{self.out / LOGS}. How far it is: umlip-bench status {self.out}",
            file=sys.stderr,
        )
        return 0

    def _walltime(self, options: Mapping[str, str]) -> float:
        """Seconds that a task has at a time; chunks are short against it."""
        from umlip_bench.ground.errors import UmlipBenchError
        from umlip_bench.running.slurm_array import DEFAULT_MINUTES, walltime_seconds

        try:
            found = walltime_seconds(options.get("time", str(DEFAULT_MINUTES)))
        except ValueError as error:
            raise UmlipBenchError(f"--slurm time: {error}") from error
        return min(found, seconds_in(self.time_limit) if self.time_limit else found)


COMMAND = SubmitCommand
