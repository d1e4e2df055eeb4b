"""Folders of VASP's nudged elastic bands: 00, 01, ... NN, each with an image, as migration paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms

from umlip_bench.datasets.cases import PathMethod
from umlip_bench.datasets.frame import composition
from umlip_bench.datasets.labels import geometry_of
from umlip_bench.datasets.paths import PathFrame
from umlip_bench.datasets.readers import Code, Result, code_of, read_labels, told_elsewhere
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.structures import READER_ERRORS

LEAST = 3
"""Images of a band, its end points among them."""
STRUCTURES = ("CONTCAR", "POSCAR")
"""Where an image without output has its geometry, the last one first."""


@dataclass(frozen=True, eq=False)
class Band:
    """A band as its folders have it.

    Parameters
    ----------
    images
        In order; energies of the last step, nan where there is no output. VASP's forces have the springs in
        them, and are left out.
    results
        What energies are from.
    sources
        Files that were read.
    """

    images: tuple[PathFrame, ...]
    results: tuple[Result, ...]
    sources: tuple[Path, ...]


def find(files: Iterable[Path]) -> list[Path]:
    """Folders that hold a band: all of 00, 01, ... NN, and output of VASP in one between the ends."""
    numbered: dict[Path, dict[str, list[Path]]] = {}
    for file in files:
        if re.fullmatch(r"\d\d", file.parent.name):
            images = numbered.setdefault(file.parent.parent, {})
            images.setdefault(file.parent.name, []).append(file)
    return sorted(folder for folder, images in numbered.items() if _is_band(images))


def _is_band(images: dict[str, list[Path]]) -> bool:
    names = sorted(images)
    whole = names == [f"{k:02d}" for k in range(len(names))] and len(names) >= LEAST
    between = [file for name in names[1:-1] for file in images[name]]
    return whole and any(code_of(file) is Code.VASP for file in between)


def read(folder: Path, name: str) -> Band:
    """Read the images of a band.

    Parameters
    ----------
    folder
        That 00, 01, ... NN lie in.
    name
        Of the path.

    Raises
    ------
    DataError
        If an image has neither output nor a structure that can be read.
    """
    images, results, sources = [], [], []
    for number, image in enumerate(sorted(folder.glob("[0-9][0-9]"))):
        result, source = _last_step(image)
        if result is None:
            atoms, source = _structure(image)
        else:
            atoms = result.atoms
            results.append(result)
        sources.append(source)
        images.append(
            PathFrame(
                where=str(image),
                path=name,
                image=number,
                atoms=geometry_of(atoms),
                energy=np.nan if result is None else result.energy,
                forces=None,
                system=composition(atoms),
                method=PathMethod.NEB,
                moving=None,
            )
        )
    return Band(tuple(images), tuple(results), tuple(sources))


def told(name: str, images: Sequence[PathFrame]) -> str | None:
    """What is to be said of end points without energies, which bands usually lack."""
    ends = [image for image in (images[0], images[-1]) if not np.isfinite(image.energy)]
    if not ends:
        return None
    where = " and ".join(image.where for image in ends)
    return (
        f"path {name}: there is no energy of {where}; put the OUTCAR or vasprun.xml of each relaxed "
        "end point into its folder"
    )


def _last_step(image: Path) -> tuple[Result | None, Path]:
    """The last step that is a label, and the file that it is from."""
    for file in sorted(image.iterdir()):
        if code_of(file) is Code.VASP and not told_elsewhere(file, Code.VASP):
            found = [each for each in read_labels(file, Code.VASP) if isinstance(each, Result)]
            if found:
                return found[-1], file
    return None, image


def _structure(image: Path) -> tuple[Atoms, Path]:
    for name in STRUCTURES:
        file = image / name
        if file.is_file() and file.stat().st_size:
            try:
                return ase.io.read(file, format="vasp"), file
            except READER_ERRORS as error:
                raise DataError(f"{file} cannot be read as a POSCAR ({error})") from error
    raise DataError(
        f"{image} holds no image: there is neither an OUTCAR or vasprun.xml that ended nor a CONTCAR or "
        "POSCAR"
    )
