"""Structures that play a part in a case, ``role=slab`` and so on.

Energies are totals in eV; forces are not needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum

import numpy as np

from umlip_bench.datasets.cases import Preparation
from umlip_bench.datasets.frame import Frame, composition
from umlip_bench.datasets.labels import SYSTEM, geometry_of
from umlip_bench.datasets.part_cases import LabelledPoint
from umlip_bench.datasets.readers.result import ROLE, Result
from umlip_bench.ground.errors import DataError


class Role(StrEnum):
    """What a structure is in its case."""

    STATE = "state"
    BULK = "bulk"
    SLAB = "slab"
    HOST = "host"
    DEFECT = "defect"
    ELEMENT = "element"
    END_MEMBER = "end_member"
    ORDERING = "ordering"
    EOS = "eos"
    STRAINED = "strained"


MILLER, DEFECT, SITE, MU, ENDS = "miller", "defect", "site", "mu", "ends"
PREPARED, TERMINATION, DECORATION = "prepared", "termination", "decoration"
PREPARATIONS = {"as_built": Preparation.AS_BUILT, "relaxed": Preparation.RELAXED}

ROLE_FORMAT = (
    "structures with a role (bulk and slab with miller; host, defect with defect=V_O, element; end_member "
    "and ordering; eos; bulk and strained with stresses) and system in the comment line"
)


def role_point(result: Result) -> LabelledPoint:
    """A structure that was read, with the part that it plays.

    Raises
    ------
    DataError
        If there is no such role, or the material is not named.
    """
    info = dict(result.atoms.info)
    role = str(info[ROLE])
    if role not in tuple(Role):
        raise DataError(f"{result.where}: {ROLE} is {role}; allowed: {', '.join(Role)}")
    geometry = geometry_of(result.atoms)
    if SYSTEM not in info:
        if role not in (Role.EOS, Role.ELEMENT):
            raise DataError(
                f"{result.where}: {ROLE}={role} takes {SYSTEM}, the name of what belongs together"
            )
        info[SYSTEM] = composition(geometry)
    system = str(info[SYSTEM])
    frame = Frame(geometry, result.energy, result.forces, result.stress, system, 0)
    return LabelledPoint(frame, info)


def miller_index(written: object) -> tuple[int, ...]:
    """Miller index from three or four digits in a row, or from integers with spaces between them.

    Raises
    ------
    DataError
        If it is none.
    """
    words = (
        [str(each) for each in written]
        if isinstance(written, np.ndarray)
        else str(written).split()
        if " " in str(written).strip()
        else re.findall(r"-?\d", str(written))
    )
    try:
        found = tuple(int(word) for word in words)
    except ValueError:
        found = ()
    if len(found) not in (3, 4):
        raise DataError(f'{MILLER} is {written!r}; it must be three or four integers, as "1 -1 0"')
    return found


def of_role(members: Iterable[LabelledPoint], role: Role) -> list[LabelledPoint]:
    """Those that play a part."""
    return [each for each in members if each.info.get(ROLE) == role]


def one(members: Sequence[LabelledPoint], role: Role) -> LabelledPoint:
    """The one that plays a part.

    Raises
    ------
    DataError
        If there is none, or there are several.
    """
    found = of_role(members, role)
    if len(found) != 1:
        raise DataError(f"it has {len(found) or 'no'} structure with {ROLE}={role}, needed is one")
    return found[0]
