"""The process that evaluates a potential in a Python of its own, and the frames it is talked to in.

This one file runs in any environment from Python 3.9 on: it imports nothing of this package, and needs numpy
and ase there (torch-sim for what is built on it). Nothing else has to be installed for the talking, so frames
are JSON and raw bytes rather than msgpack; and nothing is ever unpickled, on neither side::

    uint32 length of what follows | uint32 length of the header | header | arrays, one after another

The header is a JSON object in UTF-8, whose ``arrays`` says name, type and shape of each array; all numbers
are little-endian. Requests name what is wanted in ``request``:

``hello``
    Loads the environment file; answers with what came of it: versions, ``mode`` (``loop`` over an ASE
    calculator, or ``batch`` for a torch-sim model), elements, files of weights with their sha256.
``evaluate``
    Arrays ``counts`` (B,), ``numbers`` (N,), ``positions`` (N, 3), ``cells`` (B, 3, 3), ``pbc`` (B, 3);
    answers with ``energies`` (B,), ``forces`` (N, 3), ``stresses`` (B, 3, 3), in eV and Å with ASE's sign.
    What could not be had is nan; ``errors`` says of which structure and why.
``stop``
    Ends the process, as the end of its standard input does.

An answer with ``error`` (``type`` and ``text``) is that of a request that failed as a whole.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import json
import math
import os
import platform
import queue
import re
import signal
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from types import ModuleType

    from ase import Atoms

PROTOCOL = 1
LARGEST_FRAME = 2**29
"""Bytes; a million atoms have a tenth of that."""
LARGEST_HEADER = 2**20
LENGTH = struct.Struct("<I")
NESTING = re.compile(r'[\[\]{}]|"(?:[^"\\]|\\.)*"')
"""Brackets, and texts, whose brackets do not count."""
DEEPEST = 100
TYPES = ("<f8", "<i8")
"""Number formats of arrays."""

_LONGEST_TEXT = 2000
_WEIGHTS = {
    *(".bin", ".ckpt", ".eqx", ".h5", ".hdf5", ".jpt", ".model", ".msgpack", ".npz", ".nqx", ".pb"),
    *(".pickle", ".pkl", ".pt", ".pt2", ".pth", ".safetensors", ".tar", ".zip"),
}
"""Endings of files that weights come in."""
_LEAST_WEIGHTS = 10_000
"""Bytes; smaller files are settings."""
_RECORDED = ("ase", "e3nn", "jax", "numpy", "torch", "torch-sim-atomistic")


class FrameError(ValueError):
    """Bytes that are no frame of this protocol."""


def encode(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """One frame.

    Parameters
    ----------
    header
        Plain content, without ``arrays``.
    arrays
        Of floats or integers; they travel as float64 and int64.

    Raises
    ------
    FrameError
        If it would be larger than `LARGEST_FRAME`.
    """
    packed = {
        name: np.ascontiguousarray(array, dtype="<f8" if array.dtype.kind == "f" else "<i8")
        for name, array in arrays.items()
    }
    described = [
        {"name": name, "dtype": array.dtype.str, "shape": list(array.shape)}
        for name, array in packed.items()
    ]
    text = json.dumps({**header, "arrays": described}).encode()
    body = b"".join([LENGTH.pack(len(text)), text, *(array.tobytes() for array in packed.values())])
    if len(text) > LARGEST_HEADER or len(body) > LARGEST_FRAME:
        raise FrameError(f"a frame of {len(body)} bytes, of at most {LARGEST_FRAME}")
    return LENGTH.pack(len(body)) + body


def read_frame(read: Callable[[int], bytes]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays of the next frame; whatever is wrong with it is an error, before it is believed.

    Parameters
    ----------
    read
        Gives exactly as many bytes as asked for.

    Raises
    ------
    FrameError
        If what comes is no frame, or too large.
    """
    (length,) = LENGTH.unpack(read(LENGTH.size))
    if not LENGTH.size <= length <= LARGEST_FRAME:
        raise FrameError(f"a frame of {length} bytes, of at most {LARGEST_FRAME}")
    return _decode(read(length))


def _json(text: str) -> Any:
    """Values of a JSON text, or a ``ValueError``, also if it is nested deeply.

    Python's reader recurses, and where a library has raised the limit of recursion (symfc does, by being
    imported) it ends the process.
    """
    depth = 0
    for token in NESTING.finditer(text):
        first = token.group()[0]
        depth += (first in "[{") - (first in "]}")
        if depth > DEEPEST:
            raise ValueError(f"nested deeper than {DEEPEST}")
    return json.loads(text)


def _decode(body: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    (size,) = LENGTH.unpack_from(body)
    start = LENGTH.size + size
    if size > LARGEST_HEADER or start > len(body):
        raise FrameError(f"a header of {size} bytes in a frame of {len(body)}")
    try:
        header = _json(body[LENGTH.size : start].decode("utf-8"))
    except ValueError as error:
        raise FrameError(f"a header that is no JSON ({type(error).__name__})") from None
    described = header.pop("arrays", None) if isinstance(header, dict) else None
    if not isinstance(described, list):
        raise FrameError("a header that does not say which arrays follow")
    arrays = {}
    for each in described:
        name, dtype, shape = _described(each)
        n_bytes = 8 * math.prod(shape)
        if n_bytes > len(body) - start:
            raise FrameError(f"an array {name!r} of shape {shape} that is not all there")
        count = math.prod(shape)
        arrays[name] = np.frombuffer(body, dtype, count, start).reshape(shape)
        start += n_bytes
    if start != len(body):
        raise FrameError(f"{len(body) - start} bytes beyond the last array")
    return header, arrays


def _described(entry: object) -> tuple[str, str, tuple[int, ...]]:
    """Name, type and shape of an array."""
    if isinstance(entry, dict):
        name, dtype, shape = (entry.get(key) for key in ("name", "dtype", "shape"))
        sound = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
        if isinstance(name, str) and dtype in TYPES and sound and len(shape or ()) <= 4:
            return name, str(dtype), tuple(shape or ())
    raise FrameError(f"an array described as {str(entry)[:100]}")


class _Loaded:
    """What an environment file's ``setup`` gave for a checkpoint.

    Parameters
    ----------
    file, checkpoint
        The environment file, and one of its checkpoints or a file of weights.
    device, dtype
        Passed on where ``setup`` takes them.
    """

    def __init__(self, file: str, checkpoint: str, device: str, dtype: str) -> None:
        self.module = _module(file)
        factory = _factory(self.module, file, checkpoint)
        wanted = {"device": device, "dtype": dtype}
        parameters = inspect.signature(factory).parameters
        given = {name: value for name, value in wanted.items() if name in parameters}
        self.takes = sorted(given)
        _WATCH.opened.clear()
        _WATCH.on = True
        try:
            self.model = factory(checkpoint, **given)
        finally:
            _WATCH.on = False
        self.checkpoint = checkpoint
        self.is_calculator = hasattr(self.model, "get_potential_energy")
        if not self.is_calculator and not (
            callable(self.model) and hasattr(self.model, "compute_stress")
        ):
            raise TypeError(
                f"{factory.__name__} of {file} gave a {type(self.model).__name__}, which is neither an ASE "
                "calculator nor a torch-sim ModelInterface"
            )

    def about(self) -> dict[str, Any]:
        """The answer to ``hello``."""
        elements = getattr(self.module, "ELEMENTS", ())
        if isinstance(elements, Mapping):
            elements = elements.get(self.checkpoint, ())
        found = {"python": platform.python_version()}
        for package in _RECORDED:
            try:
                found[package] = metadata.version(package)
            except metadata.PackageNotFoundError:
                continue
        return {
            "protocol": PROTOCOL,
            "mode": "loop" if self.is_calculator else "batch",
            "kind": f"{type(self.model).__module__}.{type(self.model).__qualname__}",
            "takes": self.takes,
            "reference": self.is_calculator or hasattr(self.module, "reference"),
            "elements": [str(symbol) for symbol in elements],
            "packages": found,
            "weights": dict(_weights(_WATCH.opened)),
        }

    def evaluate(self, structures: Sequence[Atoms], stress: bool) -> list[Any]:
        """Energy, forces and stress of each structure, or the exception that it led to."""
        if self.is_calculator:
            return [_attempt(self._from_calculator, atoms, stress) for atoms in structures]
        if len(structures) > 1:
            together = _attempt(self._from_batch, structures, stress)
            if not isinstance(together, Exception) or _memory_ran_out(together):
                return together if isinstance(together, list) else [together] * len(structures)
        # Whose fault it was; the others shall not suffer.
        single = [_attempt(self._from_batch, [atoms], stress) for atoms in structures]
        return [found if isinstance(found, Exception) else found[0] for found in single]

    def _from_calculator(self, atoms: Atoms, stress: bool) -> tuple[Any, Any, Any]:
        from ase.calculators.calculator import PropertyNotImplementedError

        atoms.calc = self.model
        energy = atoms.get_potential_energy()
        forces = atoms.get_forces(apply_constraint=False)
        found = None
        if stress:
            with suppress(PropertyNotImplementedError, NotImplementedError):
                found = atoms.get_stress(voigt=False, apply_constraint=False)
        return energy, forces, found

    def _from_batch(self, structures: Sequence[Atoms], stress: bool) -> list[tuple[Any, Any, Any]]:
        import torch_sim

        model = self.model
        state = torch_sim.io.atoms_to_state(list(structures), model.device, model.dtype)
        output = {name: _array(value) for name, value in model(state).items() if value is not None}
        ends = np.cumsum([len(atoms) for atoms in structures])
        forces = np.split(output["forces"], ends[:-1])
        stresses = output.get("stress") if stress else None
        return [
            (output["energy"][k], forces[k], None if stresses is None else stresses[k])
            for k in range(len(structures))
        ]


class _Watch:
    """Files that are opened while a model is loaded: its weights are among them."""

    def __init__(self) -> None:
        self.on = False
        self.opened: dict[str, None] = {}

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if self.on and event == "open" and isinstance(args[0], (str, os.PathLike)):
            self.opened[os.path.abspath(os.fspath(args[0]))] = None


_WATCH = _Watch()


def _module(file: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("environment_file", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _factory(module: ModuleType, file: str, checkpoint: str) -> Callable[..., Any]:
    """The function of an environment file that loads a checkpoint."""
    known = getattr(module, "CHECKPOINTS", None)
    own = getattr(module, "setup_from_path", None)
    if own is not None and os.path.exists(checkpoint) and checkpoint not in (known or ()):
        return own
    if known is not None and known.get(checkpoint) is None:
        names = ", ".join(name for name, value in known.items() if value is not None)
        raise LookupError(f"{file} has no checkpoint {checkpoint!r}; it has {names}")
    if not callable(getattr(module, "setup", None)):
        raise AttributeError(f"{file} has no function setup(checkpoint, device)")
    return module.setup


def _weights(opened: Mapping[str, None]) -> Iterator[tuple[str, str]]:
    """Paths and sha256 of what looks like weights."""
    for name in opened:
        path = Path(name)
        if path.suffix in _WEIGHTS and path.is_file() and path.stat().st_size >= _LEAST_WEIGHTS:
            digest = hashlib.sha256()
            with path.open("rb") as file:
                for part in iter(lambda: file.read(2**20), b""):
                    digest.update(part)
            yield name, digest.hexdigest()


def _array(value: Any) -> np.ndarray:
    return np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value)


def _attempt(function: Callable[..., Any], *args: Any) -> Any:
    """What a function gives, or what it raises: other people's code may raise anything."""
    try:
        return function(*args)
    except Exception as error:
        traceback.print_exc()
        return error


def _memory_ran_out(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__


def _reason(error: Exception) -> dict[str, str]:
    return {"type": type(error).__name__, "text": str(error)[:_LONGEST_TEXT]}


def _answer(loaded: _Loaded, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
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
            found = _attempt(_checked, found, len(structures[k]))
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
    requests: Iterator[Any], send: Callable[[bytes], None], arguments: Sequence[str]
) -> None:
    """Answer requests until one asks to stop."""
    loaded: _Loaded | None = None
    for header, arrays in requests:
        if header.get("request") == "stop":
            return
        try:
            if header.get("protocol") != PROTOCOL:
                raise ValueError(f"protocol {header.get('protocol')}, not {PROTOCOL}")
            if loaded is None:
                loaded = _Loaded(*arguments)
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


def _receive(descriptor: int, requests: queue.Queue[Any]) -> None:
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
    """Serve on standard input and output: ``worker.py FILE CHECKPOINT DEVICE DTYPE``."""
    # Packages print. What they print goes to standard error, and what they read is empty.
    incoming, outgoing = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    requests: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=_receive, args=(incoming, requests), daemon=True).start()
    threading.Thread(target=_watch_parent, args=(os.getppid(),), daemon=True).start()
    sys.addaudithook(_WATCH)

    def send(frame: bytes) -> None:
        view = memoryview(frame)
        while view:
            view = view[os.write(outgoing, view) :]

    _serve(iter(requests.get, None), send, arguments)
    _end()


if __name__ == "__main__":
    main(sys.argv[1:])
