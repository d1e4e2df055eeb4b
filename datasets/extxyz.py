"""The standard form on disk: extended XYZ with ``REF_energy``, ``REF_forces`` and ``REF_stress``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress

from umlip_bench.datasets.dataset import Dataset, Frame, Manifest
from umlip_bench.errors import DataError
from umlip_bench.potentials.card import LevelOfTheory

ENERGY, FORCES, STRESS, SYSTEM = "REF_energy", "REF_forces", "REF_stress", "system"

FORMAT = (
    f"extended XYZ with {ENERGY} (eV, total) and optionally {STRESS} (eV/Å³; 3x3, nine numbers or six "
    f"in Voigt order) and {SYSTEM} (name of the material) in the comment line, and {FORCES} (eV/Å) "
    "as a column"
)


def read(path: Path, manifest: Manifest | None = None) -> Dataset:
    """Read labelled frames.

    Parameters
    ----------
    path
        A file in the standard form. Frames without ``system`` belong to the material of their
        reduced formula.
    manifest
        What the set is; for a user's own file, one that says that nothing is known.

    Raises
    ------
    DataError
        If the file is missing, empty or unreadable, or labels are missing, of the wrong shape or not
        finite; names the frame and what is expected.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected {FORMAT}")
    content = path.read_bytes()
    if not content.strip():
        raise DataError(f"{path} is empty; expected {FORMAT}")
    frames = tuple(_frame(path, k, atoms) for k, atoms in enumerate(_read_atoms(path)))
    if not frames:
        raise DataError(f"{path} holds no frame; expected {FORMAT}")
    return Dataset(manifest or _unknown(path), frames, hashlib.sha256(content).hexdigest())


def _read_atoms(path: Path) -> Iterator[Atoms]:
    frame = 0
    try:
        for atoms in ase.io.iread(path, index=":", format="extxyz"):
            yield atoms
            frame += 1
    # What ASE's reader raises on text that is not extended XYZ; XYZError derives from OSError, and a
    # file that ends too soon is a RuntimeError.
    except (OSError, ValueError, KeyError, IndexError, TypeError, RuntimeError) as error:
        raise DataError(
            f"{path}, frame {frame}: not readable ({type(error).__name__}: {error}); expected {FORMAT}"
        ) from error


def _frame(path: Path, index: int, atoms: Atoms) -> Frame:
    where = f"{path}, frame {index}"
    for key, container in ((ENERGY, atoms.info), (FORCES, atoms.arrays)):
        if key not in container:
            raise DataError(f"{where}: {key} is missing; {_present(atoms)}; expected {FORMAT}")
    energy = atoms.info[ENERGY]
    if not isinstance(energy, int | float | np.number) or not np.isfinite(energy):
        raise DataError(f"{where}: {ENERGY} is {energy!r}; it must be a finite number in eV")
    forces = np.asarray(atoms.arrays[FORCES])
    if forces.shape != (len(atoms), 3) or forces.dtype.kind not in "fi":
        raise DataError(
            f"{where}: {FORCES} has shape {forces.shape}; needed are 3 columns of numbers"
        )
    if not np.isfinite(forces).all():
        atom = int(np.flatnonzero(~np.isfinite(forces).all(axis=1))[0])
        raise DataError(f"{where}: {FORCES} of atom {atom} is {forces[atom]}; it must be finite")
    geometry = Atoms(
        numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc
    )
    system = str(atoms.info.get(SYSTEM) or geometry.symbols.formula.reduce()[0].format("metal"))
    geometry.info["system"] = f"{system}, frame {index}"
    return Frame(
        atoms=geometry,
        energy=float(energy),
        forces=forces.astype(float),
        stress=_stress(where, atoms),
        system=system,
        index=index,
    )


def _stress(where: str, atoms: Atoms) -> np.ndarray | None:
    if STRESS not in atoms.info:
        return None
    try:
        stress = np.asarray(atoms.info[STRESS], dtype=float)
    except (TypeError, ValueError):
        raise DataError(f"{where}: {STRESS} is {atoms.info[STRESS]!r}, not numbers") from None
    if stress.shape == (6,):
        stress = voigt_6_to_full_3x3_stress(stress)
    if stress.size != 9 or not np.isfinite(stress).all():
        raise DataError(
            f"{where}: {STRESS} has {stress.size} numbers; needed are 3x3, nine, or six in Voigt "
            "order (xx yy zz yz xz xy), finite, in eV/Å³"
        )
    return stress.reshape(3, 3)


def _present(atoms: Atoms) -> str:
    keys = [*atoms.info, *(k for k in atoms.arrays if k not in ("numbers", "positions"))]
    if atoms.calc is not None:
        keys += list(atoms.calc.results)
    return f"the frame has {', '.join(map(str, keys)) or 'no other keys'}"


def _unknown(path: Path) -> Manifest:
    return Manifest(
        id=path.name,
        title=f"user's file {path.name}",
        level_of_theory=LevelOfTheory("unknown"),
        settings="not stated",
        source=str(path),
        licence="not stated",
        citation="not stated",
    )
