"""Compiling the kernels for this processor, once, and loading them."""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.files import write_atomically
from umlip_bench.ground.store.store import cache_folder

logger = logging.getLogger(__name__)

VARIABLE, OFF = "UMLIP_BENCH_KERNELS", "off"
"""Set to ``off``, everything is done in torch; to ``all``, kernels are used in float64 as well."""
FORMATS = {torch.float32: "f32", torch.float64: "f64"}
"""Number formats that there are kernels for, as they are called there."""
USUAL = (torch.float32,)
"""Those that they are used for: float64 is for numbers that are to come again to the last digits, also
where rounding decides between two minima."""
MOST_THREADS = 2
"""Of torch's: kernels run on one thread, and are faster than torch on two, not than torch on many."""
SOURCES = ("kernels.c", "vectors.h", "gated.h", "threebody.h")
FLAGS = (
    "-O3",
    "-march=native",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-Wno-psabi",
    "-shared",
    "-fPIC",
)
_COMPILERS = ("cc", "gcc", "clang")
_SECONDS = 120.0
"""After so long a compiler is given up."""

_POINTER, _INT = ctypes.c_void_p, ctypes.c_int64

_WANTED: ContextVar[bool] = ContextVar("_WANTED", default=True)


@contextmanager
def without_kernels() -> Iterator[None]:
    """Do everything in torch for a while, as on a GPU."""
    token = _WANTED.set(False)
    try:
        yield
    finally:
        _WANTED.reset(token)


@contextmanager
def kernels_off() -> Iterator[None]:
    """As `without_kernels`, for all threads: ``torch.compile`` cannot follow what is of one."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = OFF
    try:
        yield
    finally:
        del os.environ[VARIABLE]
        if before is not None:
            os.environ[VARIABLE] = before


def kernels_for(tensor: Tensor) -> ctypes.CDLL | None:
    """The kernels that take a tensor, or ``None`` where they do not, are not wanted or cannot be had."""
    wanted = os.environ.get(VARIABLE, "").lower()
    formats = FORMATS if wanted == "all" else USUAL
    if tensor.device.type != "cpu" or tensor.dtype not in formats or wanted == OFF:
        return None
    if torch.get_num_threads() > MOST_THREADS:
        return None
    return _library() if _WANTED.get() else None


def used(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether there are kernels for tensors on a device and of a format, and they are wanted."""
    return kernels_for(torch.empty(0, device=device, dtype=dtype)) is not None


def loaded() -> ctypes.CDLL:
    """The kernels, of which `kernels_for` said that they are there."""
    found = _library()
    assert found is not None
    return found


@cache
def _library() -> ctypes.CDLL | None:
    compiler = _compiler()
    if compiler is None:
        logger.info("no C compiler: models run in torch alone, which is slower on a CPU")
        return None
    try:
        return _loaded(_compiled(compiler))
    except (UmlipBenchError, OSError, subprocess.SubprocessError) as error:
        logger.warning("kernels cannot be compiled, models run in torch alone: %s", error)
        return None


def _compiler() -> list[str] | None:
    """``$CC``, or the first compiler that is installed."""
    given = os.environ.get("CC")
    if given:
        return shlex.split(given)
    return next(([path] for name in _COMPILERS if (path := shutil.which(name))), None)


def _compiled(compiler: list[str]) -> Path:
    """The library in the user's cache, compiled if it is not there, or not what was written.

    Its name holds what it depends on: sources, compiler and processor, since caches are shared. Beside it
    lies its digest: a library that a full disk or a crash cut off would end the process where it is used.
    """
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update((here / name).read_bytes())
    digest.update(" ".join((*compiler, *FLAGS, _processor())).encode())
    folder = cache_folder("kernels")
    path = folder / f"kernels-{digest.hexdigest()[:20]}.so"
    if not _is_whole(path):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            part = Path(scratch) / path.name
            command = [*compiler, *FLAGS, str(here / SOURCES[0]), "-o", str(part), "-lm"]
            subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)
            content = part.read_bytes()
        # Another process may have it in use: it is replaced, never written to.
        write_atomically(path, lambda file: file.write(content))
        own = hashlib.sha256(content).hexdigest().encode()
        write_atomically(_digest_of(path), lambda file: file.write(own))
    return path


def _digest_of(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _is_whole(path: Path) -> bool:
    """Whether a library is as it was compiled."""
    try:
        content, digest = path.read_bytes(), _digest_of(path).read_bytes()
    except OSError:
        return False
    return hashlib.sha256(content).hexdigest().encode() == digest


def _processor() -> str:
    """What distinguishes processors that do not run each other's code."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _loaded(path: Path) -> ctypes.CDLL:
    found = ctypes.CDLL(str(path))
    for number in FORMATS.values():
        for work in ("gated", "threebody"):
            for way in ("forward", "backward"):
                getattr(found, f"{work}_{way}_{number}").argtypes = [_POINTER]
        linear = getattr(found, f"linear_{number}")
        linear.argtypes = [_POINTER, _INT, _INT, _POINTER, _INT, _POINTER, _POINTER]
        linear.restype = None
    found.lanes.argtypes = [_INT]
    found.lanes.restype = _INT
    return found
