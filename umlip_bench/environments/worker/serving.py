"""Requests taken in, answered and sent, until there are no more or the parent is gone."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .frames import PROTOCOL, FrameError, encode, read_frame
from .model import WATCH, LoadedModel, attempt

Request = tuple[dict[str, object], dict[str, np.ndarray]]
"""Header and arrays."""
_LONGEST_TEXT = 2000


def _reason(error: Exception) -> dict[str, str]:
    return {"type": type(error).__name__, "text": str(error)[:_LONGEST_TEXT]}


def _answer(
    loaded: LoadedModel, header: Mapping[str, object], arrays: Mapping[str, np.ndarray]
) -> bytes:
    """The frame that answers ``evaluate``."""
    from ase import Atoms

    ends = np.cumsum(arrays["counts"])
    slices = [slice(end - n, end) for n, end in zip(arrays["counts"], ends)]
    structures = [
        Atoms(arrays["numbers"][s], arrays["positions"][s], cell=cell, pbc=pbc.astype(bool))
        for s, cell, pbc in zip(slices, arrays["cells"], arrays["pbc"])
    ]
    energies = np.full(len(slices), np.nan)
    forces = np.full((int(sum(arrays["counts"])), 3), np.nan)
    stresses = np.full((len(slices), 3, 3), np.nan)
    errors, formats, with_stress = [], set(), []
    for k, found in enumerate(loaded.evaluate(structures, bool(header["stress"]))):
        if not isinstance(found, Exception):
            found = attempt(_checked, found, len(structures[k]))
        if isinstance(found, Exception):
            errors.append({"index": k, **_reason(found)})
            continue
        energies[k], forces[slices[k]], stress = found
        formats.add(found[1].dtype.name)
        if stress is not None:
            stresses[k] = stress
            with_stress.append(k)
    answer = {"errors": errors, "formats": sorted(formats), "with_stress": with_stress}
    return encode(answer, {"energies": energies, "forces": forces, "stresses": stresses})


def _checked(
    found: tuple[Any, Any, Any], n_atoms: int
) -> tuple[float, np.ndarray, np.ndarray | None]:
    """Numbers of the right shapes."""
    forces = np.asarray(found[1])
    stress = None if found[2] is None else np.asarray(found[2], dtype=float)
    if forces.shape != (n_atoms, 3) or (stress is not None and stress.shape != (3, 3)):
        shapes = f"forces of shape {forces.shape}"
        shapes += "" if stress is None else f" and a stress of shape {stress.shape}"
        raise TypeError(f"{shapes} for {n_atoms} atoms")
    return float(found[0]), forces, stress


def _serve(
    requests: Iterator[Request], send: Callable[[bytes], None], arguments: Sequence[str]
) -> None:
    """Answer requests until one asks to stop."""
    loaded: LoadedModel | None = None
    for header, arrays in requests:
        if header.get("request") == "stop":
            return
        try:
            if header.get("protocol") != PROTOCOL:
                raise ValueError(f"protocol {header.get('protocol')}, not {PROTOCOL}")
            if loaded is None:
                loaded = LoadedModel(*arguments)
            if header.get("request") == "hello":
                frame = encode(loaded.about(), {})
            elif header.get("request") == "evaluate":
                frame = _answer(loaded, header, arrays)
            else:
                raise ValueError(f"no request {header.get('request')!r}")
        except Exception as error:
            traceback.print_exc()
            frame = encode({"error": _reason(error)}, {})
        send(frame)


def _end() -> None:
    """End at once, with all processes that packages have started."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _receive(descriptor: int, requests: queue.Queue[Request]) -> None:
    """Take in frames; their end is seen while the model computes, so that no process outlives its parent."""

    def read(n: int) -> bytes:
        parts = []
        while n:
            part = os.read(descriptor, min(n, 2**20))
            if not part:
                raise EOFError
            parts.append(part)
            n -= len(part)
        return b"".join(parts)

    try:
        while True:
            requests.put(read_frame(read))
    except (EOFError, OSError, FrameError):
        _end()


def _watch_parent(parent: int) -> None:
    """End with the parent, also where a copy of it still holds the pipe."""
    while os.getppid() == parent:
        time.sleep(1.0)
    _end()


def main(arguments: Sequence[str]) -> None:
    """Serve on standard input and output: the arguments are FILE, CHECKPOINT, DEVICE and DTYPE."""
    # Packages print. What they print goes to standard error, and what they read is empty.
    incoming, outgoing = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    requests: queue.Queue[Request] = queue.Queue()
    threading.Thread(target=_receive, args=(incoming, requests), daemon=True).start()
    threading.Thread(target=_watch_parent, args=(os.getppid(),), daemon=True).start()
    sys.addaudithook(WATCH)

    def send(frame: bytes) -> None:
        view = memoryview(frame)
        while view:
            view = view[os.write(outgoing, view) :]

    _serve(iter(requests.get, None), send, arguments)
    _end()
