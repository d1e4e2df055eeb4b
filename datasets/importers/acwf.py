"""All-electron equations of state of unaries and oxides (ACWF; FLEUR and WIEN2k, PBE).

Ten prototypes, in most of which an element is far from its stable form. No prototype has a free
internal coordinate, so a cell is its template scaled to the published volume.

The calculations are not spin-polarised. Marked for it are the elements whose magnetism is certain to
matter; magnetism of other elements in one or the other hypothetical prototype is not excluded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ase.io
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols

from umlip_bench.datasets.cases import EosCase, Preparation
from umlip_bench.datasets.importers import vasp_json
from umlip_bench.datasets.importers.files import present
from umlip_bench.ground.content import as_float, as_mapping
from umlip_bench.ground.level_of_theory import LevelOfTheory

FILES = (
    "results-unaries-verification-PBE-v1-AE-average.json",
    "results-oxides-verification-PBE-v1-AE-average.json",
)

OXYGEN = 8

MAGNETIC = frozenset({"O", "Cr", "Mn", "Fe", "Co", "Ni"})
F_ELECTRONS = frozenset(
    chemical_symbols[z]
    for first, last in (("Ce", "Yb"), ("Pa", "Cm"))
    for z in range(atomic_numbers[first], atomic_numbers[last] + 1)
)
"""With f electrons in the valence shell; Yb for its trivalent oxides."""


def cases(folder: Path, level: LevelOfTheory) -> Iterator[EosCase]:
    """One case per crystal, unaries before oxides, in the order of the files.

    The phases of an element and its oxides are one system: how far a model is off is alike in them.
    """
    templates: dict[str, Atoms] = {}
    for file in FILES:
        results = dict(vasp_json.members(folder / file))
        n_atoms = as_mapping(results["num_atoms_in_sim_cell"])
        for name, found in as_mapping(results["BM_fit_data"]).items():
            fit = as_mapping(found)
            element, prototype = name.split("-", 1)
            if prototype not in templates:
                templates[prototype] = _read_template(folder / "structures", prototype)
            atoms = _decorate(templates[prototype], element)
            # The fit of an oxide of oxygen is for a smaller cell than that of the template.
            cells = len(atoms) / as_float(n_atoms[name])
            volume = as_float(fit["min_volume"]) * cells
            atoms.set_cell(atoms.cell * (volume / atoms.get_volume()) ** (1 / 3), scale_atoms=True)
            yield EosCase(
                name=name,
                system=element,
                level_of_theory=level,
                preparation=Preparation.RELAXED,
                unusable=_why_unusable(element, prototype),
                atoms=atoms,
                volume=volume,
                bulk_modulus=as_float(fit["bulk_modulus_ev_ang3"]),
                bulk_modulus_derivative=as_float(fit["bulk_deriv"]),
            )


def _is_unary(prototype: str) -> bool:
    return prototype.startswith("X/")


def _read_template(folder: Path, prototype: str) -> Atoms:
    """Template with the placeholder element where X belongs."""
    # Unaries are Si-<prototype>.xsf, oxides Mg-<prototype>.xsf.
    name = f"Si-{prototype.removeprefix('X/')}" if _is_unary(prototype) else f"Mg-{prototype}"
    template = ase.io.read(present(folder / f"{name}.xsf"), format="xsf")
    return Atoms(
        numbers=template.numbers, positions=template.positions, cell=template.cell, pbc=True
    )


def _decorate(template: Atoms, element: str) -> Atoms:
    atoms = template.copy()
    atoms.numbers[template.numbers != OXYGEN] = atomic_numbers[element]
    return atoms


def _why_unusable(element: str, prototype: str) -> str | None:
    if element == "O" and not _is_unary(prototype):
        return "an oxide of oxygen: no compound, and partly published for another cell"
    if element in MAGNETIC:
        return f"{element} is magnetic, but the calculation is not spin-polarised"
    if element in F_ELECTRONS:
        return f"{element} has f electrons, but the calculation is not spin-polarised"
    return None
