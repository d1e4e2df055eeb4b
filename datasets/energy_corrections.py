"""The Materials Project's 2020 energy corrections, to be taken off before comparing with raw DFT.

CHGNet learned energies that contain them: a constant for each anion in its class (oxide, peroxide,
chloride, ...) and one for each transition metal that was computed with +U. Within one composition they
cancel, and in reactions in which every corrected anion keeps its class; elsewhere they must be stripped.

Wang et al., Sci. Rep. 11, 15496 (2021); values from pymatgen's MaterialsProject2020Compatibility.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping

from ase import Atoms

from umlip_bench.ground.errors import DataError

PLUS_U_METALS = frozenset({"Co", "Cr", "Fe", "Mn", "Mo", "Ni", "V", "W"})
"""Metals that the Materials Project computes with +U in oxides and fluorides."""

HUBBARD_U = {
    "Co": 3.32,
    "Cr": 3.7,
    "Fe": 5.3,
    "Mn": 3.9,
    "Mo": 4.38,
    "Ni": 6.2,
    "V": 3.25,
    "W": 6.2,
}
"""eV; Jain et al., Phys. Rev. B 84, 045115 (2011)."""


def mp2020_correction(atoms: Atoms, like: Atoms | None = None) -> float:
    """Correction contained in a Materials Project energy of this structure.

    Parameters
    ----------
    atoms
        A periodic structure. Whether +U applies follows from its elements as in the Materials
        Project: metals of `PLUS_U_METALS` in compounds with O or F.
    like
        A crystal whose elements are in the classes that they have in it, for cells with a defect of it.
        The scheme gives all atoms of an element one class: a single short O-O bond would make peroxide
        of a whole cell of oxide, a missing lithium lets chlorine in Li3OCl no longer pass for an anion.
        Elements that `like` does not have are in the class that they have in `atoms`.

    Returns
    -------
    float
        In eV for the cell: corrected energy minus raw energy. Subtract it from a prediction of a model
        of corrected energies.

    Raises
    ------
    DataError
        If the scheme has no correction for the composition.
    """
    counts = Counter(atoms.get_chemical_symbols())
    known = {} if like is None else _per_atom(like)
    if not counts.keys() <= known.keys():
        known = {**_per_atom(atoms), **known}
    return sum(n * known[symbol] for symbol, n in counts.items())


def _per_atom(atoms: Atoms) -> Mapping[str, float]:
    """Correction in eV for one atom of each element, as the scheme classifies it in a structure."""
    # Slow to import, and few need it.
    from pymatgen.entries.compatibility import CompatibilityError, MaterialsProject2020Compatibility
    from pymatgen.entries.computed_entries import ComputedStructureEntry
    from pymatgen.io.ase import AseAtomsAdaptor

    structure = AseAtomsAdaptor.get_structure(atoms)
    symbols = set(atoms.get_chemical_symbols())
    metals = symbols & PLUS_U_METALS if symbols & {"O", "F"} else set()
    entry = ComputedStructureEntry(
        structure,
        energy=0.0,
        parameters={
            "run_type": "GGA+U" if metals else "GGA",
            "hubbards": {
                symbol: HUBBARD_U[symbol] if symbol in metals else 0.0 for symbol in symbols
            }
            if metals
            else {},
        },
    )
    scheme = MaterialsProject2020Compatibility(check_potcar=False)
    with warnings.catch_warnings():
        # It warns wherever it has to guess oxidation states, as it always has to here.
        warnings.simplefilter("ignore")
        try:
            adjustments = scheme.get_adjustments(entry)
        except CompatibilityError as error:
            raise DataError(
                f"no MP2020 correction for {atoms.get_chemical_formula()}: {error}"
            ) from error
    found = dict.fromkeys(symbols, 0.0)
    for adjustment in adjustments:
        # Named by the element, "... (Cl)", but for oxygen, which is named by its class.
        named = adjustment.name[adjustment.name.rindex("(") + 1 : -1]
        found[named if named in symbols else "O"] += adjustment.value / adjustment.n_atoms
    return found
