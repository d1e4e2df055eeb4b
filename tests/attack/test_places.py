"""Every command that writes, in every place: a message with the path and a status, and nothing lost."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.attack.commands import WRITING, Writing, clean, inputs
from tests.attack.shell import (
    Ended,
    Prepare,
    Shell,
    closed_stdout,
    full_disk,
    read_only_folder,
    reader_that_left,
)
from umlip_bench.cli import PROGRAM as BENCH
from umlip_bench.cli.finetune import PROGRAM as FINETUNE

DONE, REFUSED = 0, 2


@dataclass(frozen=True)
class Place:
    """Where and how a command is given, and how it may end.

    Parameters
    ----------
    out
        What it is told to write, by the usual name.
    prepare
        Done in its process first.
    environment
        Variables that differ.
    encoding
        Of the terminal.
    ends
        Allowed status.
    names
        Whether a refusal names the output.
    """

    out: Callable[[str], str] = str
    prepare: Prepare = lambda: None
    environment: Mapping[str, str | None] = field(default_factory=dict)
    encoding: str = "utf-8"
    ends: tuple[int, ...] = (DONE,)
    names: bool = True


NOWHERE = {"HOME": None, "USER": None, "LOGNAME": None, "XDG_CACHE_HOME": None}
PLACES = {
    "full disk": Place(prepare=full_disk, ends=(1, REFUSED)),
    "missing folder": Place(lambda out: f"no/where/{out}", ends=(DONE, REFUSED)),
    "file as a folder": Place(lambda out: f"file/{out}", ends=(REFUSED,)),
    "no place for files": Place(lambda out: f"/proc/x/{out}", ends=(REFUSED,)),
    "read-only folder": Place(prepare=read_only_folder, ends=(REFUSED,)),
    "name of 300 letters": Place(lambda out: "x" * 300 + out, ends=(REFUSED,)),
    "closed stdout": Place(prepare=closed_stdout),
    "reader that left": Place(prepare=reader_that_left),
    "ASCII terminal": Place(encoding="ascii"),
    "no HOME": Place(environment=NOWHERE),
    "HOME that is not there": Place(environment={"HOME": "/proc/x", "XDG_CACHE_HOME": None}),
    "read-only cache": Place(environment={"UMLIP_BENCH_CACHE": "/proc/x"}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the inputs of all commands, once one needs them."""
    return tmp_path_factory.mktemp("places")


@pytest.fixture(autouse=True)
def cleaned(folder: Path) -> Iterator[None]:
    yield
    folder.chmod(0o755)
    clean(folder)


def each_command() -> list[object]:
    """Names; those that take long are for ``make attack``."""
    return [
        name if command.soon else pytest.param(name, marks=pytest.mark.attack)
        for name, command in WRITING.items()
    ]


@pytest.mark.seconds
@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("name", each_command())
def test_a_command_in_a_place(name: str, where: str, folder: Path) -> None:
    command, place = WRITING[name], PLACES[where]
    inputs(folder, command)
    (folder / "file").write_text("x")
    shell = Shell(folder, place.environment, place.encoding)
    out = place.out(command.out)
    ended = shell.run(*command.words(out), prepare=place.prepare)
    assert not ended.failed_badly, ended.err
    assert ended.status in place.ends, ended.err
    if ended.status == DONE:
        assert (folder / out).exists()
    elif where != "full disk":  # where it may be a file of its own that cannot be kept
        assert Path(out).name[:50] in ended.err
        assert not [path for path in folder.rglob("*") if path.name.startswith(".umlip-bench")]


@pytest.mark.seconds
@pytest.mark.parametrize("name", each_command())
def test_a_folder_where_a_file_should_be_and_the_other_way_round(name: str, folder: Path) -> None:
    command = WRITING[name]
    inputs(folder, command)
    there = folder / command.out
    if there.suffix:
        there.mkdir()
        (there / "mine").write_text("x")
    else:
        there.write_text("x")
    ended = Shell(folder).run(*command.words(command.out))
    assert not ended.failed_badly, ended.err
    assert ended.status == REFUSED
    assert command.out in ended.err
    assert (there / "mine" if there.suffix else there).read_text() == "x"


PRINTING = {
    "help of run": ("run", "--help"),
    "models": ("models",),
    "help of umlip-finetune": ("umlip-finetune", "--help"),
}
STREAMS = ("closed stdout", "reader that left", "ASCII terminal")


@pytest.mark.parametrize("where", STREAMS)
@pytest.mark.parametrize("name", PRINTING)
def test_a_command_that_prints(name: str, where: str, tmp_path: Path) -> None:
    place = PLACES[where]
    shell = Shell(tmp_path, place.environment, place.encoding)
    ended = shell.run(*PRINTING[name], prepare=place.prepare)
    assert not ended.failed_badly, ended.err
    assert ended.status == DONE, ended.err


def test_output_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    def full() -> None:
        os.dup2(os.open("/dev/full", os.O_WRONLY), 1)

    ended: Ended = Shell(tmp_path).run("models", prepare=full)
    assert ended.status == REFUSED
    assert "No space left on device" in ended.err
    assert not ended.failed_badly


def test_the_table_is_whole() -> None:
    """Whatever writes is in it; what is left out takes an engine or a network, or only changes a cache."""
    known = {w for c in WRITING.values() for w in c.arguments[:2]} | {"data"}
    left_out = {"models", "env", "speed", "calibrate", "doctor", "status", "count"}
    left_out |= {"estimate", "submit"}
    assert set(BENCH.commands) | set(FINETUNE.commands) <= known | left_out
    assert all(isinstance(each, Writing) for each in WRITING.values())
