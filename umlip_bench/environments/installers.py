"""uv where it is there, else venv and pip: one virtual environment, and what goes into it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests

from umlip_bench.environments.environment_file import EnvironmentFile
from umlip_bench.environments.interpreters import NoInterpreter, clean_environment, suitable
from umlip_bench.environments.places import EnvironmentFolder
from umlip_bench.environments.sizes import in_words
from umlip_bench.ground.errors import UmlipBenchError

ALWAYS = ("ase", "numpy")
"""What the worker needs in every environment."""
_HEAD_SECONDS = 15.0
_TOLD = ("Downloading", "Installing", "Building", "Prepared")
"""Beginnings of lines of an installer that are passed on."""
_SHOWN = 15
"""Last lines of an installer in messages."""


class BuildError(UmlipBenchError):
    """An environment that could not be built."""


@dataclass(frozen=True)
class Downloads:
    """What an installation brings.

    Parameters
    ----------
    n_files
        Packages.
    n_bytes
        Of those whose size is known, before they are unpacked.
    n_unknown
        Packages whose size is not known.
    """

    n_files: int
    n_bytes: int
    n_unknown: int

    def __str__(self) -> str:
        if self.n_unknown == self.n_files:
            return f"{self.n_files} packages, of a size that their index does not tell"
        more = f", {self.n_unknown} of them of unknown size" if self.n_unknown else ""
        return f"{self.n_files} packages, {in_words(self.n_bytes)}{more}"


class Installer(ABC):
    """Makes one virtual environment and fills it.

    Parameters
    ----------
    file
        What is asked for.
    place
        Where it goes.
    say
        Gets a line for every step.
    """

    def __init__(
        self, file: EnvironmentFile, place: EnvironmentFolder, say: Callable[[str], None]
    ) -> None:
        self.file, self.place, self.say = file, place, say

    @property
    @abstractmethod
    def name(self) -> str:
        """What installs, with its version."""

    @abstractmethod
    def create(self) -> None:
        """Make the virtual environment, empty.

        Raises
        ------
        NoInterpreter, BuildError
        """

    @abstractmethod
    def resolve(self) -> Downloads:
        """Find out what will be installed; little or nothing is downloaded.

        Raises
        ------
        BuildError
            If what the file asks for cannot be had, or not together.
        """

    @abstractmethod
    def install(self) -> None:
        """Install it.

        Raises
        ------
        BuildError
        """

    def _steps(self, *, compiled: bool = True) -> list[tuple[list[str], tuple[str, ...]]]:
        """Options and packages of one installation after the other, with those that compile or without."""
        file = self.file
        steps: list[tuple[list[str], tuple[str, ...]]] = [([], (*file.dependencies, *ALWAYS))]
        if compiled and file.no_build_isolation:
            steps += [
                ([], ("setuptools", "wheel")),
                (["--no-build-isolation"], file.no_build_isolation),
            ]
        if file.no_deps:
            steps.append((["--no-deps"], file.no_deps))
        return steps

    def _links(self, index: str) -> list[str]:
        """Options for where packages are looked for besides; `index` is that for an index."""
        links = [each for link in self.file.find_links for each in ("--find-links", link)]
        return links + [each for url in self.file.indexes for each in (index, url)]

    def _compiled_sizes(self) -> list[int | None]:
        """Sizes of packages that cannot be asked for before the others are installed: not known."""
        return [None for _ in self.file.no_build_isolation]

    def _run(self, command: Sequence[str | Path], what: str) -> str:
        """Run a program of the installer, and return what it printed.

        It inherits a lock: while a program lives whose parent was killed, nobody else builds here.
        """
        lines: list[str] = []
        log = self.place.folder / "build.log"
        with InstallersLock(self.place) as busy, log.open("a", encoding="utf-8") as kept:
            kept.write(f"$ {' '.join(map(str, command))}\n")
            kept.flush()
            with subprocess.Popen(
                list(map(str, command)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=clean_environment(),
                pass_fds=[busy.fileno],
            ) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    kept.write(line)
                    lines.append(line.rstrip())
                    if line.strip().startswith(_TOLD):
                        self.say(line.strip())
        if process.returncode:
            last = "\n".join(line for line in lines[-_SHOWN:] if line.strip())
            raise BuildError(
                f"{what} of {self.file.name} failed; {log} has all of it, which ends with\n{last}"
            )
        return "\n".join(lines)


class InstallersLock:
    """The lock that an installer's programs inherit.

    Raises
    ------
    BuildError
        If a program of a build that was killed still has it.
    """

    def __init__(self, place: EnvironmentFolder) -> None:
        path = place.guard.with_name(f"{place.guard.name}.installing")
        self.fileno = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self.fileno, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self.fileno)
            raise BuildError(
                f"{place.folder} is still being written by the installer of a build that was killed; "
                "wait until it has ended"
            ) from error

    def __enter__(self) -> InstallersLock:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fileno)


class Pip(Installer):
    """The standard library's venv, and pip."""

    @property
    def name(self) -> str:
        """As in ``pip 26.3``."""
        return " ".join(
            self._run([self.place.python, "-I", "-m", "pip", "--version"], "pip").split()[:2]
        )

    def create(self) -> None:
        """Make it with a Python of this machine, and bring its pip up to date."""
        interpreter = suitable(self.file.requires_python)
        self.say(f"Python {interpreter.version} ({interpreter.path})")
        self._run([interpreter.path, "-I", "-m", "venv", "--clear", self.place.venv], "the making")
        try:
            # One that can tell what would be installed without downloading it.
            self._run([*self._pip, "install", "--quiet", "--upgrade", "pip"], "the update of pip")
        except BuildError:
            self.say("pip could not be updated; the one that comes with Python is used")

    def resolve(self) -> Downloads:
        """Ask pip what it would install."""
        urls: list[str] = []
        report = self.place.folder / "report.json"
        for options, packages in self._steps(compiled=False):
            command = [
                *self._install,
                *options,
                "--dry-run",
                "--quiet",
                "--report",
                report,
                *packages,
            ]
            self._run(command, "looking for the packages")
            content = json.loads(report.read_text(encoding="utf-8"))
            urls += [each["download_info"]["url"] for each in content["install"]]
        return _sum([*_sizes(urls), *self._compiled_sizes()])

    def install(self) -> None:
        """Let pip install it."""
        for options, packages in self._steps():
            self._run([*self._install, *options, *packages], "the installation")

    @property
    def _pip(self) -> list[str | Path]:
        return [self.place.python, "-I", "-m", "pip", "--no-input", "--disable-pip-version-check"]

    @property
    def _install(self) -> list[str | Path]:
        return [*self._pip, "install", "--progress-bar", "off", *self._links("--extra-index-url")]


class Uv(Installer):
    """uv, which brings a Python where this machine has none that will do."""

    def __init__(
        self,
        program: str,
        file: EnvironmentFile,
        place: EnvironmentFolder,
        say: Callable[[str], None],
    ) -> None:
        super().__init__(file, place, say)
        self._uv = program

    @property
    def name(self) -> str:
        """As in ``uv 0.13.9``."""
        return " ".join(self._run([self._uv, "--version"], "uv").split()[:2])

    def create(self) -> None:
        """Make it with a Python of this machine, or one that uv brings."""
        try:
            python = str(suitable(self.file.requires_python).path)
        except NoInterpreter:
            python = str(self.file.requires_python)
        self.say(f"Python {python}")
        self._run([self._uv, "venv", "--clear", "--python", python, self.place.venv], "the making")

    def resolve(self) -> Downloads:
        """Have uv write a lock file, which has the sizes."""
        lock, wanted = self.place.folder / "pylock.toml", self.place.folder / "wanted.txt"
        sizes = self._compiled_sizes()
        for options, packages in self._steps(compiled=False):
            # It takes files of requirements alone.
            wanted.write_text("\n".join(packages) + "\n", encoding="utf-8")
            output: list[str | Path] = ["--quiet", "--format", "pylock.toml", "--output-file", lock]
            self._run(
                [*self._pip("compile"), *options, *output, wanted], "looking for the packages"
            )
            for package in tomllib.loads(lock.read_text(encoding="utf-8")).get("packages", []):
                files = [*package.get("wheels", []), package.get("sdist"), package.get("archive")]
                sizes.append(
                    next((_size_in_lock(each, lock.parent) for each in files if each), None)
                )
        return _sum(sizes)

    def install(self) -> None:
        """Let uv install it."""
        for options, packages in self._steps():
            self._run([*self._pip("install"), *options, *packages], "the installation")

    def _pip(self, action: str) -> list[str | Path]:
        return [self._uv, "pip", action, "--python", self.place.python, *self._links("--index")]


def installer(
    file: EnvironmentFile, place: EnvironmentFolder, say: Callable[[str], None]
) -> Installer:
    """The one that this machine has."""
    program = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    return Uv(program, file, place, say) if program else Pip(file, place, say)


def _size_in_lock(entry: Mapping[str, object], folder: Path) -> int | None:
    """Size of a file that a lock file names: as it says, or of the file itself where that is here."""
    if isinstance(size := entry.get("size"), int):
        return size
    path = entry.get("path")
    return (folder / path).stat().st_size if isinstance(path, str) else None


def _sum(sizes: Iterable[int | None]) -> Downloads:
    every = list(sizes)
    there = [size for size in every if size is not None]
    return Downloads(len(every), sum(there), len(every) - len(there))


def _sizes(urls: Sequence[str]) -> list[int | None]:
    """Sizes of files in bytes, as their server tells them; ``None`` for those it does not tell."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(_size, urls))


def _size(url: str) -> int | None:
    parts = urlsplit(url)
    try:
        if parts.scheme == "file":
            return Path(unquote(parts.path)).stat().st_size
        if parts.scheme not in ("http", "https"):
            return None
        certificates = os.environ.get("PIP_CERT") or True
        answer = requests.head(
            url, timeout=_HEAD_SECONDS, allow_redirects=True, verify=certificates
        )
        answer.raise_for_status()
        return int(answer.headers["Content-Length"])
    # Whatever the server says instead, the size is not known.
    except (OSError, KeyError, ValueError):
        return None
