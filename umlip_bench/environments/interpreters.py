"""Pythons of this machine, and which of them an environment can be built with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from umlip_bench.ground.errors import UmlipBenchError

_MINORS = range(9, 20)
_ASK = "import sys, venv, ensurepip; print('%d.%d.%d' % sys.version_info[:3])"
_SECONDS = 20.0


@dataclass(frozen=True)
class Interpreter:
    """A Python that can make virtual environments.

    Parameters
    ----------
    path
        Of the program.
    version
        Its version.
    """

    path: Path
    version: Version


class NoInterpreter(UmlipBenchError):
    """No Python of this machine will do."""


def suitable(allowed: SpecifierSet) -> Interpreter:
    """A Python for an environment: this one if it will do, else the oldest that does.

    The older one has the better chance that all packages are there for it.

    Raises
    ------
    NoInterpreter
        If there is none: names what is needed and what there is.
    """
    seen: dict[Version, Interpreter] = {}
    for path in _candidates():
        found = _asked(path)
        if found is None:
            continue
        if not seen and allowed.contains(found.version):
            return found
        seen.setdefault(found.version, found)
    fitting = [version for version in sorted(seen) if allowed.contains(version)]
    if fitting:
        return seen[fitting[0]]
    there = ", ".join(map(str, sorted(seen))) or "none that can make virtual environments"
    raise NoInterpreter(
        f"it needs Python {allowed}; on this machine there is {there}. Install one that fits so that "
        "python3.x on PATH is it (by pyenv, conda or the system), or install uv, which brings its own"
    )


def clean_environment() -> dict[str, str]:
    """Variables of this process without those that would lead another Python to this one's packages."""
    ours = {"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX"}
    ours |= {"PIP_USER", "PIP_REQUIRE_VIRTUALENV", "__PYVENV_LAUNCHER__"}
    return {name: value for name, value in os.environ.items() if name not in ours}


def _candidates() -> Iterator[Path]:
    """Programs that may be a Python, this one first; a virtual environment's is the one it was made of."""
    yield Path(getattr(sys, "_base_executable", sys.executable))
    names = ["python3", *(f"python3.{minor}" for minor in _MINORS)]
    yield from (Path(found) for found in map(shutil.which, names) if found)
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(root.glob("versions/3.*/bin/python3"))


def _asked(path: Path) -> Interpreter | None:
    """An interpreter, asked for its version; ``None`` for one that does not start or lacks venv."""
    try:
        said = subprocess.run(
            [path, "-I", "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            env=clean_environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Interpreter(path, Version(said.stdout.strip())) if said.returncode == 0 else None
