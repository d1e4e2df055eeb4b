"""Frequencies as phonopy writes them: ``mesh.yaml`` and ``band.yaml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase import Atoms

from umlip_bench.datasets.cases import Preparation
from umlip_bench.datasets.phonon_cases import FrequencyCase, WaveVectors
from umlip_bench.ground.content import as_float, as_list, as_mapping
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory

NAMES = ("mesh.yaml", "band.yaml")
NEEDED = ("phonon", "lattice", "points")
REMEDY = (
    "needed are the cell and, at each wave vector, frequencies in THz, as `phonopy --mesh` and "
    "`phonopy --band` write them"
)
NOTE = (
    "frequencies alone are known: they are interpolated in DFT's supercell, in the model's in its own, and a "
    "non-analytical term that they may hold the model's have not; curvatures are compared sorted"
)


def is_frequencies(content: Mapping[str, object]) -> bool:
    """Whether the content of a yaml file is that of frequencies."""
    return "phonon" in content and "unit_cell" not in content


def read(
    content: Mapping[str, object], path: Path, level: LevelOfTheory, name: str
) -> FrequencyCase:
    """Read frequencies on a mesh or a path.

    Parameters
    ----------
    content
        Of the file.
    path
        The file, for messages.
    level, name
        As of `umlip_bench.datasets.phonopy_files.read`.

    Raises
    ------
    DataError
        If something is missing or does not fit together; names the file and the remedy.
    """
    lacking = [key for key in NEEDED if key not in content]
    if lacking:
        raise DataError(f"{path} has no {', no '.join(lacking)}; {REMEDY}")
    try:
        atoms = _cell(content)
        phonons = [as_mapping(each) for each in as_list(content["phonon"])]
        qpoints = np.array([each["q-position"] for each in phonons], dtype=float)
        modes = ([as_mapping(mode) for mode in as_list(each["band"])] for each in phonons)
        bands = [[mode["frequency"] for mode in of_point] for of_point in modes]
        frequencies = np.sort(np.array(bands, dtype=float), axis=1)
        on_path = _path(content, phonons) if "segment_nqpoint" in content else None
        weights = np.array([each.get("weight", 1) for each in phonons], dtype=float)
        matrix = content.get("supercell_matrix")
        supercell = None if matrix is None else np.array(matrix, dtype=int).reshape(3, 3)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path} is not as phonopy writes it ({error}); {REMEDY}") from error
    if not atoms.numbers.all():
        raise DataError(f"{path} has atoms of no elements; {REMEDY}")
    if frequencies.shape != (len(qpoints), 3 * len(atoms)) or qpoints.shape[1:] != (3,):
        raise DataError(
            f"{path} has frequencies of shape {frequencies.shape} at {len(qpoints)} wave vectors; needed are "
            f"{3 * len(atoms)} at each, of the {len(atoms)} atoms of its cell"
        )
    if not (np.isfinite(frequencies).all() and np.isfinite(qpoints).all()):
        raise DataError(f"{path} holds numbers that are not finite")
    case = FrequencyCase(
        name=name,
        system=name,
        level_of_theory=level,
        preparation=Preparation.RELAXED,
        atoms=atoms,
        kind=WaveVectors.MESH,
        qpoints=qpoints,
        weights=weights,
        frequencies=frequencies,
        supercell_matrix=supercell,
        notes=(NOTE,),
    )
    return case if on_path is None else replace(case, kind=WaveVectors.PATH, **on_path._asdict())


def _cell(content: Mapping[str, object]) -> Atoms:
    points = [as_mapping(each) for each in as_list(content["points"])]
    atoms = Atoms(
        [str(each["symbol"]) for each in points],
        scaled_positions=[each["coordinates"] for each in points],
        cell=content["lattice"],
        pbc=True,
    )
    masses = np.array([each.get("mass", np.nan) for each in points], dtype=float)
    known = np.isfinite(masses)
    if known.any():
        atoms.set_masses(np.where(known, masses, atoms.get_masses()))
    return atoms


class _Path(NamedTuple):
    distances: np.ndarray
    segments: np.ndarray
    labels: tuple[tuple[str, str], ...]


def _path(content: Mapping[str, object], phonons: Sequence[Mapping[str, object]]) -> _Path:
    """Distances, segments and labels of a path."""
    counts = [int(as_float(n)) for n in as_list(content["segment_nqpoint"])]
    named = as_list(content.get("labels") or [["", ""]] * len(counts))
    if len(named) != len(counts):
        raise ValueError(f"{len(named)} labels of {len(counts)} segments")
    return _Path(
        np.array([each["distance"] for each in phonons], dtype=float),
        np.repeat(np.arange(len(counts)), counts),
        tuple((_plain(first), _plain(last)) for first, last in map(as_list, named)),
    )


def _plain(label: object) -> str:
    r"""Of a label in LaTeX, ``$\\mathrm{X}$``, the letters."""
    text = str(label).replace("$", "").replace("\\Gamma", "Γ").replace("\\mathrm", "")
    return text.strip("{} ").replace("GAMMA", "Γ")
