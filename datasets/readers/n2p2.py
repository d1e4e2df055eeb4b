"""n2p2's and RuNNer's ``input.data`` (https://compphysvienna.github.io/n2p2/topics/cfg_file.html).

RuNNer's is in bohr and hartree, n2p2 takes any units: nothing in the file says which, so the user has to.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ase import Atoms
from ase.units import Bohr, Hartree

from umlip_bench.datasets.readers.result import Code, Read, RefusedResult, of_numbers
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.label_reading import AS_FOUND, LabelReading, Units

LINES = {"atom": 10, "lattice": 4, "energy": 2}
"""Words of each line that is read, its keyword among them."""


def read(path: Path, reading: LabelReading = AS_FOUND) -> Read:
    """Structures between ``begin`` and ``end``.

    Raises
    ------
    DataError
        If the user does not say the units.
    """
    if reading.units is None:
        raise DataError(
            f"{path}: nothing in an n2p2 or RuNNer file says its units; say --units atomic for bohr and "
            "hartree, which RuNNer has, or --units metal for Å and eV"
        )
    length, energy = (Bohr, Hartree) if reading.units is Units.ATOMIC else (1.0, 1.0)
    for number, lines in enumerate(_blocks(path)):
        where = f"{path}, structure {number}"
        short = [line for line in lines if len(line) < LINES.get(line[0], 1)]
        if short:
            yield RefusedResult(where, f"the line {' '.join(short[0])!r} is too short")
            continue
        rows = [line for line in lines if line[0] == "atom"]
        energies = [float(line[1]) for line in lines if line[0] == "energy"]
        if len(energies) != 1:
            yield RefusedResult(where, f"it has {len(energies)} energies, needed is one")
            continue
        cell = [[float(x) * length for x in line[1:4]] for line in lines if line[0] == "lattice"]
        atoms = Atoms(
            [row[4] for row in rows],
            [[float(x) * length for x in row[1:4]] for row in rows],
            cell=cell or None,
            pbc=bool(cell),
        )
        forces = [[float(x) * energy / length for x in row[7:10]] for row in rows]
        yield of_numbers(where, Code.N2P2, atoms, energies[0] * energy, forces, None)


def _blocks(path: Path) -> Iterator[list[list[str]]]:
    """Lines, as words, of each structure; one that is cut off too."""
    lines: list[list[str]] | None = None
    with path.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            words = line.split()
            if words == ["begin"]:
                lines = []
            elif words == ["end"] and lines is not None:
                yield lines
                lines = None
            elif words and lines is not None:
                lines.append(words)
    if lines is not None:
        yield []
