"""Workers of a Dask cluster: one that is started on this machine, or any that is running."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.extras import require
from umlip_bench.ground.plain import load_json
from umlip_bench.running.dask_chunks import DaskChunks
from umlip_bench.running.job_worker import use_device
from umlip_bench.running.jobs import Jobs, n_cores

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

LOCAL = "local"
"""In place of an address: workers on this machine, as many as cores, or GPUs with CUDA."""
CONNECT_SECONDS = 60.0
"""That a scheduler may take to answer."""


def dask_jobs(where: str, n: int | None, device: str, told: Callable[[str], object]) -> Jobs:
    """Workers of a Dask cluster, which do all the work; this process plans.

    Parameters
    ----------
    where
        ``local``; the address of a scheduler, as ``tcp://HOST:PORT``; or a scheduler file.
    n
        Workers of ``local``; ``None`` for as many as there are cores or GPUs.
    device
        Where workers have models: ``auto``, or as of `umlip_bench.potential`.
    told
        Called with the address of the cluster's page, if it has one, and with sentences about its workers.

    Raises
    ------
    UmlipBenchError
        If Dask is not installed, or `where` is neither.
    """
    require("distributed")
    import dask

    # Every worker that comes or goes would be a line among the progress bars.
    dask.config.set({"logging.distributed": "critical"})
    from distributed.scheduler import KilledWorker

    # It has a level of its own; that a scheduler is gone is told by an error.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)

    if where != LOCAL and "://" not in where and not _is_scheduler_file(Path(where)):
        raise UmlipBenchError(
            f"--dask {where} is no scheduler: give {LOCAL}, an address as tcp://HOST:PORT, or the file that "
            "the scheduler wrote (--scheduler-file)"
        )
    cluster = _Cluster(where, n, device, told)
    # An OSError is one of the connection: those of the workers' own code are told otherwise (`dask_chunks`).
    gone = (KilledWorker, OSError)
    return Jobs(
        cluster.start,
        cluster.stop,
        cluster.n_workers,
        patience=0.0,
        deaths=(*gone, CancelledError, asyncio.CancelledError),
        alone=True,
        device=device,
    )


def _is_scheduler_file(path: Path) -> bool:
    """Whether a file says where a scheduler is; Dask's own error for another is an assertion."""
    try:
        content = load_json(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and isinstance(content.get("address"), str)


class _Cluster:
    """A client of a scheduler, from one start to the next stop."""

    def __init__(
        self, where: str, n: int | None, device: str, told: Callable[[str], object]
    ) -> None:
        self._where, self._n, self._device, self._told = where, n, device, told
        self._client: Client | None = None
        self._chunks: DaskChunks | None = None
        self._unable: dict[str, str] = {}
        self._n_starts = 0
        self._own: LocalCluster | None = None

    def start(self) -> Executor:
        from distributed import Client

        if self._where == LOCAL:
            self._own = self._local()
        elif self._n_starts:
            self._told(f"connecting to the scheduler anew, for up to {CONNECT_SECONDS:.0f} s")
        self._n_starts += 1
        try:
            if self._own is not None:
                self._client = Client(self._own)
            elif "://" in self._where:
                self._client = Client(self._where, timeout=CONNECT_SECONDS)
            else:
                self._client = Client(scheduler_file=self._where, timeout=CONNECT_SECONDS)
        except (OSError, TimeoutError, ValueError) as error:
            raise UmlipBenchError(
                f"--dask {self._where}: no scheduler answers there ({error}); what is measured is kept: "
                "start one and give the command again"
            ) from error
        self._told(self._client.dashboard_link)
        self._chunks = DaskChunks(self._client, self._unable, self._told)
        return self._chunks

    def stop(self, executor: Executor) -> None:
        """Leave the cluster; one of ours ends."""
        executor.shutdown(wait=False)
        if self._client is not None:
            with suppress(TimeoutError):  # of one whose scheduler is gone
                self._client.close(timeout=5)
        if self._own is not None:
            self._own.close(timeout=5)
        self._client = self._own = self._chunks = None

    def n_workers(self) -> int:
        """How many there are now; asked of the scheduler, so not by the thread that hears it."""
        return (self._n or 1) if self._chunks is None else self._chunks.n_able()

    def _local(self) -> LocalCluster:
        import torch
        from distributed import LocalCluster

        from umlip_bench.potentials.devices import resolve_device

        on_gpu = resolve_device(self._device).type == "cuda"
        n_devices = torch.cuda.device_count() if on_gpu else n_cores()
        # A limit of memory would have the nanny end what a model takes for once; the engine has its own.
        cluster = LocalCluster(
            n_workers=self._n or n_devices,
            threads_per_worker=1,
            memory_limit=0,
            dashboard_address=":0",
            silence_logs=50,
        )
        if on_gpu:
            from distributed import Client

            with Client(cluster) as client:
                for k, address in enumerate(client.scheduler_info(n_workers=-1)["workers"]):
                    client.run(use_device, f"cuda:{k % n_devices}", workers=[address])
        return cluster
