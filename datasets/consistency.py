"""Whether energies, forces and stresses of a material are derivatives of one another; without a model.

Between two frames a and b of the same atoms, displaced by u and strained by ε,

    E_b - E_a = -½ (F_a + F_b)·u + ½ (V_a σ_a + V_b σ_b):ε + third order,

and in any solid that is not far from rest the force changes against the displacement, -(F_b - F_a)·u > 0, and
the stress with the strain, (σ_b - σ_a):ε > 0. Mistakes of sign, unit and order are factors of two and more in
these; what anharmonicity and noise do is less. Thresholds leave the embedded set, mlearn, monbtaw and
mattersim-tp without a finding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import spglib
from ase import Atoms, units

from umlip_bench.datasets.frame import Frame
from umlip_bench.ground.symmetry import found_by

NEAR = 0.6
"""Å; atoms of two frames farther apart than this are not compared."""
STRAIN = 0.15
"""Largest component of the strain between two frames that are compared."""
LEAST_STRAIN = 1e-4
"""Below this two cells are the same."""
LEAST_MOVED = 0.02
"""Å, root of the sum of squares: smaller displacements say nothing about forces of finite precision."""
PAIRS = 3
"""Fewer pairs of frames decide nothing."""
MOST_FRAMES, AHEAD = 60, 8
"""Of a material, so many frames are compared, each with so many that follow."""
STIFF = 10.0
"""eV/Å³, 1600 GPa; no solid is as stiff, diamond's largest modulus is 7."""
HARTREE_PER_BOHR = units.Hartree / units.Bohr
SYMPREC = 1e-3
"""Å; symmetry that positions from files have."""
LOOSE = (0.4, 0.3, 0.2, 0.1)
"""Å; symmetry that a crystal had before its atoms were displaced and its cell strained, is found with one."""
MOST_ATOMS, MOST_SEARCHED = 64, 10
"""Symmetry is searched in so many frames of a material, of at most so many atoms."""
BROKEN = 0.3
"""Share of the largest force, or stress, by which labels may miss a symmetry of their structure."""


@dataclass(frozen=True)
class LabelMistake:
    """A mistake in the labels of one material.

    Parameters
    ----------
    message
        What it is, why, and what to do; the same for all materials with the same mistake.
    system
        The material.
    frames
        Indices of its frames.
    about
        ``"forces"``, ``"stress"`` or ``"energy"``.
    """

    message: str
    system: str
    frames: tuple[int, ...]
    about: str


@dataclass(frozen=True)
class _Pairs:
    """What is known of the pairs of frames of one material; arrays of shape (P,)."""

    energy: np.ndarray
    """E_b - E_a, eV; nan where it is not known."""
    work: np.ndarray
    """-½ (F_a + F_b)·u, eV."""
    strain_work: np.ndarray
    """½ (V_a σ_a + V_b σ_b):ε, eV; nan where there is no stress."""
    force_change: np.ndarray
    """-(F_b - F_a)·u, eV."""
    force_norm: np.ndarray
    """(F_b - F_a)², eV²/Å²."""
    moved: np.ndarray
    """u², Å²."""
    stress_change: np.ndarray
    """(σ_b - σ_a):ε, eV/Å³."""
    strain: np.ndarray
    """ε:ε."""
    shear: np.ndarray
    """yz, xz and xy of ε, shape (P, 3)."""
    shear_stress: np.ndarray
    """The same of σ_b - σ_a, eV/Å³."""


def faults(frames: Sequence[Frame]) -> list[LabelMistake]:
    """Mistakes of sign, unit and order, material by material.

    Parameters
    ----------
    frames
        Of any number of materials.
    """
    groups: dict[tuple[str, bytes], list[Frame]] = defaultdict(list)
    for each in frames:
        if each.atoms.pbc.all() and each.atoms.get_volume() > 0:
            groups[each.system, each.atoms.numbers.tobytes()].append(each)
    found = []
    for (system, _), members in groups.items():
        indices = tuple(f.index for f in members)
        for about, message in _of_material(members):
            found.append(LabelMistake(message, system, indices, about))
    return found


def _of_material(frames: Sequence[Frame]) -> Iterator[tuple[str, str]]:
    pairs = _pairs(frames)
    stress = _stress(pairs, frames)
    if stress:
        yield "stress", stress
    # Work of a stress that is not to be trusted would spoil the balance of energies.
    forces = _forces(pairs, trust_stress=not stress)
    if not forces and any(map(_breaks_symmetry, _searched(frames))):
        forces = ANOTHER_ORDER
    if forces:
        yield "forces", forces
    if not stress:
        shear = _shear(pairs, frames)
        if shear:
            yield "stress", shear
    if not stress and not forces:
        energy = _energy(pairs, len(frames[0].atoms))
        if energy:
            yield "energy", energy


GRADIENT = (
    "forces point up the energy: displaced atoms are pushed farther, and energies fall against them. They "
    "are gradients, or have the wrong sign; multiply REF_forces by -1"
)
ANOTHER_ORDER = (
    "forces do not fit the displacements of their atoms: are they in another order of atoms, or of another "
    "geometry? Bring them into the order of the positions"
)


def _forces(pairs: _Pairs, *, trust_stress: bool) -> str:
    moved = pairs.moved > LEAST_MOVED**2
    if moved.sum() < PAIRS or not pairs.force_norm[moved].any():
        return ""
    change, norm, square = (
        values[moved] for values in (pairs.force_change, pairs.force_norm, pairs.moved)
    )
    agreement = change.sum() / np.sqrt(norm.sum() * square.sum())
    scale, fit = _scale_of_forces(pairs, moved, trust_stress)
    if scale > 8.0 and fit > 0.5:
        return (
            "forces are some 25 to 50 times too small for the energies: are they in Hartree/bohr (multiply "
            f"by {HARTREE_PER_BOHR:.4f}) or Rydberg/bohr (multiply by {HARTREE_PER_BOHR / 2:.4f})?"
        )
    if 0 < scale < 0.06 and fit > 0.5:
        return (
            "forces are some 25 to 50 times too large for the energies: are they in eV/Å, or were they "
            f"multiplied by {HARTREE_PER_BOHR:.4f} or {HARTREE_PER_BOHR / 2:.4f} twice?"
        )
    # A crystal on its way from an unstable structure has forces along the displacement too, but its energies
    # go with them.
    if fit > 0.9:
        return ""
    if agreement < -0.6 and (np.isnan(fit) or fit < 0.0):
        return GRADIENT
    if agreement < 0.2:
        return ANOTHER_ORDER
    return ""


def _scale_of_forces(pairs: _Pairs, moved: np.ndarray, trust_stress: bool) -> tuple[float, float]:
    """By which factor the forces' work is the energy's, and how well; nan where energies say nothing."""
    same_cell = pairs.strain < LEAST_STRAIN**2
    usable = moved & ~np.isnan(pairs.energy)
    usable &= same_cell | (trust_stress & ~np.isnan(pairs.strain_work))
    if usable.sum() < PAIRS:
        return float("nan"), float("nan")
    target = (pairs.energy - np.where(same_cell, 0.0, pairs.strain_work))[usable]
    work = pairs.work[usable]
    if not work.any() or not target.any():
        return float("nan"), float("nan")
    product = float(work @ target)
    return product / float(work @ work), product / float(np.sqrt((work @ work) * (target @ target)))


def _stress(pairs: _Pairs, frames: Sequence[Frame]) -> str:
    strained = (pairs.strain > 1e-6) & ~np.isnan(pairs.stress_change)
    if strained.sum() < PAIRS:
        return ""
    stiffness = pairs.stress_change[strained].sum() / pairs.strain[strained].sum()
    rising = float((pairs.stress_change[strained] > 0).mean())
    if abs(stiffness) > STIFF:
        return _unit_of_stress(pairs, strained, stiffness, frames)
    if stiffness < 0 and rising < 0.2:
        return (
            "stress falls as the cell is strained: it has the opposite sign of ASE's (pressure = -trace/3, a "
            "compressed cell has a negative trace); multiply REF_stress by -1"
        )
    return ""


def _unit_of_stress(
    pairs: _Pairs, strained: np.ndarray, stiffness: float, frames: Sequence[Frame]
) -> str:
    volume = float(np.mean([f.atoms.get_volume() for f in frames]))
    gpa = 1 / units.GPa
    # A factor on the stress, and what it stands for.
    known = {
        gpa: f"in GPa (multiply by {units.GPa:.6g})",
        -gpa: f"in GPa with VASP's sign (multiply by {-units.GPa:.6g})",
        10 * gpa: f"in kbar (multiply by {0.1 * units.GPa:.6g})",
        -10 * gpa: f"in kbar with VASP's sign (multiply by {-0.1 * units.GPa:.6g})",
        -volume: "virials in eV (take -virial/volume)",
    }
    usable = strained & ~np.isnan(pairs.energy)
    work = pairs.strain_work[usable]
    product = float(work @ (pairs.energy - pairs.work)[usable])
    # By the energies, else by what solids are like: some 100 GPa.
    factor = float(work @ work) / product if product * stiffness > 0 else stiffness / 0.8
    same_sign = [each for each in known if each * factor > 0]
    off = {each: abs(np.log(each / factor)) for each in same_sign}
    likely = [
        known[each]
        for each in sorted(off, key=lambda e: off[e])
        if off[each] < min(off.values()) + 1
    ]
    return (
        f"stress is far too large, as of a solid of {abs(stiffness) / units.GPa:.3g} GPa: it seems to be "
        f"{', or '.join(likely)}; needed is eV/Å³ with ASE's sign (pressure = -trace/3)"
    )


def _energy(pairs: _Pairs, n_atoms: int) -> str:
    strain_work = np.where(pairs.strain < LEAST_STRAIN**2, 0.0, pairs.strain_work)
    usable = ~np.isnan(pairs.energy) & ~np.isnan(strain_work)
    if usable.sum() < PAIRS or n_atoms < 4:
        return ""
    work, energy = (pairs.work + strain_work)[usable], pairs.energy[usable]
    if not work.any() or not energy.any():
        return ""
    scale = float(work @ energy) / float(work @ work)
    fit = float(work @ energy) / float(np.sqrt((work @ work) * (energy @ energy)))
    if fit > 0.6 and scale < 0.25 and 0.4 < scale * n_atoms < 2.5:
        return (
            "energies change by the work of forces and stress over the number of atoms: REF_energy is per "
            "atom; totals are needed, multiply by the number of atoms"
        )
    return ""


def _pairs(frames: Sequence[Frame]) -> _Pairs:
    chosen = frames[:: max(1, len(frames) // MOST_FRAMES)][:MOST_FRAMES]
    rows = [
        row
        for k, first in enumerate(chosen)
        for second in chosen[k + 1 : k + 1 + AHEAD]
        if (row := _pair(first, second)) is not None
    ]
    columns = np.array(rows, dtype=float).reshape(-1, 14).T
    return _Pairs(
        energy=columns[0],
        work=columns[1],
        strain_work=columns[2],
        force_change=columns[3],
        force_norm=columns[4],
        moved=columns[5],
        stress_change=columns[6],
        strain=columns[7],
        shear=columns[8:11].T,
        shear_stress=columns[11:14].T,
    )


def _pair(a: Frame, b: Frame) -> tuple[float, ...] | None:
    cells = [f.atoms.cell.array for f in (a, b)]
    mean = 0.5 * (cells[0] + cells[1])
    scaled = [
        f.atoms.positions @ np.linalg.inv(cell) for f, cell in zip((a, b), cells, strict=True)
    ]
    apart = scaled[1] - scaled[0]
    apart -= np.round(apart)
    moved = (apart - apart.mean(axis=0)) @ mean
    gradient = np.linalg.inv(mean) @ (cells[1] - cells[0])
    strain = 0.5 * (gradient + gradient.T)
    if np.linalg.norm(moved, axis=1).max() > NEAR or np.abs(gradient).max() > STRAIN:
        return None
    strain_work = stress_change = np.nan
    shear_stress = np.full(3, np.nan)
    if a.stress is not None and b.stress is not None:
        volumes = [f.atoms.get_volume() for f in (a, b)]
        strain_work = 0.5 * ((volumes[0] * a.stress + volumes[1] * b.stress) * strain).sum()
        stress_change = ((b.stress - a.stress) * strain).sum()
        shear_stress = _shear_of(b.stress - a.stress)
    change = b.forces - a.forces
    return (
        b.energy - a.energy,
        -0.5 * ((a.forces + b.forces) * moved).sum(),
        strain_work,
        -(change * moved).sum(),
        (change**2).sum(),
        (moved**2).sum(),
        stress_change,
        (strain**2).sum(),
        *_shear_of(strain),
        *shear_stress,
    )


def _shear_of(tensor: np.ndarray) -> np.ndarray:
    """Components yz, xz and xy of a symmetric tensor."""
    return np.asarray(0.5 * (tensor + tensor.T)[[1, 0, 0], [2, 2, 1]])


# ---- symmetry


def _searched(frames: Sequence[Frame]) -> Sequence[Frame]:
    small = [f for f in frames if len(f.atoms) <= MOST_ATOMS]
    return small[:: max(1, len(small) // MOST_SEARCHED)][:MOST_SEARCHED]


def _shear(pairs: _Pairs, frames: Sequence[Frame]) -> str:
    """Shear stress against the shear that a cell has, beside the same numbers read in VASP's order."""
    known = ~np.isnan(pairs.shear_stress).any(axis=1)
    strains, stresses = list(pairs.shear[known]), list(pairs.shear_stress[known])
    for f in _searched(frames):
        if f.stress is not None:
            strain = _strain_from_symmetry(f.atoms)
            if strain is not None:
                strains.append(_shear_of(strain))
                stresses.append(_shear_of(f.stress))
    sheared = np.array(strains).reshape(-1, 3)
    found = np.array(stresses).reshape(-1, 3)
    if len(sheared) < 2 or np.abs(sheared).max() < 3e-3 or not found.any():
        return ""

    def agreement(shear: np.ndarray) -> float:
        return float((shear * sheared).sum() / np.sqrt((shear**2).sum() * (sheared**2).sum()))

    # Six numbers in VASP's order, xx yy zz xy yz zx, read as xx yy zz yz xz xy.
    mended = found[:, [1, 2, 0]]
    if agreement(mended) > max(0.6, agreement(found) + 0.4):
        return (
            "shear stresses fit the shear of the cells only in VASP's order (xx yy zz xy yz zx); needed is "
            "Voigt order (xx yy zz yz xz xy), or the matrix"
        )
    return ""


def _strain_from_symmetry(atoms: Atoms) -> np.ndarray | None:
    """Strain of a cell from the nearest one that has the symmetry of its atoms, shape (3, 3)."""
    for symprec in LOOSE:
        found = found_by(spglib.get_symmetry, _cell(atoms), symprec=symprec)
        if found is not None and len(found["rotations"]) > 2:
            break
    else:
        return None
    cell = atoms.cell.array
    metric = cell @ cell.T
    rotations = np.asarray(found["rotations"], dtype=float)
    ideal = np.mean([r.T @ metric @ r for r in rotations], axis=0)
    inverse = np.linalg.inv(cell)
    return np.asarray(0.5 * inverse @ (metric - ideal) @ inverse.T)


def _breaks_symmetry(frame: Frame) -> bool:
    """Whether forces lack a symmetry that the structure has."""
    largest = float(np.linalg.norm(frame.forces, axis=1).max())
    if largest < 0.05:
        return False
    found = found_by(spglib.get_symmetry, _cell(frame.atoms), symprec=SYMPREC)
    if found is None:
        return False
    cell = frame.atoms.cell.array
    scaled = frame.atoms.get_scaled_positions()
    for rotation, shift in list(zip(found["rotations"], found["translations"], strict=True))[:48]:
        images = scaled @ rotation.T + shift
        apart = images[:, None] - scaled[None]
        apart -= np.round(apart)
        order = (apart**2).sum(axis=2).argmin(axis=1)
        turned = frame.forces @ (np.linalg.inv(cell) @ rotation.T @ cell)
        if np.linalg.norm(turned - frame.forces[order], axis=1).max() > BROKEN * largest:
            return True
    return False


def _cell(atoms: Atoms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers
