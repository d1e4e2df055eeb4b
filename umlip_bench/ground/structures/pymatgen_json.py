"""Structures that pymatgen wrote as JSON.

They are read here, without pymatgen: its own reader imports, and makes, whatever class the properties of a
site name, so that a file of data could run code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

ELEMENT = re.compile(r"[A-Z][a-z]?")
"""In the name of a species, as Mg2+."""


def from_pymatgen_json(content: object) -> Atoms:
    """A structure from its mapping, with ``lattice`` and ``sites``.

    Returns
    -------
    Atoms
        Elements, positions, cell, periodicity; ``info`` keeps occupancies that are partial.

    Raises
    ------
    ValueError
        If it is no such mapping.
    """
    if not isinstance(content, Mapping):
        raise ValueError(f"a structure is a mapping with lattice and sites, not {content!r:.40}")
    try:
        lattice, sites = content["lattice"], content["sites"]
        species = [_species(site) for site in sites]
        atoms = Atoms(
            numbers=[atomic_numbers[next(iter(each))] for each in species],
            cell=np.array(lattice["matrix"], dtype=float).reshape(3, 3),
            pbc=lattice.get("pbc", True),
        )
        places = [np.array(_place(site, atoms), dtype=float).reshape(3) for site in sites]
    except (AttributeError, KeyError, StopIteration, TypeError) as error:
        raise ValueError(f"no structure of pymatgen's: {type(error).__name__}, {error}") from None
    atoms.positions = np.array(places).reshape(-1, 3)
    if any(len(each) != 1 or next(iter(each.values())) != 1 for each in species):
        atoms.info["occupancy"] = {str(k): each for k, each in enumerate(species)}
    return atoms


def _species(site: Mapping[str, Any]) -> dict[str, float]:
    """Occupancies of a site by element."""
    found: dict[str, float] = {}
    for each in site["species"]:
        named = ELEMENT.match(str(each["element"]))
        symbol = "H" if named and named[0] == "D" else named[0] if named else ""
        found[symbol] = found.get(symbol, 0.0) + float(each["occu"])
    return found


def _place(site: Mapping[str, Any], atoms: Atoms) -> Any:
    """Cartesian coordinates, Å."""
    if "abc" in site:
        return np.array(site["abc"], dtype=float) @ atoms.cell.array
    return site["xyz"]
