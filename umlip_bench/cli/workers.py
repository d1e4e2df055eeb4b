"""Options of commands whose work several processes share."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from umlip_bench.cli.declare import Command, metavar
from umlip_bench.ground.limits import Count

if TYPE_CHECKING:
    from umlip_bench.running.jobs import Jobs


@dataclass(frozen=True, kw_only=True)
class Sharing(Command):
    """A command whose work several processes share."""

    jobs: Count | None = None
    """processes, of one thread each on a CPU and a GPU each with CUDA (default: all cores or GPUs, if the
    work takes longer than starting others does)"""
    dask: Annotated[str | None, metavar("WHERE")] = None
    """have the workers of a Dask cluster measure: the address of its scheduler (tcp://HOST:PORT), a scheduler
    file, or local for one on this machine, with --jobs workers; all must see the files of the command"""

    def begin_others(self, models: Sequence[str]) -> None:
        """Have other processes of this machine import while this one does, if they were asked for."""
        if self.dask is None and self.jobs is not None and self.jobs > 1:
            from umlip_bench.running.fork_server import begin

            begin(models)

    def others(self, device: str) -> Jobs | int | None:
        """Workers of Dask, or how many processes are wanted.

        Raises
        ------
        UmlipBenchError
            If there is no such cluster.
        """
        if self.dask is None:
            self._say_if_crowded(device)
            return self.jobs
        from umlip_bench.cli import console
        from umlip_bench.running.dask_jobs import dask_jobs

        def say(page: str) -> None:
            console.errors().print(f"Dask: {page}", markup=False, highlight=False, soft_wrap=True)

        return dask_jobs(self.dask, self.jobs, device, say)

    def _say_if_crowded(self, device: str) -> None:
        from umlip_bench.potentials.devices import resolve_device
        from umlip_bench.running.jobs import n_cores

        cores = n_cores()
        if self.jobs is not None and self.jobs > cores and resolve_device(device).type == "cpu":
            print(
                f"Note: {self.jobs} processes on {cores} cores are no faster than --jobs {cores}, and take "
                "more memory.",
                file=sys.stderr,
            )
