"""The process that others of this machine are forked from.

Not this one: torch's threads and a GPU's context do not survive it. It has imported what all need, and has
done nothing with it, so that processes forked from it start at once, also in place of those that died, and
share the memory of what was imported. Nothing heavy is imported here, so that a command can begin it before
it imports the same itself.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Sequence
from multiprocessing import forkserver
from multiprocessing.context import BaseContext

IMPORTED = ("umlip_bench.running.job_worker",)


def context() -> BaseContext:
    """How other processes are started: as forks of that one, or where there are none anew."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(list(IMPORTED))
    return found


def begin(models: Sequence[str] = ()) -> None:
    """Have that process import on another core, while this one does something else.

    Parameters
    ----------
    models
        Names of models, of which those of the catalogue say what is to be imported besides.
    """
    if context().get_start_method() != "forkserver":
        return
    if threading.current_thread() is not threading.main_thread():
        return  # Only the main thread can say what becomes of Ctrl-C, which is not for that process.
    forkserver.set_forkserver_preload([*IMPORTED, *_adapters(models)])
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, usual)


def _adapters(models: Sequence[str]) -> list[str]:
    """Modules of the families of catalogued models; of others this is told by reading their files."""
    from umlip_bench.potentials.catalogue import catalogue
    from umlip_bench.potentials.families import families

    cards, known = catalogue(), families()
    names = {cards[name.lower()].family for name in models if name.lower() in cards}
    return sorted(known[name].module for name in names if name in known)
