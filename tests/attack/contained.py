"""Calling something that may hang, take all memory or end the process, in a process of its own."""

from __future__ import annotations

import os
import resource
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe

from umlip_bench.ground.errors import UmlipBenchError

MEMORY_KEPT = 2**30
"""Bytes that a process may take beside those it begins with, so that a bomb harms nobody."""
SECONDS_KEPT = 6
"""Of the processor; then it is ended."""


@dataclass(frozen=True)
class Outcome:
    """What became of a call.

    Parameters
    ----------
    said
        What it returned, or what its error said.
    refused
        Whether it raised an error that a user can mend.
    traceback
        Of any other error, or how the process ended; empty otherwise.
    seconds
        Of the processor.
    megabytes
        That it took beside those it began with.
    """

    said: str = ""
    refused: bool = False
    traceback: str = ""
    seconds: float = 0.0
    megabytes: float = 0.0


def contained(call: Callable[[], object]) -> Outcome:
    """Call in a fork of this process; what it returns comes back as text."""
    receiver, sender = Pipe(duplex=False)
    process = os.fork()
    if process == 0:
        _in_process(call, sender.send)
    sender.close()
    try:
        outcome: Outcome = receiver.recv()
    except EOFError:
        outcome = Outcome()
    finally:
        receiver.close()
        _, status, used = os.wait4(process, 0)
    if os.WIFSIGNALED(status):
        ended = signal.Signals(os.WTERMSIG(status)).name
        return Outcome(traceback=f"ended by {ended}", seconds=used.ru_utime + used.ru_stime)
    return outcome


def _in_process(call: Callable[[], object], send: Callable[[Outcome], object]) -> None:
    began, used = _resident("VmRSS"), os.times()
    before = used.user + used.system
    space = _resident("VmSize") * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (int(space) + MEMORY_KEPT,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (int(before) + SECONDS_KEPT,) * 2)
    # A reader that waits for what never comes takes no time of the processor.
    signal.alarm(20 * SECONDS_KEPT)
    said, refused, trace = "", False, ""
    try:
        said = str(call())
    except UmlipBenchError as error:
        said, refused = str(error), True
    except BaseException:  # what it is shows what is wrong with the package
        trace = traceback.format_exc()
    used = os.times()
    seconds = used.user + used.system - before
    send(Outcome(said, refused, trace, seconds, _resident("VmHWM") - began))
    os._exit(0)


def _resident(key: str) -> float:
    """A number of this process's memory, in megabytes."""
    with open("/proc/self/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith(f"{key}:"))
    return int(line.split()[1]) / 1024
