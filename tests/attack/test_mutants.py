"""Files that lost a bit, a block, a digit or their end: refused in words, read the same, or counted."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.attack.contained import contained
from tests.attack.hostile_files import whole
from umlip_bench import datasets
from umlip_bench.cli import main
from umlip_bench.datasets.readers import RefusedResult, read_labels
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.journal import Journal
from umlip_bench.ground.structures import read_structures

FEW, MANY, BATCH = 20, 340, 20
"""Mutants of each kind in ``make test`` and in ``make attack``, and in one process."""


@dataclass(frozen=True)
class Entry:
    """Of a journal."""

    number: float
    text: str


@dataclass(frozen=True)
class Kind:
    """Files that are damaged.

    Parameters
    ----------
    file
        Its name.
    make
        Writes a sound one into a folder.
    read
        What is read of it, in words; raises `UmlipBenchError` where it is refused.
    held
        Whether a digest holds it: a changed number is always found.
    """

    file: str
    make: Callable[[Path], object]
    read: Callable[[Path], str]
    held: bool = False


def of_kind(name: str) -> Callable[[Path], object]:
    """Writes a sound file."""
    return lambda folder: (folder / name).write_bytes(whole(name))


def structures(path: Path) -> str:
    """All numbers of all structures."""
    found = read_structures(path)
    return str([(a.numbers.tolist(), a.positions.tolist(), a.cell.array.tolist()) for a in found])


def labels(path: Path) -> str:
    """All labels; refusals are results."""
    found = read_labels(path)
    if all(isinstance(each, RefusedResult) for each in found):
        raise UmlipBenchError("refused")
    return str([each.energy for each in found if not isinstance(each, RefusedResult)])


def data(path: Path) -> str:
    """What a data set holds."""
    return str(datasets.load(str(path)).cases)


def exported(folder: Path) -> None:
    """Frames with a manifest that holds their digest."""
    main(["data", "export", "pbe-mini", str(folder / "e.xyz"), "--material", "Si"])


def journal(folder: Path) -> None:
    """Entries, each with its check sum."""
    kept = Journal(folder / "j", Entry)
    for k in range(20):
        kept.append(f"key{k}", Entry(k / 7, "Å" * k))
    kept.close()
    (written,) = (folder / "j").glob("*.jsonl")
    written.rename(folder / "j" / "a.jsonl")


def entries(path: Path) -> str:
    """Those that are whole; one that is not those that were written is a lie."""
    found = dict(Journal(path.parent, Entry).items())
    for k in range(20):
        entry = found.pop(f"key{k}", None)
        assert entry in (None, Entry(k / 7, "Å" * k))
    assert not found
    return "whole or left out"


KINDS = {
    "extended XYZ": Kind("a.xyz", of_kind("a.xyz"), structures),
    "CIF": Kind("a.cif", of_kind("a.cif"), structures),
    "POSCAR": Kind("POSCAR", of_kind("POSCAR"), structures),
    "trajectory": Kind("a.traj", of_kind("a.traj"), structures),
    "database": Kind("a.db", of_kind("a.db"), structures),
    "labels in XYZ": Kind("a.xyz", of_kind("a.xyz"), labels),
    "data in XYZ": Kind("a.xyz", of_kind("a.xyz"), data),
    "exported data": Kind("e.xyz", exported, data, held=True),
    "journal": Kind("j/a.jsonl", journal, entries, held=True),
}


def mutant(content: bytes, seed: int) -> bytes:
    """Another file, near the first."""
    rng = random.Random(seed)
    changed = bytearray(content)
    place = rng.randrange(len(changed))
    match seed % 4:
        case 0:
            changed[place] ^= 1 << rng.randrange(8)
        case 1:
            changed[place : place + 16] = bytes(len(changed[place : place + 16]))
        case 2:
            del changed[place:]
        case _:
            digits = [k for k, byte in enumerate(changed) if byte in b"0123456789"] or [place]
            changed[rng.choice(digits)] = rng.choice(b"0123456789-e.")
    return bytes(changed) if changed != content else mutant(content, seed + 4)


def outcomes(kind: Kind, path: Path, content: bytes, expected: str, seeds: range) -> str:
    """What became of some mutants, counted."""
    counts: Counter[str] = Counter()
    for seed in seeds:
        path.write_bytes(mutant(content, seed))
        try:
            found = kind.read(path)
        except UmlipBenchError:
            counts["refused"] += 1
        else:
            counts["same" if found == expected else "changed"] += 1
    return " ".join(f"{counts[key]}" for key in ("refused", "same", "changed"))


def count_all(kind: Kind, folder: Path, n: int) -> list[int]:
    """Numbers of mutants that were refused, read the same and read otherwise."""
    kind.make(folder)
    path = folder / kind.file
    content, expected = path.read_bytes(), kind.read(path)
    totals = [0, 0, 0]
    for start in range(0, n, BATCH):
        seeds = range(start, start + BATCH)
        found = contained(partial(outcomes, kind, path, content, expected, seeds))
        assert not found.traceback, f"seeds {seeds}: {found.traceback}"
        totals = [a + int(b) for a, b in zip(totals, found.said.split(), strict=True)]
    assert sum(totals) == n
    if kind.held:
        assert totals[2] == 0, "a changed number was not found"
    return totals


@pytest.mark.seconds
@pytest.mark.parametrize("name", KINDS)
def test_a_few_mutants(name: str, tmp_path: Path) -> None:
    count_all(KINDS[name], tmp_path, FEW)


@pytest.mark.attack
@pytest.mark.parametrize("name", KINDS)
def test_many_mutants(name: str, tmp_path: Path) -> None:
    refused, same, changed = count_all(KINDS[name], tmp_path, MANY)
    print(f"{name}: {MANY} mutants, {refused} refused, {same} read the same, {changed} changed")
