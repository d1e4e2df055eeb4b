"""Files that harm: refused with file and reason, in 2 s of the processor and 200 MB, by every reader."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.attack.contained import Outcome, contained
from tests.attack.hostile_files import FILES, SOUND
from umlip_bench import datasets
from umlip_bench.datasets.readers import RefusedResult, read_labels
from umlip_bench.ground.errors import LabelError
from umlip_bench.ground.structures import read_structures

SECONDS, MEGABYTES = 2.0, 200.0
SOON = {"cut.xyz.gz", "zeros.xyz.gz", "count.xyz", "columns.xyz", "damaged.db", "utf16.xyz"}
"""Those of `make test`; the others take longer to make than to refuse."""


def labels(path: Path) -> str:
    """What a reader of labels says; refusals are its results."""
    found = read_labels(path)
    refused = [each for each in found if isinstance(each, RefusedResult)]
    if len(refused) == len(found):
        raise LabelError(f"{refused[0].where}: {refused[0].reason}")
    return f"{len(found)} labels of {path.name}"


READERS: dict[str, Callable[[Path], object]] = {
    "structures": lambda path: len(read_structures(path)),
    "data": lambda path: len(datasets.load(str(path)).cases),
    "labels": labels,
}


def outcome(reader: str, path: Path) -> Outcome:
    """Of one reader, within its bounds."""
    found = contained(lambda: READERS[reader](path))
    print(f"{path.name:28} {reader:12} {found.seconds:4.1f} s {found.megabytes:5.0f} MB")
    assert not found.traceback, found.traceback
    assert found.seconds < SECONDS
    assert found.megabytes < MEGABYTES
    return found


@pytest.mark.parametrize(
    "name",
    [name if name in SOON else pytest.param(name, marks=pytest.mark.attack) for name in FILES],
)
@pytest.mark.parametrize("reader", READERS)
def test_a_hostile_file_is_refused_by_name(reader: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name]())
    found = outcome(reader, path)
    assert found.refused, found.said
    assert name in found.said


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize("reader", READERS)
def test_a_file_of_another_encoding_is_read_or_refused(
    reader: str, name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(SOUND[name]())
    found = outcome(reader, path)
    assert not found.refused or name in found.said


def pipe(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def to_itself(path: Path) -> None:
    path.symlink_to(path.name)


PLACES: Mapping[str, Callable[[Path], None]] = {
    "pipe": pipe,
    "endless": endless,
    "link to itself": to_itself,
    "folder": Path.mkdir,
}


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_refused_by_name(reader: str, kind: str, tmp_path: Path) -> None:
    PLACES[kind](tmp_path / "a.xyz")
    found = outcome(reader, tmp_path / "a.xyz")
    assert found.refused
    assert "a.xyz" in found.said
