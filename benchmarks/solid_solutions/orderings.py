"""Seeded orderings of Ca_xMg_(2-x)O_2, rocksalt solutions of CaO and MgO, without DFT values.

The system of Deng et al., npj Comput. Mater. 11, 9 (2025): their orderings are not published.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import bulk

CONSTANTS = {"CaO": 4.831, "MgO": 4.254}
"""Lattice constants in Å: all-electron PBE (Bosoni et al., Nat. Rev. Phys. 6, 45, 2024)."""

CUBES = (2, 1, 1)
"""Conventional cells of four cations."""
FRACTIONS = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875)
PER_COMPOSITION = 3
SEED = 20250109


@dataclass(frozen=True, eq=False)
class Ordering:
    """A decoration of the cations.

    Parameters
    ----------
    name
        With composition and number.
    atoms
        At ideal sites, with the lattice constant of Vegard's law.
    fraction
        x / 2, the share of calcium among the cations.
    """

    name: str
    atoms: Atoms
    fraction: float


def end_member(name: str) -> Atoms:
    """Primitive cell of CaO or MgO."""
    return bulk(name, "rocksalt", a=CONSTANTS[name])


def orderings(
    fractions: Sequence[float] = FRACTIONS, per_composition: int = PER_COMPOSITION, seed: int = SEED
) -> Iterator[Ordering]:
    """Orderings drawn at random; equal arguments give equal ones.

    Two of a composition may be equivalent by symmetry, never the same.

    Parameters
    ----------
    fractions
        Shares of calcium; each must give whole numbers of eight cations.
    per_composition
        Number of orderings for each; as many as there are, if fewer.
    seed
        Of the random choices.

    Raises
    ------
    ValueError
        For a fraction that eight cations cannot have.
    """
    rng = np.random.default_rng(seed)
    n_cations = 4 * int(np.prod(CUBES))
    for fraction in fractions:
        n_calcium = round(fraction * n_cations)
        if abs(n_calcium - fraction * n_cations) > 1e-9 or not 0 < n_calcium < n_cations:
            raise ValueError(
                f"a calcium share of {fraction} among {n_cations} cations; allowed are multiples of "
                f"1/{n_cations} between 0 and 1"
            )
        seen: set[tuple[int, ...]] = set()
        # Eight or more draws are left for each when eight cations have only eight decorations.
        for _ in range(20 * per_composition):
            chosen = tuple(sorted(int(k) for k in rng.permutation(n_cations)[:n_calcium]))
            if chosen not in seen and len(seen) < per_composition:
                seen.add(chosen)
                name = f"Ca{n_calcium}Mg{n_cations - n_calcium}O{n_cations} {len(seen)}"
                yield Ordering(name, _decorated(chosen, fraction, name), fraction)


def _decorated(calcium: Sequence[int], fraction: float, name: str) -> Atoms:
    constant = fraction * CONSTANTS["CaO"] + (1 - fraction) * CONSTANTS["MgO"]
    atoms = bulk("MgO", "rocksalt", a=constant, cubic=True).repeat(CUBES)
    cations = np.flatnonzero(atoms.symbols == "Mg")
    atoms.symbols[cations[list(calcium)]] = "Ca"
    atoms.info["system"] = name
    return atoms
