"""Equations of state among structures that nobody gave a role: one cell at several volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from umlip_bench.datasets.labels import SYSTEM
from umlip_bench.datasets.part_cases import eos_case
from umlip_bench.datasets.readers.result import ROLE, RefusedResult, Result
from umlip_bench.datasets.roles import Role, role_point
from umlip_bench.datasets.understanding import system_of
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory

FEWEST = 5
"""Volumes that make a curve which nobody called one."""
SAME_VOLUME = 1e-4
"""Relative; cells that differ by less are one."""
AT_REST = 1e-3
"""eV/Å; smaller forces are those of symmetry, and say nothing of a high-energy state."""


def recognised(found: Sequence[Result | RefusedResult]) -> dict[str, list[Result]]:
    """Structures without a role of which all that a material has are one cell at several volumes.

    That is `FEWEST` volumes or more, each once, of one shape with the same fractional coordinates, and a
    minimum of the energy among them.

    Parameters
    ----------
    found
        Of all files; those that were refused for want of forces have energies, which are enough here.

    Returns
    -------
    dict
        By name of the material, each with its role.
    """
    groups: dict[str, list[Result]] = {}
    for each in found:
        result = each if isinstance(each, Result) else each.energy_alone
        if result is not None:
            groups.setdefault(system_of(result), []).append(result)
    return {
        system: [_with_role(each, system) for each in members]
        for system, members in groups.items()
        if _is_curve(members, system)
    }


def has_states(result: Result) -> bool:
    """Whether the forces on a structure are known, and not zero by symmetry."""
    return bool(np.isfinite(result.forces).all() and np.abs(result.forces).max() > AT_REST)


def _with_role(result: Result, system: str) -> Result:
    atoms = result.atoms.copy()
    atoms.info |= {ROLE: str(Role.EOS), SYSTEM: system}
    return replace(result, atoms=atoms)


def _is_curve(members: Sequence[Result], system: str) -> bool:
    volumes = np.sort([each.atoms.get_volume() for each in members])
    if any(ROLE in each.atoms.info for each in members):
        return False
    if len(volumes) < FEWEST or (np.diff(volumes) < SAME_VOLUME * volumes[:-1]).any():
        return False
    points = [role_point(_with_role(each, system)) for each in members]
    try:
        eos_case("", points, LevelOfTheory("unknown"))
    except DataError:
        return False
    return True
