"""Building an environment, and taking it away.

A build is whole or counts as not there: the record that says so is written last. One that was killed is begun
anew, and what pip or uv had downloaded by then is in their cache.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

from umlip_bench.environments.environment import Environment
from umlip_bench.environments.environment_file import EnvironmentFile
from umlip_bench.environments.installers import (
    BuildError,
    Downloads,
    Installer,
    InstallersLock,
    installer,
)
from umlip_bench.environments.interpreters import clean_environment
from umlip_bench.environments.places import EnvironmentFolder
from umlip_bench.environments.record import Record, environment_of, read_record, write_record
from umlip_bench.environments.registry import located
from umlip_bench.environments.sizes import in_words, size_of
from umlip_bench.ground.errors import ContentError, UmlipBenchError
from umlip_bench.ground.lock import Lock

UNPACKED = 4.5
"""Bytes on disk for one that is downloaded, at most: 4.1 were found with a torch for CPUs."""

# pip installs the others, and is no part of what a potential computes with.
_LIST = """
import platform, re
from importlib.metadata import distributions
found = {(re.sub(r"[-_.]+", "-", d.name).lower(), d.version) for d in distributions() if d.name}
print(platform.python_version())
print("\\n".join(sorted("%s==%s" % each for each in found if each[0] != "pip")))
"""


class NotAgreed(UmlipBenchError):
    """A build that the user did not want."""


def build(
    name: str, *, say: Callable[[str], None], agree: Callable[[str], bool], anew: bool = False
) -> Environment:
    """Build an environment, unless it is there.

    Parameters
    ----------
    name
        One that is shipped, or the path of an environment file.
    say
        Gets a line for every step.
    agree
        Is asked, with what will be downloaded, before anything large is.
    anew
        Whether to build one that is there again.

    Raises
    ------
    UnknownModelError, ContentError
        If it is no environment.
    NoInterpreter, BuildError
        If there is no Python for it, or what it asks for cannot be installed.
    NotAgreed
        If `agree` says no.
    UmlipBenchError
        If another process builds it.
    """
    file, place = located(name)
    with Lock(place.guard, place.folder, "build later"):
        record = None if anew else _whole(place)
        if record is not None and record.needs == file.needs:
            say(f"{file.name} is there: {place.folder}")
            return environment_of(file, place, record)
        with InstallersLock(place):
            _take_away(place)
        place.folder.mkdir(parents=True)
        record = _built(file, place, say, agree)
        write_record(place, record)
        return environment_of(file, place, record)


def remove(name: str) -> int:
    """Take an environment away, with the weights that it downloaded, and return how many bytes that were.

    Raises
    ------
    UmlipBenchError
        If there is none, or another process builds it.
    """
    _, place = located(name)
    if not place.folder.exists():
        raise UmlipBenchError(f"{name} is not built; there is no {place.folder}")
    with Lock(place.guard, place.folder, "remove it later"), InstallersLock(place):
        n_bytes = size_of(place.folder)
        _take_away(place)
    return n_bytes


def _whole(place: EnvironmentFolder) -> Record | None:
    try:
        return read_record(place)
    except ContentError:
        return None


def _built(
    file: EnvironmentFile,
    place: EnvironmentFolder,
    say: Callable[[str], None],
    agree: Callable[[str], bool],
) -> Record:
    chosen = installer(file, place, say)
    try:
        chosen.create()
        say(f"looking for what {file.name} needs")
        downloads = chosen.resolve()
        _check_room(place, downloads)
        for package in file.not_routed:
            say(f"{package} comes from the usual indexes: [tool.uv.sources] is not heeded")
        if not agree(f"{file.name} needs {downloads}, into {place.folder}"):
            raise NotAgreed(
                f"{file.name} was not built; `umlip-bench env build {file.name} --yes` does"
            )
        chosen.install()
        python, lock = _listed(place, chosen)
    except UmlipBenchError:
        # Of a build that failed only the log is kept.
        shutil.rmtree(place.venv, ignore_errors=True)
        raise
    place.lock.write_text(lock, encoding="utf-8")
    place.home.mkdir()
    place.scratch.mkdir()
    return Record(
        name=file.name,
        source=str(file.path),
        needs=file.needs,
        python=python,
        made_by=chosen.name,
        n_bytes=size_of(place.venv),
    )


def _check_room(place: EnvironmentFolder, downloads: Downloads) -> None:
    free, needed = shutil.disk_usage(place.folder).free, UNPACKED * downloads.n_bytes
    if needed > free:
        raise BuildError(
            f"{place.folder} has room for {in_words(free)}; unpacked, {in_words(downloads.n_bytes)} of "
            f"packages may take {in_words(needed)}. Make room, or set UMLIP_BENCH_ENVIRONMENTS to a "
            "folder on another disk"
        )


def _listed(place: EnvironmentFolder, chosen: Installer) -> tuple[str, str]:
    """Version of the Python, and the list of what is installed."""
    said = subprocess.run(
        [place.python, "-I", "-c", _LIST], capture_output=True, text=True, env=clean_environment()
    )
    if said.returncode:
        raise BuildError(f"{place.python} does not start: {said.stderr.strip()[-500:]}")
    python, _, lock = said.stdout.partition("\n")
    return python, lock


def _take_away(place: EnvironmentFolder) -> None:
    """Remove a build; its record first, so that what is left of one that is cut short is none."""
    place.record.unlink(missing_ok=True)
    if place.folder.exists():
        shutil.rmtree(place.folder)
