"""The other processes of a command, from when they are first needed to its end."""

from __future__ import annotations

from concurrent.futures import Executor
from contextlib import suppress
from types import TracebackType
from typing import Self

import torch

from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.running.job_worker import WorkersModel, load_ahead
from umlip_bench.running.jobs import Jobs, threads_of_each

MOST_DEATHS = 5
"""Times that all other processes are started anew, after one of them died."""


class Helpers:
    """Starts other processes, and ends them.

    Parameters
    ----------
    jobs
        ``None`` for none at all.
    told
        Sentences for the user are added to it.
    """

    def __init__(self, jobs: Jobs | None, told: list[str]) -> None:
        self.jobs = jobs
        self.n_starts = 0
        self._threads = torch.get_num_threads()
        self._told = told
        self._executor: Executor | None = None
        self._death: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        # A notebook goes on after the run, with the threads that it had.
        torch.set_num_threads(self._threads)

    @property
    def running(self) -> bool:
        """Whether they have been started."""
        return self._executor is not None

    @property
    def started(self) -> Executor | None:
        """What gives them work; ``None`` if they have not been started."""
        return self._executor

    def executor(self) -> Executor:
        """What gives them work; starts them.

        Raises
        ------
        UmlipBenchError
            If they cannot be started; says as well what the last ones died of.
        """
        assert self.jobs is not None
        if self._executor is None:
            try:
                self._executor = self.jobs.start()
            except UmlipBenchError as error:
                if self._death is None:
                    raise
                raise UmlipBenchError(f"{self._death}; {error}") from error
            self.n_starts += 1
        return self._executor

    def load_ahead(self, model: WorkersModel) -> None:
        """Start them, if they can be before there is work for them, and have them load the first model.

        While this process loads its own and plans. What goes wrong there, the first chunk tells.
        """
        jobs = self.jobs
        if jobs is None or not jobs.ahead:
            return
        self.share_cores()
        executor = self.executor()
        with suppress(RuntimeError):  # it is broken already
            for _ in range(jobs.n_now):
                executor.submit(load_ahead, model)

    def share_cores(self) -> None:
        """Leave them their part of this machine's cores, if they are to be started on it."""
        if self.jobs is not None and not self.running and not self.jobs.alone:
            torch.set_num_threads(threads_of_each(self.jobs.n_now + 1))

    def stop(self) -> None:
        """End them, with whatever they are at."""
        if self._executor is not None and self.jobs is not None:
            self.jobs.stop(self._executor)
            self._executor = None

    def died(self, reason: str) -> None:
        """One of them is gone; all are started anew when there is more to do, but not for ever."""
        self.stop()
        self._death = reason
        if self.n_starts > MOST_DEATHS:
            self.give_up(f"processes died {self.n_starts} times, {reason}")

    def give_up(self, reason: str) -> None:
        """Do the rest in this process.

        Raises
        ------
        UmlipBenchError
            If this process was only to plan.
        """
        alone = self.jobs is not None and self.jobs.alone
        self.stop()
        self.jobs = None
        if alone:
            raise UmlipBenchError(
                f"the workers could not go on: {reason}. What they have measured is kept; mend this and "
                "rerun the command to resume"
            )
        self._told.append(f"The run went on in one process: {reason}")
