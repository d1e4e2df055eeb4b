"""What published JSON files of VASP results share: pymatgen structures, energies, forces and stress in kB."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms, units

from umlip_bench.datasets.frame import Frame
from umlip_bench.ground.content import as_float, as_list, as_mapping
from umlip_bench.ground.errors import DataError

KILOBAR = 0.1 * units.GPa
"""eV/Å³."""


@dataclass(frozen=True, eq=False)
class Calculation:
    """One static calculation.

    Parameters
    ----------
    atoms
        The geometry, without labels.
    energy
        Total in eV.
    forces
        Shape (N, 3), eV/Å.
    stress
        Shape (3, 3), eV/Å³, positive under tension.
    """

    atoms: Atoms
    energy: float
    forces: np.ndarray
    stress: np.ndarray

    @property
    def energy_per_atom(self) -> float:
        """In eV/atom."""
        return self.energy / len(self.atoms)

    def frame(self, system: str, index: int) -> Frame:
        """As a labelled frame of a material."""
        return Frame(
            atoms=named(self.atoms, f"{system}, frame {index}"),
            energy=self.energy,
            forces=self.forces,
            stress=self.stress,
            system=system,
            index=index,
        )


# ---- files


def elements(path: Path) -> Iterator[object]:
    """Elements of a file that holds one JSON list, each decoded when it is asked for.

    Decoded structures take ten times the memory of their text, so that only the text is held whole.
    Files that end in ``.gz`` are decompressed.

    Raises
    ------
    DataError
        If the file is missing or not a JSON list; possibly after some elements.
    """
    return (value for _, value in _walk(path, "[", "]"))


def members(path: Path) -> Iterator[tuple[str, object]]:
    """Pairs of key and value of a file that holds one JSON object; see `elements`."""
    return _walk(path, "{", "}")


_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


def _walk(path: Path, opening: str, closing: str) -> Iterator[tuple[str, object]]:
    text = _text(path)
    try:
        at = _token(text, 0, opening)
        if text.startswith(closing, at):
            return
        while True:
            key = ""
            if opening == "{":
                key, at = _DECODER.raw_decode(text, at)
                at = _token(text, at, ":")
            value, at = _DECODER.raw_decode(text, at)
            yield key, value
            at = _skip(text, at)
            if text.startswith(closing, at):
                return
            at = _token(text, at, ",")
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path} is not the JSON file that was published ({error}); fetch it again"
        ) from error


def _text(path: Path) -> str:
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8") as file:
                return file.read()
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; `umlip-bench data fetch` gets it") from None
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not readable ({error}); fetch it again") from error


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def _token(text: str, at: int, token: str) -> int:
    at = _skip(text, at)
    if not text.startswith(token, at):
        raise json.JSONDecodeError(f"Expecting {token!r}", text, at)
    return _skip(text, at + 1)


@contextmanager
def reading(path: Path, item: int | str) -> Iterator[None]:
    """Name the file and the item in errors about its content.

    Raises
    ------
    DataError
        For a missing key or a value of the wrong kind, shape or size in the body.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}, item {item}: not as published ({type(error).__name__}: {error}); "
            "fetch the file again"
        ) from error


# ---- their content


def calculation(item: object, stress_key: str) -> Calculation:
    """Read an item with ``structure`` and ``outputs``.

    Parameters
    ----------
    item
        As decoded.
    stress_key
        Name of the stress among the outputs: sources differ.

    Raises
    ------
    KeyError, TypeError, ValueError
        If something is missing, of the wrong shape or not finite; see `reading`.
    """
    content = as_mapping(item)
    outputs = as_mapping(content["outputs"])
    geometry = atoms(content["structure"])
    energy = as_float(outputs["energy"])
    if not np.isfinite(energy):
        raise ValueError(f"the energy is {energy}")
    return Calculation(
        geometry, energy, forces(outputs["forces"], len(geometry)), stress(outputs[stress_key])
    )


def atoms(structure: object) -> Atoms:
    """Geometry of a pymatgen structure dictionary.

    Lattice and sites are read directly, which takes a tenth of the time of pymatgen's own classes.
    Fractional coordinates count, as they do for pymatgen.

    Raises
    ------
    KeyError, TypeError, ValueError
        If something is missing or a site is not occupied by exactly one element.
    """
    content = as_mapping(structure)
    sites = [as_mapping(site) for site in as_list(content["sites"])]
    symbols = []
    for k, site in enumerate(sites):
        species = [as_mapping(each) for each in as_list(site["species"])]
        if len(species) != 1 or species[0].get("occu", 1) != 1:
            raise ValueError(f"site {k} is disordered: {species}")
        symbols.append(species[0]["element"])
    return Atoms(
        symbols,
        scaled_positions=np.array([site["abc"] for site in sites], dtype=float).reshape(-1, 3),
        cell=np.array(as_mapping(content["lattice"])["matrix"], dtype=float),
        pbc=True,
    )


def forces(values: object, n_atoms: int) -> np.ndarray:
    """Forces in eV/Å, shape (n_atoms, 3), finite or a ValueError."""
    array = np.array(values, dtype=float)
    if array.shape != (n_atoms, 3) or not np.isfinite(array).all():
        raise ValueError(f"forces of shape {array.shape}, needed is ({n_atoms}, 3), finite")
    return array


def stress(kilobar: object) -> np.ndarray:
    """Stress in ASE's sign from VASP's six numbers.

    Parameters
    ----------
    kilobar
        xx, yy, zz, xy, yz, zx (not Voigt's order) in kB, positive under compression.

    Returns
    -------
    numpy.ndarray
        Shape (3, 3), eV/Å³, positive under tension.
    """
    values = np.array(kilobar, dtype=float)
    if values.shape != (6,) or not np.isfinite(values).all():
        raise ValueError(f"a stress of shape {values.shape}, needed are six finite numbers")
    xx, yy, zz, xy, yz, zx = -KILOBAR * values
    return np.array([[xx, xy, zx], [xy, yy, yz], [zx, yz, zz]])


# ---- structures


def named(structure: Atoms, name: str) -> Atoms:
    """Copy with a name for messages."""
    copy = structure.copy()
    copy.info["system"] = name
    return copy


def surface_area(slab: Atoms) -> float:
    """Area in Å² of one face of a slab in a cell that is periodic in all directions.

    The normal is the lattice direction with the widest layer free of atoms. The width is taken in Å:
    in fractions of the cell a short in-plane direction with all atoms at one height is all gap.
    """
    heights = 1 / np.linalg.norm(slab.cell.reciprocal().array, axis=1)
    scaled = np.sort(slab.get_scaled_positions(wrap=True), axis=0)
    gaps = np.diff(np.vstack([scaled, scaled[:1] + 1]), axis=0).max(axis=0)
    normal = int(np.argmax(gaps * heights))
    return float(slab.get_volume() / heights[normal])


def surface_energy(slab: Calculation, bulk: Calculation) -> float:
    """(E_slab - N e_bulk) / (2 area) in eV/Å², of a slab with two equal faces."""
    excess = slab.energy - len(slab.atoms) * bulk.energy_per_atom
    return excess / (2 * surface_area(slab.atoms))
