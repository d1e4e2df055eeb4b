"""Files as nobody writes them by accident: each by name, made on the spot."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import ase.io
import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.db import connect

MEGABYTE = 2**20


def frame() -> Atoms:
    """A crystal with labels."""
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=0)
    atoms.calc = EMT()
    atoms.info["REF_energy"] = atoms.get_potential_energy()
    atoms.arrays["REF_forces"] = atoms.get_forces()
    atoms.calc = None
    return atoms


@cache
def whole(name: str) -> bytes:
    """A sound file of a name's kind."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        if path.suffix == ".db":
            with connect(path) as database:
                database.write(frame())
        else:
            ase.io.write(path, [frame()] * 3 if path.suffix == ".traj" else frame())
        return path.read_bytes()


def bomb(unit: bytes, megabytes: int) -> bytes:
    """Much of one thing, compressed as far as it goes."""
    block = unit * (MEGABYTE // len(unit))
    return gzip.compress(block, 9) * megabytes


def noise(n: int) -> bytes:
    """Bytes that mean nothing."""
    return np.random.default_rng(0).bytes(n)


def patched(content: bytes, start: int, new: bytes) -> bytes:
    """Some bytes replaced."""
    return content[:start] + new + content[start + len(new) :]


def entities() -> bytes:
    """A billion laughs."""
    letters = "abcdefghij"
    defined = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise(letters))
    return (
        f'<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa">{defined}]><modeling><generator><i name="program">&j;'
        "</i></generator></modeling>"
    ).encode()


LATTICE = b'Lattice="4 0 0 0 4 0 0 0 4"'
CELL = b"t\n1.0\n4 0 0\n0 4 0\n0 0 4\nCu\n"

COMPRESSED: Mapping[str, Callable[[], bytes]] = {
    "cut.xyz.gz": lambda: gzip.compress(whole("a.xyz"))[:-20],
    "cut.cif.gz": lambda: gzip.compress(whole("a.cif"))[:-10],
    "none.xyz.gz": lambda: whole("a.xyz"),
    "cut.vasprun.xml.gz": lambda: gzip.compress(b"<modeling>" + b"<a/>" * 1000)[:-10],
    "OUTCAR.cut.gz": lambda: gzip.compress(b" vasp.6.3\n" + b"x\n" * 1000)[:-9],
    "frames.xyz.gz": lambda: bomb(whole("a.xyz"), 800),
    "zeros.xyz.gz": lambda: bomb(b"\0", 800),
    "comments.cif.gz": lambda: bomb(b"# comment\n", 800),
    "elements.vasprun.xml.gz": lambda: bomb(b"<a/>\n", 800),
    "spaces.vasprun.xml.gz": lambda: bomb(b" ", 800),
    "OUTCAR.lines.gz": lambda: gzip.compress(b" vasp.6.3\n") + bomb(b" x\n", 800),
    "brackets.json.gz": lambda: bomb(b"[", 800),
}

COUNTS: Mapping[str, Callable[[], bytes]] = {
    "count.xyz": lambda: b"999999999999\n\nCu 0 0 0\n",
    "second.xyz": lambda: whole("a.xyz") + b"999999999999\n\nCu 0 0 0\n",
    "negative.xyz": lambda: b"-3\n\nCu 0 0 0\n",
    "digits.extxyz": lambda: b"9" * 40 + b"\n" + LATTICE + b"\nCu 0 0 0\n",
    "columns.xyz": lambda: (
        b"1\n" + LATTICE + b" Properties=species:S:1:pos:R:999999999\nCu 0 0 0\n"
    ),
    "count.POSCAR": lambda: CELL + b"20000000\nDirect\n0 0 0\n",
    "POSCAR": lambda: CELL + b"2000000000\nDirect\n0 0 0\n",
    "count.xsf": lambda: (
        b"CRYSTAL\nPRIMVEC\n4 0 0\n0 4 0\n0 0 4\nPRIMCOORD\n1000000000 1\n29 0 0 0\n"
    ),
    "count.cube": lambda: (
        b"a\nb\n 1000000000 0 0 0\n 1000 1 0 0\n 1000 0 1 0\n 1000 0 0 1\n 29 0 0 0 0\n"
    ),
    "count.lammpstrj": lambda: (
        b"ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n1000000000\nITEM: BOX BOUNDS pp pp pp\n0 4\n0 4\n0 4\n"
        b"ITEM: ATOMS id type x y z\n1 1 0 0 0\n"
    ),
    "count.gen": lambda: b"1000000000 S\nCu\n1 1 0 0 0\n",
    "offsets.traj": lambda: patched(whole("a.traj"), 32, struct.pack("<qq", 2**40, 2**50)),
    "frames.traj": lambda: patched(whole("a.traj"), 32, struct.pack("<q", 10**9)),
    "pw.out": lambda: (
        b"Program PWSCF v.7\n number of atoms/cell = 1000000000\n number of atomic types = 99999999\n"
    ),
    "zero.xyz": lambda: b"0\n" + LATTICE + b"\n",
}

TEXTS: Mapping[str, Callable[[], bytes]] = {
    "utf16.xyz": lambda: whole("a.xyz").decode().encode("utf-16"),
    "utf16.cif": lambda: whole("a.cif").decode().encode("utf-16"),
    "long.xyz": lambda: b"1\n" + b"x" * (50 * MEGABYTE),
    "long.cif": lambda: b"data_" + b"x" * (50 * MEGABYTE),
    "infinite.xyz": lambda: whole("a.xyz").replace(b"3.61", b"1e999"),
    "empty.xyz": lambda: b"",
    "gpaw.txt": lambda: b"|__ |  _|___|_____|\n" * 100_000,
}

NESTED: Mapping[str, Callable[[], bytes]] = {
    "nested.json": lambda: b"[" * 200_000,
    "pymatgen.json": lambda: b'{"@module": "pymatgen.core", "a":' + b"[" * 200_000,
    "laughs.vasprun.xml": entities,
    "outside.vasprun.xml": lambda: (
        b'<!DOCTYPE m [<!ENTITY a SYSTEM "file:///etc/passwd">]><modeling><generator><i name="program">'
        b"&a;</i></generator></modeling>"
    ),
    "deep.vasprun.xml": lambda: b"<modeling>" + b"<a>" * 300_000,
    "nested.yaml": lambda: b"[" * 20_000,
    "phonopy_params.yaml": lambda: b"phonopy: {version: '2'}\nsupercell: " + b"[" * 20_000,
    "phonopy_disp.yaml": lambda: (
        b"phonopy: {version: '2'}\na: &a [x, x]\n"
        + b"".join(
            b"%c: &%c [%b]\n" % (c + 1, c + 1, b", ".join([b"*%c" % c] * 9)) for c in b"abcdefgh"
        )
    ),
}

BINARY: Mapping[str, Callable[[], bytes]] = {
    "header.db": lambda: b"SQLite format 3\0" + noise(5000),
    "cut.db": lambda: whole("a.db")[: len(whole("a.db")) // 2],
    "damaged.db": lambda: patched(whole("a.db"), 4096, b"\xff" * 1904),
    "cut.traj": lambda: whole("a.traj")[: len(whole("a.traj")) // 2],
    "noise.gpw": lambda: noise(3000),
    "noise.traj": lambda: b"- of UlmASE-Trajectory" + noise(3000),
    "noise.xyz": lambda: noise(3000),
}

FILES = {**COMPRESSED, **COUNTS, **TEXTS, **NESTED, **BINARY}

SOUND: Mapping[str, Callable[[], bytes]] = {
    "latin1.xyz": lambda: whole("a.xyz").replace(b"pbc=", 'author="Müller" pbc='.encode("latin-1")),
    "latin1.cif": lambda: whole("a.cif") + "# Müller\n".encode("latin-1"),
    "nul.xyz": lambda: patched(whole("a.xyz"), 60, b"\0" * 50),
    "mark.xyz": lambda: b"\xef\xbb\xbf" + whole("a.xyz"),
}
"""Those that one may read or refuse, in words."""
