"""Geometries of pbe-mini: high-energy states, and what is made of ideal crystals.

The high-energy states are stored in structures.xyz. All others are ideal crystals, cut, substituted or
displaced by hand: nothing is relaxed. Each single point says in ``info`` what it is, so that the cases can
be put together again from the files of labels alone.

GPAW finds symmetry operations about the origin only. So vacancies, slab centres and displaced atoms sit
there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import permutations, product
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.build import bulk, fcc111, make_supercell
from ase.calculators.calculator import kptdensity2monkhorstpack
from ase.geometry import minkowski_reduce
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

STRUCTURES = Path(__file__).parent / "structures.xyz"

Mesh = tuple[int, int, int]

METALS = ("Al", "Mg", "Mo")

CRYSTALS: dict[str, tuple[str, float]] = {
    "Al": ("fcc", 4.04),
    "CaO": ("rocksalt", 4.831),
    "GaAs": ("zincblende", 5.76),
    "LiF": ("rocksalt", 4.07),
    "MgO": ("rocksalt", 4.254),
    "MgS": ("rocksalt", 5.24),
    "NaCl": ("rocksalt", 5.70),
    "Si": ("diamond", 5.47),
    "SiC": ("zincblende", 4.38),
}
"""Structure and lattice constant in Å, near the PBE equilibrium.

Al, Si, MgO and CaO from all-electron PBE equations of state (`ase.collections.dcdft`; Bosoni et al., Nat.
Rev. Phys. 6, 45, 2024). Of the others, any value near the equilibrium does.
"""

MAGNESIUM = (3.194, 5.172)
"""Lattice constants a and c of hcp Mg in Å, all-electron PBE (`ase.collections.dcdft`)."""

FINER = {"Al": 1.75, "Mg": 1.25, "Si": 1.5}
"""Factors on the density of k-points: these are far from converged without them."""

EOS_SYSTEMS = ("Si", "MgO", "NaCl", "LiF", "SiC", "GaAs", "MgS", "Al")
EOS_SCALES = (0.94, 0.96, 0.98, 1.00, 1.02, 1.04, 1.06)

LAYERS = 5
VACUUM = 10.0
"""Å between the outermost planes of a slab and its image."""

DISPLACEMENT = 0.03
"""Å."""

SIXTEEN_SITES = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
"""Supercell of the cubic cell: for fcc 16 sites, as far from their images as 16 can be."""

TWICE_PRIMITIVE = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
"""Supercell of the cubic cell that is 2 x 2 x 2 of the primitive cell of an fcc lattice."""


@dataclass(frozen=True)
class Settings:
    """What GPAW is told.

    Parameters
    ----------
    cutoff
        Plane-wave cutoff, eV.
    kpoint_density
        k-points per Å⁻¹, in Å.
    smearing
        Width of the Fermi-Dirac distribution, eV.
    density
        Convergence of the density, electrons per valence electron; the default is GPAW's.
    """

    cutoff: float
    kpoint_density: float
    smearing: float
    density: float = 1e-4


def settings_of(system: str) -> Settings:
    """Settings of the published frames."""
    if system in METALS:
        return Settings(cutoff=500.0, kpoint_density=2.5, smearing=0.1)
    return Settings(cutoff=800.0, kpoint_density=2.0, smearing=0.05)


@dataclass(frozen=True, eq=False)
class Point:
    """One single point.

    Parameters
    ----------
    name
        Of the file that its result is kept in. Points of two groups that have one name are computed once.
    atoms
        The geometry; ``info`` says what it is part of.
    settings
        Of the calculation.
    mesh
        Numbers of k-points, the mesh includes Γ.
    point_group
        Whether GPAW may use the rotations of the crystal.
    """

    name: str
    atoms: Atoms
    settings: Settings
    mesh: Mesh
    point_group: bool = True


def point(name: str, atoms: Atoms, mesh: Mesh | None = None, **info: Any) -> Point:
    """Single point with the settings of its system.

    Parameters
    ----------
    name
        See `Point`.
    atoms
        The geometry.
    mesh
        Numbers of k-points where the rule for the density is not to be applied to this very cell.
    **info
        What it is part of; ``system`` decides the settings.
    """
    settings = settings_of(str(info["system"]))
    atoms = atoms.copy()
    atoms.pbc = True
    atoms.info = {"point": name, **info}
    return Point(name, atoms, settings, mesh or mesh_of(atoms, settings))


def fine_mesh(atoms: Atoms, system: str, factor: float | None = None) -> Mesh:
    """Return the numbers of k-points at a multiple of the usual density, by default that of `FINER`."""
    usual = settings_of(system)
    factor = FINER.get(system, 1.0) if factor is None else factor
    return mesh_of(atoms, replace(usual, kpoint_density=factor * usual.kpoint_density))


def mesh_of(atoms: Atoms, settings: Settings) -> Mesh:
    """Return the numbers of k-points that the density asks for."""
    atoms = atoms.copy()
    atoms.pbc = True
    first, second, third = kptdensity2monkhorstpack(atoms, settings.kpoint_density, even=False)
    return int(first), int(second), int(third)


def crystal(system: str, scale: float = 1.0, cubic: bool = False) -> Atoms:
    """Primitive or cubic cell with its volume scaled."""
    structure, constant = CRYSTALS[system]
    return bulk(system, structure, a=constant * scale ** (1 / 3), cubic=cubic)


def frames() -> Iterator[Point]:
    """High-energy states."""
    for atoms in ase.io.read(STRUCTURES, ":"):
        yield point(frame_name(atoms), atoms, **atoms.info)


def frame_name(atoms: Atoms) -> str:
    """Name of a high-energy state's single point."""
    return f"{atoms.info['system']}-{atoms.info['frame']}"


def eos() -> Iterator[Point]:
    """Seven volumes of eight crystals.

    The mesh is that of the smallest volume throughout, since a curve must not jump where the rule does. It is
    denser than elsewhere: curvatures of Si, GaAs and Al need it, and these cells are small.
    """
    for system in EOS_SYSTEMS:
        factor = 3.0 if system in METALS else 2.0
        mesh = fine_mesh(crystal(system, min(EOS_SCALES)), system, factor)
        for scale in EOS_SCALES:
            name = f"eos-{system}-{scale:.2f}"
            yield point(name, crystal(system, scale), mesh, system=system, scale=scale)


def surfaces() -> Iterator[Point]:
    """Slabs of five layers as cut from the bulk, and the bulk in a cell with the same face."""
    for system, miller in (("Al", "111"), ("LiF", "100"), ("MgO", "100"), ("NaCl", "100")):
        slab, cell = _aluminium_111() if system == "Al" else _rocksalt_100(system)
        name = f"surface-{system}-{miller}"
        # A thin metal needs more than its bulk does, and these cells are small.
        factor = 2.0 if system in METALS else 1.0
        mesh = fine_mesh(cell, system, factor)
        yield point(f"{name}-bulk", cell, mesh, system=system, miller=miller, role="bulk")
        mesh = (mesh[0], mesh[1], 1)
        yield point(f"{name}-slab", slab, mesh, system=system, miller=miller, role="slab")


def _aluminium_111() -> tuple[Atoms, Atoms]:
    constant = CRYSTALS["Al"][1]
    cell = fcc111("Al", (1, 1, 3), a=constant, periodic=True)
    slab = fcc111("Al", (1, 1, LAYERS), a=constant)
    slab.positions -= slab.positions[LAYERS // 2]
    slab.cell[2] = [0, 0, np.ptp(slab.positions[:, 2]) + VACUUM]
    slab.wrap(pbc=True)
    return _bare(slab), _bare(cell)


def _rocksalt_100(system: str) -> tuple[Atoms, Atoms]:
    """Cells of two atoms per layer; their axes are at 45° to the cubic ones."""
    constant = CRYSTALS[system][1]
    cubic = crystal(system, cubic=True)
    cation, anion = cubic.numbers[:2]

    def layers(indices: Iterable[int], height: float) -> Atoms:
        side = constant / np.sqrt(2)
        atoms = Atoms(cell=[side, side, height], pbc=True)
        for index in indices:
            numbers = (cation, anion) if index % 2 == 0 else (anion, cation)
            z = index * constant / 2
            atoms += Atoms(numbers, positions=[[0, 0, z], [side / 2, side / 2, z]])
        atoms.wrap()
        return atoms

    half = LAYERS // 2
    slab = layers(range(-half, half + 1), (LAYERS - 1) * constant / 2 + VACUUM)
    return slab, layers(range(2), constant)


def defects() -> Iterator[Point]:
    """Vacancies at ideal sites, at the origin, and their hosts; in MgO also one of Mg, beside the origin."""
    for system, host in (
        ("Al", make_supercell(crystal("Al", cubic=True), TWICE_PRIMITIVE)),
        ("Mg", _magnesium()),
        ("Si", make_supercell(crystal("Si", cubic=True), TWICE_PRIMITIVE)),
        ("MgO", make_supercell(crystal("MgO", cubic=True), TWICE_PRIMITIVE)),
    ):
        removed = "O" if system == "MgO" else system
        vacancy = next(i for i, symbol in enumerate(host.symbols) if symbol == removed)
        host.positions -= host.positions[vacancy]
        host.wrap()
        info = {"system": system, "removed": removed}
        mesh = fine_mesh(host, system)
        yield point(f"vacancy-{system}-host", host, mesh, role="host", **info)
        yield point(f"vacancy-{system}", _without(host, vacancy), mesh, role="defective", **info)
        if system == "MgO":
            cation = _at(host, CRYSTALS["MgO"][1] / 2 * np.array([1.0, 0.0, 0.0]))
            info["removed"] = "Mg"
            defective = _without(host, cation)
            yield point("vacancy-MgO-Mg", defective, mesh, role="defective", **info)


def _without(host: Atoms, site: int) -> Atoms:
    """Copy of a crystal less one atom."""
    defective = host.copy()
    del defective[site]
    return defective


def _magnesium() -> Atoms:
    """Hexagonal cell of eight sites."""
    a, c = MAGNESIUM
    return _bare(bulk("Mg", "hcp", a=a, c=c).repeat((2, 2, 1)))


def migration() -> Iterator[Point]:
    """Hops of a neighbour into the vacancy at the origin: the first three of five images on a straight line.

    Nothing else moves. The first image is the vacancy of `defects`. The last two images mirror the first two
    in the plane half-way.
    """
    for system in ("Al", "Mg"):
        vacancy = next(p for p in defects() if p.name == f"vacancy-{system}")
        site = {"Al": [0.5, 0.5, 0.0], "Mg": [1.0, 0.0, 0.0]}[system]
        constant = {"Al": CRYSTALS["Al"][1], "Mg": MAGNESIUM[0]}[system]
        path = -constant * np.array(site)
        moving = _at(vacancy.atoms, -path)
        for image in range(3):
            atoms = vacancy.atoms.copy()
            atoms.positions[moving] += path * image / 4
            name = f"hop-{system}-{image}" if image else vacancy.name
            info: dict[str, Any] = {"image": image, "moving": moving, "path": path}
            yield point(name, atoms, vacancy.mesh, system=system, **info)


def _at(atoms: Atoms, position: np.ndarray) -> int:
    """Index of the atom at a position or an image of it."""
    fractional = atoms.cell.scaled_positions(atoms.positions - position)
    distance = np.abs(fractional - np.round(fractional)).max(axis=1)
    return int(np.argmin(distance))


def solid_solutions() -> Iterator[Point]:
    """Ca_xMg_(2-x)O_2: every ordering on up to four cations of rocksalt, and the end members.

    Lattice constants follow Vegard's law.
    """
    for index, (lattice, pattern) in enumerate(_orderings()):
        share = pattern.mean()
        constant = share * CRYSTALS["CaO"][1] + (1 - share) * CRYSTALS["MgO"][1]
        name = {0.0: "MgO", 1.0: "CaO"}.get(share, f"CaMgO-{index}")
        cell = _ordering(lattice, pattern, constant)
        info: dict[str, Any] = {"system": "CaO-MgO", "decoration": name, "fraction": float(share)}
        # Rotations mix the axes of the longest cells: GPAW's grid would be as fine along the short ones
        # as the long one needs, eleven times the points.
        lengths = cell.cell.lengths()
        slender = bool(lengths.max() > 3 * lengths.min())
        yield replace(point(f"ordering-{name}", cell, **info), point_group=not slender)


def _orderings() -> list[tuple[np.ndarray, np.ndarray]]:
    """Distinct decorations of the fcc lattice with four sites to the cell: lattice and pattern.

    A lattice has its vectors as rows, in primitive vectors of fcc; of those that fit a decoration it is the
    most compact. A pattern has shape (4, 4, 4) and is 1 where a site, in primitive vectors, holds Ca: a
    sublattice of index 4 holds all multiples of 4, so these sites show all of it. Two patterns are the same
    if one of the 48 rotations and 64 translations turns one into the other.
    """
    operations = _operations()
    found: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
    for lattice in sorted(_sublattices(), key=_spread):
        labels = _cosets(lattice)
        for occupied in product((0, 1), repeat=4):
            pattern = np.array(occupied, dtype=np.uint8)[labels]
            key = min(row.tobytes() for row in pattern.ravel()[operations])
            found.setdefault(key, (lattice, pattern))
    return sorted(found.values(), key=lambda entry: (entry[1].mean(), _spread(entry[0])))


def _sublattices() -> Iterator[np.ndarray]:
    """All sublattices of index 4, as matrices in Hermite normal form."""
    for a, c, f in product((1, 2, 4), repeat=3):
        if a * c * f == 4:
            for b, d, e in product(range(a), range(a), range(c)):
                yield np.array([[a, 0, 0], [b, c, 0], [d, e, f]])


def _primitive() -> np.ndarray:
    """Primitive vectors of fcc with the lattice constant 1, as rows."""
    return np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2


def _spread(lattice: np.ndarray) -> float:
    """Sum of the squared lengths of the shortest vectors of a sublattice."""
    return round(float((minkowski_reduce(lattice @ _primitive())[0] ** 2).sum()), 6)


def _cosets(lattice: np.ndarray) -> np.ndarray:
    """Number the sites of a 4 x 4 x 4 block by the translations of a sublattice, 0 to 3."""
    fractional = _block() @ np.linalg.inv(lattice)
    quarters = np.round(4 * fractional).astype(int) % 4
    _, labels = np.unique(quarters, axis=0, return_inverse=True)
    return labels.reshape(4, 4, 4)


def _block() -> np.ndarray:
    return np.array(list(product(range(4), repeat=3)))


def _operations() -> np.ndarray:
    """Where each site of the block comes from, for 48 rotations and 64 translations."""
    primitive, block = _primitive(), _block()
    found = []
    for axes, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        rotation = primitive @ np.diag(signs)[list(axes)] @ np.linalg.inv(primitive)
        rotated = block @ np.round(rotation).astype(int)
        found += [np.ravel_multi_index(((rotated + shift) % 4).T, (4, 4, 4)) for shift in block]
    return np.array(found)


def _ordering(lattice: np.ndarray, pattern: np.ndarray, constant: float) -> Atoms:
    """Cell of eight atoms with the rarer cation at the origin."""
    primitive = constant * _primitive()
    _, first = np.unique(_cosets(lattice), return_index=True)
    sites, calcium = _block()[first] @ primitive, pattern.ravel()[first] == 1
    rarer = calcium if calcium.mean() <= 0.5 and calcium.any() else ~calcium
    sites = sites - sites[rarer.argmax()]
    cations = Atoms(np.where(calcium, 20, 12), positions=sites)
    anions = Atoms("O4", positions=sites + constant / 2)
    atoms = cations + anions
    atoms.cell = minkowski_reduce(lattice @ primitive)[0]
    atoms.wrap(pbc=True)
    return atoms


def phonons() -> Iterator[Point]:
    """Primitive cells, and displaced supercells of 16 atoms, reduced by symmetry as phonopy does it."""
    for system in ("Si", "Al", "MgO", "NaCl"):
        cell = crystal(system)
        mesh = fine_mesh(cell, system)
        yield point(f"phonon-{system}-unitcell", cell, mesh, system=system, role="unitcell")
        phonopy = displaced(system)
        supercells = phonopy.supercells_with_displacements or []
        for index, (supercell, first) in enumerate(
            zip(supercells, phonopy.dataset["first_atoms"], strict=True)
        ):
            atoms = Atoms(supercell.symbols, cell=supercell.cell, positions=supercell.positions)
            atoms.positions -= phonopy.supercell.positions[first["number"]]
            mesh = fine_mesh(atoms, system)
            info = {"displaced": int(first["number"]), "displacement": first["displacement"]}
            name = f"phonon-{system}-{index}"
            each = point(name, atoms, mesh, system=system, role="displaced", **info)
            # The forces are so small that the default leaves errors of a tenth of them.
            yield replace(each, settings=replace(each.settings, density=1e-6))


def displaced(system: str) -> Phonopy:
    """Phonopy with its displacements of the primitive cell's atoms."""
    cell = crystal(system)
    supercell = SIXTEEN_SITES if system == "Al" else TWICE_PRIMITIVE
    vectors = supercell * CRYSTALS[system][1] @ np.linalg.inv(cell.cell)
    phonopy = Phonopy(
        PhonopyAtoms(cell.symbols, cell=cell.cell, scaled_positions=cell.get_scaled_positions()),
        supercell_matrix=np.round(vectors).astype(int).T,
        primitive_matrix=np.eye(3),
    )
    phonopy.generate_displacements(distance=DISPLACEMENT, is_diagonal=False)
    return phonopy


CHECKS: tuple[tuple[str, float | None, Mesh | None], ...] = (
    ("MgO-0", None, (5, 5, 5)),
    ("Si-0", None, (5, 5, 5)),
    ("GaAs-0", None, (5, 5, 5)),
    ("Al-0", None, (4, 6, 6)),
    ("Al-0", 700.0, None),
    *((f"eos-LiF-{scale:.2f}", 1100.0, None) for scale in EOS_SCALES),
    *((f"eos-GaAs-{scale:.2f}", None, (4, 4, 4)) for scale in EOS_SCALES),
    *((f"eos-Al-{scale:.2f}", None, (14, 14, 14)) for scale in EOS_SCALES),
    ("vacancy-Al-host", None, (4, 4, 4)),
    ("vacancy-Al", None, (4, 4, 4)),
    ("hop-Al-2", None, (4, 4, 4)),
    ("vacancy-Al-host", None, (8, 8, 8)),
    ("vacancy-Al", None, (8, 8, 8)),
    ("hop-Al-2", None, (8, 8, 8)),
    ("surface-LiF-100-slab", 1000.0, None),
    ("surface-LiF-100-bulk", 1000.0, None),
    ("surface-Al-111-slab", None, (7, 7, 1)),
    ("surface-Al-111-bulk", None, (7, 7, 3)),
    ("ordering-MgO", 1000.0, None),
    ("ordering-CaO", 1000.0, None),
    ("ordering-CaMgO-8", 1000.0, None),
    ("ordering-MgO", None, (4, 4, 4)),
    ("ordering-CaO", None, (4, 4, 4)),
    ("ordering-CaMgO-8", None, (4, 4, 4)),
    ("phonon-Al-0", None, (4, 4, 4)),
    ("phonon-Al-0", 700.0, None),
    ("vacancy-Al-host", 700.0, None),
    ("vacancy-Al", 700.0, None),
    ("hop-Al-2", 700.0, None),
)
"""Single points that are computed again: name, cutoff in eV and mesh, where these differ."""


def convergence() -> Iterator[Point]:
    """Members of each group again, with a higher cutoff or a denser mesh."""
    # Defects after migration, whose first images are vacancies too.
    builders = (frames, eos, surfaces, migration, defects, solid_solutions, phonons)
    known = {each.name: each for build in builders for each in build()}
    for name, cutoff, mesh in CHECKS:
        usual = known[name]
        change = f"{cutoff:.0f}eV" if cutoff else "x".join(map(str, mesh or usual.mesh))
        atoms = usual.atoms.copy()
        atoms.info["point"] = f"{name}_{change}"
        settings = replace(usual.settings, cutoff=cutoff or usual.settings.cutoff)
        yield Point(f"{name}_{change}", atoms, settings, mesh or usual.mesh)


def _bare(atoms: Atoms) -> Atoms:
    """Copy without what `ase.build` attaches."""
    return Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)


GROUPS: dict[str, Callable[[], Iterator[Point]]] = {
    "eos": eos,
    "surfaces": surfaces,
    "defects": defects,
    "migration": migration,
    "solid_solutions": solid_solutions,
    "phonons": phonons,
    "convergence": convergence,
}
"""By name of the file of labels."""
