"""Environments by name: those that the package ships, and any environment file of the user's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from umlip_bench.environments.environment import Environment
from umlip_bench.environments.environment_file import EnvironmentFile, read_environment_file
from umlip_bench.environments.places import EnvironmentFolder, place_of
from umlip_bench.environments.record import environment_of, read_record
from umlip_bench.ground.errors import NotBuilt, UnknownModelError


@cache
def shipped() -> Mapping[str, Path]:
    """Environment files of the package, by name."""
    folder = Path(str(resources.files(__package__).joinpath("shipped")))
    return MappingProxyType({path.stem: path for path in sorted(folder.glob("*.py"))})


def known(name: str) -> bool:
    """Whether a text names an environment: one of `shipped`, or an environment file of the user's."""
    return name in shipped() or (name.endswith(".py") and Path(name).is_file())


def path_of(name: str) -> Path:
    """The environment file that a text names.

    Raises
    ------
    UnknownModelError
        If it names none.
    """
    if not known(name):
        raise UnknownModelError(
            f"{name!r} is neither an environment ({', '.join(shipped())}) nor an environment file, "
            "my_model.py say"
        )
    return shipped().get(name) or Path(name).absolute()


def located(name: str) -> tuple[EnvironmentFile, EnvironmentFolder]:
    """The environment file that a text names, as it is now, and where its build lies or will.

    Raises
    ------
    UnknownModelError, ContentError
        If it names none, or one that is no environment file.
    """
    path = path_of(name)
    return read_environment_file(path), place_of(path, shipped=name in shipped())


def built(name: str) -> Environment:
    """An environment that is on this machine.

    Parameters
    ----------
    name
        One of `shipped`, or the path of an environment file. What the file sets up may have changed since it
        was built, what it installs may not.

    Raises
    ------
    NotBuilt
        If it is not built, or from a file that asked for something else; names the command.
    UnknownModelError, ContentError
        As of `located`.
    """
    file, place = located(name)
    record = read_record(place)
    remedy = f"umlip-bench env build {name}"
    if record is None:
        raise NotBuilt(
            f"the environment {file.name} is not on this machine; `{remedy}` builds it, once, and so does "
            "--yes with any command",
            name,
        )
    if record.needs != file.needs:
        raise NotBuilt(
            f"the environment {file.name} was built when {record.source} asked for other packages than "
            f"it does now; `{remedy}` builds it anew, and so does --yes with any command",
            name,
        )
    return environment_of(file, place, record)
