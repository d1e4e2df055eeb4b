"""Where built environments lie: a folder each.

``$UMLIP_BENCH_ENVIRONMENTS``, else ``environments`` in ``$UMLIP_BENCH_CACHE`` or in the user's cache, holds

    NAME/built.json        what is known of the build; written last, so that it is whole if this is there
    NAME/venv/             the Python
    NAME/lock.txt          every installed distribution
    NAME/files/DIGEST/     the environment file as it is used, by its content
    NAME/home/             what the potential's package keeps in a home folder: weights, above all
    NAME/scratch/          what it compiles
    NAME.lock              held by who builds or removes

For a file of the user's, ``NAME`` is followed by a few digits that tell it from others of that name.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.store.store import cache_folder

ENVIRONMENTS_VARIABLE = "UMLIP_BENCH_ENVIRONMENTS"
_DIGITS = 8


@dataclass(frozen=True)
class EnvironmentFolder:
    """Where one environment lies, or will.

    Parameters
    ----------
    folder
        Its own.
    shipped
        Whether the environment file is of this package.
    """

    folder: Path
    shipped: bool = False

    @property
    def record(self) -> Path:
        """What is known of the build."""
        return self.folder / "built.json"

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.folder / "venv"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.venv / "bin" / "python"

    @property
    def lock(self) -> Path:
        """List of what is installed."""
        return self.folder / "lock.txt"

    @property
    def home(self) -> Path:
        """Home folder of the potential's package."""
        return self.folder / "home"

    @property
    def scratch(self) -> Path:
        """For what is compiled."""
        return self.folder / "scratch"

    @property
    def guard(self) -> Path:
        """File that is locked by who builds or removes."""
        return self.folder.with_name(f"{self.folder.name}.lock")

    def file(self, name: str, text: str) -> Path:
        """Where a copy of the environment file goes, by its content."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        return self.folder / "files" / digest[:16] / f"{name}.py"


def environments_folder() -> Path:
    """The folder that holds all.

    Raises
    ------
    UmlipBenchError
        If the variable names something else than a folder.
    """
    value = os.environ.get(ENVIRONMENTS_VARIABLE)
    if not value:
        return cache_folder("environments")
    folder = Path(value).expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise UmlipBenchError(
            f"{ENVIRONMENTS_VARIABLE} is {value!r}, which is not a folder. It has to name the folder "
            "that holds built environments; mend it or unset it."
        )
    return folder


def place_of(file: Path, *, shipped: bool) -> EnvironmentFolder:
    """Place of the environment that is built from a file, ours or the user's."""
    name = file.stem
    if not shipped:
        # A user's sevennet.py is not ours, and two projects may each have a my_model.py.
        name += f"-{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:_DIGITS]}"
    return EnvironmentFolder(environments_folder() / name, shipped)
