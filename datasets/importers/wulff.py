"""Surface energies of Ir, omega-Ti and fcc Nb from Crystalium (VASP, PBE), with the relaxed slabs.

Total energies are not published. Neither are bulk cells: they are built here from edges of slabs that
lattice vectors of the bulk coincide with, as precisely as the slabs' own cells were relaxed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.units import J, m

from umlip_bench.datasets.cases import Preparation, SurfaceCase
from umlip_bench.datasets.importers import vasp_json
from umlip_bench.ground.content import as_float, as_list, as_mapping
from umlip_bench.ground.level_of_theory import LevelOfTheory

FILE = "surface_samples.json"

SYSTEMS = {"mp-101": "Ir (fcc)", "mp-72": "Ti (omega)", "mp-8636": "Nb (fcc)"}
"""Materials Project id and material, in the order of the cases."""

UNUSABLE = {
    "mp-8636": (
        "fcc Nb is mechanically unstable, 0.34 eV/atom above the ground state; slabs relaxed towards "
        "bcc (faces from 0.54 to 2.32 J/m²)"
    )
}


def cases(folder: Path, level: LevelOfTheory) -> Iterator[SurfaceCase]:
    """One case per face, in the order of the file within a material."""
    entries = dict(vasp_json.members(folder / FILE))
    for material, system in SYSTEMS.items():
        surfaces = as_list(as_mapping(entries[material])["surfaces"])
        slabs = [(each, _read_cif(str(each["structure"]))) for each in map(as_mapping, surfaces)]
        edges = {_miller_index(face): slab.cell.lengths() for face, slab in slabs}
        crystal = _bulk(material, edges)
        for face, slab in slabs:
            miller_index = _miller_index(face)
            yield SurfaceCase(
                name=f"{system} ({' '.join(map(str, miller_index))})",
                system=system,
                level_of_theory=level,
                preparation=Preparation.RELAXED,
                unusable=UNUSABLE.get(material),
                slab=slab,
                bulk=crystal,
                miller_index=miller_index,
                area=vasp_json.surface_area(slab),
                surface_energy=as_float(face["surface_energy"]) * J / m**2,
                reconstructed=bool(face["is_reconstructed"]),
            )


def _miller_index(face: Mapping[str, object]) -> tuple[int, ...]:
    return tuple(int(as_float(each)) for each in as_list(face["miller_index"]))


def _read_cif(text: str) -> Atoms:
    slab = ase.io.read(io.StringIO(text), format="cif")
    return Atoms(numbers=slab.numbers, positions=slab.positions, cell=slab.cell, pbc=True)


def _bulk(material: str, edges: Mapping[tuple[int, ...], Any]) -> Atoms:
    """Primitive cell, from the edges in Å of the slabs by Miller index."""
    if material == "mp-101":
        return bulk("Ir", "fcc", a=edges[3, 2, 0][0])
    if material == "mp-72":
        # The slabs' hexagonal edges differ in the fourth digit; the basal face shows a itself.
        return Atoms(
            "Ti3",
            scaled_positions=[(0, 0, 0), (1 / 3, 2 / 3, 1 / 2), (2 / 3, 1 / 3, 1 / 2)],
            cell=[edges[0, 0, 0, 1][0]] * 2 + [edges[1, 1, -2, 0][0], 90, 90, 120],
            pbc=True,
        )
    # Other slabs of fcc Nb have lost their shape; that of the cube face is [1 1 0] / 2 long.
    return bulk("Nb", "fcc", a=edges[1, 0, 0][0] * np.sqrt(2))
