"""Neutral native defects of GaAs (PyCDT's test data; VASP, PBE).

Published is the energy of the relaxed defective supercell less that of the pristine one; the relaxed
geometry is not. The cells built here are starting points: a model has to relax the ions at the fixed
cell. Without chemical potentials a single value depends on each code's energies of the atoms, so only
the sums of `comparable_sums`, which keep the composition, may be compared. Charge corrections in the
file do not apply to neutral defects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from ase import Atoms

from umlip_bench.datasets.cases import DefectCase, Preparation
from umlip_bench.datasets.importers import vasp_json
from umlip_bench.ground.content import as_float, as_list, as_mapping
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory

FILE = "GaAs_test_defentries.json"

KINDS = {"Vacancy": "vacancy", "Substitution": "antisite", "Interstitial": "interstitial"}

SUMS = {
    "antisite pair": ("as_2_Ga_on_As_0", "as_1_As_on_Ga_0"),
    "Frenkel pair Ga (tet_As4)": ("vac_1_Ga_0", "inter_1_Ga_tet_As4_0"),
    "Frenkel pair Ga (tet_Ga4)": ("vac_1_Ga_0", "inter_2_Ga_tet_Ga4_0"),
    "Frenkel pair As (tet_As4)": ("vac_2_As_0", "inter_1_As_tet_As4_0"),
    "Frenkel pair As (tet_Ga4)": ("vac_2_As_0", "inter_2_As_tet_Ga4_0"),
}
"""Pairs of defects that together keep the composition."""

MATCH = 0.01
"""Å; how near a site of the host must be to the defect's."""


def comparable_sums(energies: Mapping[str, float]) -> dict[str, float]:
    """Formation energies of pairs of defects far apart, free of chemical potentials.

    Frenkel pairs mix a vacancy in 216 atoms with an interstitial in 64, as the source does: cells of a
    model must be the same. V_Ga + V_As is left out, since it needs the energy of bulk GaAs, which the
    source does not have.

    Parameters
    ----------
    energies
        E_defective - E_host in eV by name of the case, from DFT or from a model.

    Returns
    -------
    dict
        Sum in eV by name.
    """
    return {name: sum(energies[defect] for defect in pair) for name, pair in SUMS.items()}


def cases(folder: Path, level: LevelOfTheory) -> Iterator[DefectCase]:
    """One case per neutral defect, in the order of the file."""
    path = folder / FILE
    for name, entry in vasp_json.members(path):
        if not name.endswith("_0"):
            continue
        with vasp_json.reading(path, name):
            case = _case(name, entry, level)
        yield case


def _case(name: str, content: object, level: LevelOfTheory) -> DefectCase:
    entry = as_mapping(content)
    defect, parameters = as_mapping(entry["defect"]), as_mapping(entry["parameters"])
    site = as_mapping(defect["defect_site"])
    unitcell = vasp_json.atoms(defect["structure"])
    scaling = np.array(parameters["scaling_matrix"], dtype=int)
    host = unitcell.repeat(scaling)
    position = np.array(site["abc"], dtype=float) @ unitcell.cell.array
    (species,) = as_list(site["species"])
    kind = KINDS[str(defect["@class"])]
    defective, exchanged = _build(name, host, kind, str(as_mapping(species)["element"]), position)
    return DefectCase(
        name=name,
        system="GaAs",
        level_of_theory=level,
        preparation=Preparation.NOT_STORED,
        host=host,
        defective=defective,
        kind=kind,
        site=host.cell.scaled_positions(position),
        energy=as_float(entry["uncorrected_energy"]),
        exchanged=exchanged,
        chemical_potentials={},
    )


def _build(
    name: str, host: Atoms, kind: str, element: str, position: np.ndarray
) -> tuple[Atoms, dict[str, int]]:
    """Cell with the defect, and the atoms it has more or less than `host`.

    `element` is what sits at `position` (Å): removed for a vacancy, there afterwards otherwise.
    """
    defective = host.copy()
    if kind == "interstitial":
        defective += Atoms(element, positions=[position])
        return defective, {element: 1}
    distances = np.linalg.norm(host.positions - position, axis=1)
    site = int(distances.argmin())
    original = host[site].symbol
    if distances[site] > MATCH or (original == element) != (kind == "vacancy"):
        raise DataError(f"{name}: no site for a {kind} of {element} at {position} Å")
    if kind == "vacancy":
        del defective[site]
        return defective, {original: -1}
    defective[site].symbol = element
    return defective, {element: 1, original: -1}
