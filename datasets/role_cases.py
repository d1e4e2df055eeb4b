"""Typed cases of structures that play a part: a slab and its bulk, a defect and its host.

Energies are totals in eV; forces are not needed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from ase import Atoms

from umlip_bench.datasets import part_cases
from umlip_bench.datasets.cases import (
    DefectCase,
    Preparation,
    ReferenceCase,
    SolidSolutionCase,
    SurfaceCase,
)
from umlip_bench.datasets.part_cases import LabelledPoint
from umlip_bench.datasets.readers.result import ROLE
from umlip_bench.datasets.roles import (
    DECORATION,
    DEFECT,
    ENDS,
    MILLER,
    MU,
    PREPARATIONS,
    PREPARED,
    SITE,
    TERMINATION,
    Role,
    miller_index,
    of_role,
    one,
)
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory

POINT_DEFECT = re.compile(r"(V|[A-Z][a-z]?)_(i|[A-Z][a-z]?)")


@dataclass(frozen=True, eq=False)
class _Material:
    """What there is of a material.

    Parameters
    ----------
    system
        Its name.
    members
        Structures, each with its part.
    potentials
        Chemical potentials that are given for all, eV/atom, by element.
    level
        Of the energies.
    """

    system: str
    members: Sequence[LabelledPoint]
    potentials: Mapping[str, float]
    level: LevelOfTheory

    def of(self, role: Role) -> list[LabelledPoint]:
        """Those that play a part."""
        return of_role(self.members, role)

    def one(self, role: Role) -> LabelledPoint:
        """The one that plays a part; errors as of `one`."""
        return one(self.members, role)


def role_cases(
    points: Sequence[LabelledPoint],
    level: LevelOfTheory,
    potentials: Mapping[str, float] = MappingProxyType({}),
) -> tuple[ReferenceCase, ...]:
    """Cases of all suites from structures with roles, in any order.

    Parameters
    ----------
    points
        The structures.
    level
        Of their energies.
    potentials
        Chemical potentials of elements in eV/atom, which count before those of ``element`` structures.

    Raises
    ------
    DataError
        If what belongs together is not there or does not fit; names every material with the reason.
    """
    elements = {p.atoms.symbols[0]: p.energy_per_atom for p in of_role(points, Role.ELEMENT)}
    elements |= potentials
    cases: list[ReferenceCase] = []
    refused: list[str] = []
    for system, members in part_cases.by("system", points):
        roles = {str(p.info[ROLE]) for p in members}
        fit = [made for needed, made in MAKES_A_CASE if needed & roles]
        if not fit and Role.ELEMENT not in roles:
            refused.append(
                f"{system}: {' and '.join(sorted(roles))} alone is no case; it takes a slab beside its bulk, "
                "a defect beside its host"
            )
        for made in fit:
            try:
                cases += made(_Material(system, members, elements, level))
            except DataError as error:
                refused.append(f"{system}: {error}")
    if refused:
        raise DataError("\n".join(refused))
    return tuple(cases)


def _surfaces(material: _Material) -> Iterator[SurfaceCase]:
    bulk = material.one(Role.BULK)
    for slab in material.of(Role.SLAB):
        if MILLER not in slab.info:
            raise DataError(f"a slab has no {MILLER}; write its index, as {MILLER}=110")
        ending = slab.info.get(TERMINATION)
        yield part_cases.surface_case(
            material.system,
            slab,
            bulk,
            miller_index(slab.info[MILLER]),
            material.level,
            preparation=_preparation(slab),
            ending="" if ending is None else f", {ending}",
        )


def _defects(material: _Material) -> Iterator[DefectCase]:
    host = material.one(Role.HOST)
    names = Counter(str(each.info.get(DEFECT)) for each in material.of(Role.DEFECT))
    count: Counter[str] = Counter()
    for each in material.of(Role.DEFECT):
        written = str(each.info.get(DEFECT))
        parts = [POINT_DEFECT.fullmatch(part) for part in written.split("+")]
        if not all(parts):
            raise DataError(
                f"{DEFECT} is {written}; it must be V_O for a vacancy, O_i for an interstitial, Mg_O for an "
                "antisite, or several joined by +"
            )
        atom, site = str(parts[0] and parts[0][1]), str(parts[0] and parts[0][2])
        kind = "vacancy" if atom == "V" else "interstitial" if site == "i" else "antisite"
        count[written] += 1
        number = f", {count[written]}" if names[written] > 1 else ""
        yield part_cases.defect_case(
            f"{material.system} {written}{number}",
            material.system,
            host,
            each,
            kind,
            material.level,
            chemical_potentials=_potentials(each, host, material.potentials),
            site=_site(each, host, kind, site if kind == "vacancy" else atom),
            preparation=_preparation(each),
        )


def _potentials(
    defective: LabelledPoint, host: LabelledPoint, elements: Mapping[str, float]
) -> dict[str, float]:
    """Chemical potentials that the user gives, of the elements that there are, or that the host fixes."""
    wanted = part_cases.exchanged(host.atoms, defective.atoms)
    if MU in defective.info:
        return _energies(MU, defective.info[MU])
    if all(symbol in elements for symbol in wanted):
        return {symbol: elements[symbol] for symbol in wanted}
    # Whole formula units of the host: only the sum of their potentials is known, and counts.
    unit, _ = host.atoms.symbols.formula.reduce()
    ratios = {
        n / unit.count().get(symbol, 0) if symbol in unit.count() else 0
        for symbol, n in wanted.items()
    }
    if set(wanted) == set(unit.count()) and len(ratios) == 1:
        return dict.fromkeys(wanted, host.energy_per_atom)
    return {}


def _site(defective: LabelledPoint, host: LabelledPoint, kind: str, symbol: str) -> np.ndarray:
    """Fractional coordinates in the host, shape (3,), as given or where the two differ most."""
    if SITE in defective.info:
        given = np.array(str(defective.info[SITE]).strip("[]").split(), dtype=float)
        if isinstance(defective.info[SITE], np.ndarray):
            given = np.asarray(defective.info[SITE], dtype=float)
        if given.shape != (3,):
            raise DataError(
                f"{SITE} is {defective.info[SITE]!r}; it must be three fractional numbers"
            )
        return given
    one_side, other = host.atoms, defective.atoms
    if kind != "vacancy":
        one_side, other = other, one_side
    return part_cases.differing_site(one_side, other, symbol, host.atoms)


def _orderings(material: _Material) -> Iterator[SolidSolutionCase]:
    ends = material.of(Role.END_MEMBER)
    others = material.of(Role.ORDERING)
    if not ends and all(ENDS in each.info for each in others):
        yield from _between_known(material.system, others, material.level)
        return
    if len(ends) != 2:
        raise DataError(f"it has {len(ends)} of {ROLE}={Role.END_MEMBER}, needed are two")
    names = [str(end.info.get(DECORATION) or end.frame.composition) for end in ends]
    if material.system == f"{names[1]}-{names[0]}":
        ends.reverse()  # the material's name says which comes first
        names.reverse()
    compositions = [_shares(end.atoms) for end in ends]
    for k, each in enumerate([*ends, *others]):
        default = names[k] if k < 2 else f"{material.system} {k - 1}"
        name = str(each.info.get(DECORATION) or default)
        x = _fraction(each.atoms, compositions) if k > 1 else 1.0 - k
        yield part_cases.ordering_case(
            name,
            material.system,
            each,
            x,
            (names[0], names[1]),
            (ends[0].energy_per_atom, ends[1].energy_per_atom),
            material.level,
            preparation=_preparation(each),
        )


def _curves(material: _Material) -> Iterator[ReferenceCase]:
    yield part_cases.eos_case(material.system, material.of(Role.EOS), material.level)


def _moduli(material: _Material) -> Iterator[ReferenceCase]:
    from umlip_bench.datasets.elastic_cases import elastic_case  # slow

    yield elastic_case(
        material.system, material.one(Role.BULK), material.of(Role.STRAINED), material.level
    )


def _between_known(
    system: str, members: Sequence[LabelledPoint], level: LevelOfTheory
) -> Iterator[SolidSolutionCase]:
    """Orderings between end members of which only the energies per atom are known."""
    for k, each in enumerate(members):
        known = _energies(ENDS, each.info[ENDS])
        if len(known) != 2:
            raise DataError(f"{ENDS} is {each.info[ENDS]!r}; it must name two end members")
        (first, one_energy), (second, other_energy) = known.items()
        try:
            compositions = [_shares(Atoms(name)) for name in (first, second)]
        except (ValueError, KeyError):
            raise DataError(f"{ENDS} is {each.info[ENDS]!r}; it must name formulas") from None
        name = str(each.info.get(DECORATION) or f"{system} {k + 1}")
        yield part_cases.ordering_case(
            name,
            system,
            each,
            _fraction(each.atoms, compositions),
            (first, second),
            (one_energy, other_energy),
            level,
            preparation=_preparation(each),
        )


def _shares(atoms: Atoms) -> dict[str, float]:
    """Share of the atoms by element."""
    return {s: n / len(atoms) for s, n in Counter(atoms.get_chemical_symbols()).items()}


def _fraction(atoms: Atoms, ends: Sequence[Mapping[str, float]]) -> float:
    """X of A_x B_(1-x), by atoms.

    Raises
    ------
    DataError
        If the composition lies not between those of the end members.
    """
    shares = (_shares(atoms), *ends)
    symbols = sorted({symbol for each in shares for symbol in each})
    own, first, second = (np.array([each.get(s, 0.0) for s in symbols]) for each in shares)
    way = first - second
    x = float((own - second) @ way / (way @ way)) if way.any() else np.nan
    if not (-1e-9 <= x <= 1 + 1e-9 and np.abs(second + x * way - own).max() < 1e-6):
        raise DataError(
            f"the composition of {atoms.get_chemical_formula()} lies not between those of the end members"
        )
    return x


def _energies(key: str, written: object) -> dict[str, float]:
    """Energies per atom, eV, by element or formula."""
    pairs = [part.partition("=") for part in str(written).split()]
    try:
        return {name: float(value) for name, _, value in pairs}
    except ValueError:
        raise DataError(
            f'{key} is {written!r}; it must be as "Mg=-1.5 O=-4.9", in eV/atom'
        ) from None


def _preparation(point: LabelledPoint) -> Preparation:
    """How the geometry came about; as built where it is not said."""
    written = str(point.info.get(PREPARED, "as_built"))
    if written not in PREPARATIONS:
        raise DataError(f"{PREPARED} is {written}; allowed: {', '.join(PREPARATIONS)}")
    return PREPARATIONS[written]


Maker = Callable[[_Material], Iterator[ReferenceCase]]
MAKES_A_CASE: Sequence[tuple[frozenset[Role], Maker]] = (
    (frozenset({Role.SLAB}), _surfaces),
    (frozenset({Role.DEFECT}), _defects),
    (frozenset({Role.END_MEMBER, Role.ORDERING}), _orderings),
    (frozenset({Role.EOS}), _curves),
    (frozenset({Role.STRAINED}), _moduli),
)
"""With the roles without any of which there is none."""
