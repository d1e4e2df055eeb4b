"""What may be wrong with a user's labels: units, totals against averages, sums, duplicates.

None of these is proof: a check says what it saw, why that is suspicious and what to do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from ase import units

from umlip_bench.datasets.consistency import LabelMistake, faults
from umlip_bench.datasets.duplicates import geometry_digest
from umlip_bench.datasets.frame import Frame

LARGE_STRESS = 1.0
"""eV/Å³, 160 GPa: a median component of a material above this is rather another unit."""

LARGE_FORCE = 100.0
"""eV/Å; the Materials Project drops frames with larger forces."""

NET_FORCE = 0.02
"""eV/Å per atom; what remains of DFT's egg-box effect is smaller."""

SMALL_ENERGY = 0.5
"""eV; no solid of more than one atom has a smaller total energy against isolated atoms."""


@dataclass(frozen=True)
class Finding:
    """Something that a person should look at.

    Parameters
    ----------
    message
        What was seen, why it is suspicious, what to do.
    frames
        Indices of the frames concerned.
    """

    message: str
    frames: tuple[int, ...]


def check_frames(frames: Sequence[Frame]) -> list[Finding]:
    """Look for the usual mistakes in labelled frames.

    Parameters
    ----------
    frames
        Of any number of materials.

    Returns
    -------
    list of Finding
        Empty if nothing looks suspicious.
    """
    mistakes = faults(frames)
    found = [finding for check in CHECKS for finding in check(frames)]
    # What is named exactly is not guessed at as well.
    known = {fault.system for fault in mistakes if fault.about == "stress"}
    rest = [frame for frame in frames if frame.system not in known]
    return [*_named(mistakes), *_stress_unit(rest), *_stress_sign(rest), *found]


def _named(mistakes: Sequence[LabelMistake]) -> list[Finding]:
    """Each mistake once, with the materials that have it."""
    groups: dict[str, list[LabelMistake]] = defaultdict(list)
    for each in mistakes:
        groups[each.message].append(each)
    return [
        Finding(
            f"{', '.join(dict.fromkeys(each.system for each in members))}: {message}",
            tuple(sorted(index for each in members for index in each.frames)),
        )
        for message, members in groups.items()
    ]


def _stress_unit(frames: Sequence[Frame]) -> list[Finding]:
    groups: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for f in frames:
        if f.stress is not None:
            groups[f.system].append((f.index, float(np.abs(f.stress).max())))
    large = {
        system: float(np.median([size for _, size in members]))
        for system, members in groups.items()
        if np.median([size for _, size in members]) >= LARGE_STRESS
    }
    if not large:
        return []
    median = float(np.median(list(large.values())))
    return [
        Finding(
            f"{', '.join(large)}: the median of the largest stress components is {median:.3g}, in eV/Å³ that "
            f"is {median / units.GPa:.0f} GPa: are they in kbar (multiply by {0.1 * units.GPa:.6g}), GPa "
            f"(multiply by {units.GPa:.6g}), or virials (eV; take -virial/volume)? Mind the sign as well: "
            "VASP's is opposite to ASE's",
            tuple(sorted(index for system in large for index, _ in groups[system])),
        )
    ]


def _stress_sign(frames: Sequence[Frame]) -> list[Finding]:
    """Compressed cells push outwards: pressure falls with volume among frames of one material."""
    groups: dict[tuple[str, int], list[Frame]] = defaultdict(list)
    for each in frames:
        if each.stress is not None:
            groups[each.system, len(each.atoms)].append(each)
    wrong: dict[str, list[int]] = {}
    for (system, _), members in groups.items():
        volumes = np.array([f.atoms.get_volume() for f in members])
        pressures = np.array([-np.trace(f.stress) / 3 for f in members if f.stress is not None])
        spread = np.ptp(volumes) / volumes.mean()
        if len(members) > 2 and spread > 0.03 and np.corrcoef(volumes, pressures)[0, 1] > 0.8:
            wrong.setdefault(system, []).extend(f.index for f in members)
    if not wrong:
        return []
    return [
        Finding(
            f"{', '.join(wrong)}: pressure rises with volume: the stress has the opposite sign of ASE's "
            "(pressure = -trace/3, a compressed cell has a negative trace); multiply it by -1",
            tuple(sorted(index for members in wrong.values() for index in members)),
        )
    ]


def _no_stress(frames: Sequence[Frame]) -> list[Finding]:
    without = tuple(f.index for f in frames if f.stress is None)
    if not without:
        return []
    text = f"{len(without)} of {len(frames)} frames have no REF_stress; they count for forces only"
    return [Finding(text, without)]


def _energy_per_atom(frames: Sequence[Frame]) -> list[Finding]:
    """Totals grow with the cell; energies per atom do not."""
    sizes: dict[str, list[Frame]] = defaultdict(list)
    for each in frames:
        sizes[each.composition].append(each)
    found = []
    for composition, members in sizes.items():
        n = np.array([len(f.atoms) for f in members])
        energies = np.array([f.energy for f in members])
        if np.isnan(energies).any() or n.max() < 2 * n.min():
            continue
        if _spread(energies) < 0.1 < _spread(energies / n):
            found.append(
                Finding(
                    f"{composition}: cells of {n.min()} and {n.max()} atoms have about the same "
                    "REF_energy: is it per atom? Totals are needed, multiply by the number of atoms",
                    tuple(f.index for f in members),
                )
            )
    small = [
        f.index
        for f in frames
        if len(f.atoms) > 1 and f.energy < 0 and abs(f.energy) / len(f.atoms) < SMALL_ENERGY
    ]
    if small and not found:
        found.append(
            Finding(
                f"{len(small)} frames have less than {SMALL_ENERGY} eV of binding per atom: is "
                "REF_energy per atom, or in another unit (Rydberg, Hartree)? Totals in eV are needed",
                tuple(small),
            )
        )
    return found


def _spread(values: np.ndarray) -> float:
    """Standard deviation over mean."""
    return float(np.std(values) / abs(values.mean()))


def _net_force(frames: Sequence[Frame]) -> list[Finding]:
    drifting = tuple(
        f.index for f in frames if np.linalg.norm(f.forces.sum(axis=0)) > NET_FORCE * len(f.atoms)
    )
    if not drifting:
        return []
    return [
        Finding(
            f"the forces of {len(drifting)} frames do not sum to zero (over {NET_FORCE} eV/Å per atom): "
            "were constrained atoms' forces set to zero, or is the order of the atoms wrong?",
            drifting,
        )
    ]


def _forces_size(frames: Sequence[Frame]) -> list[Finding]:
    found = []
    large = tuple(f.index for f in frames if np.abs(f.forces).max() > LARGE_FORCE)
    if large:
        found.append(Finding(f"{len(large)} frames have forces over {LARGE_FORCE:.0f} eV/Å", large))
    zero = tuple(f.index for f in frames if len(f.atoms) > 1 and not f.forces.any())
    if zero:
        named = ", ".join(dict.fromkeys(f.system for f in frames if f.index in set(zero)))
        text = f"{named}: {len(zero)} frames have no force at all: are the labels real, or the sites ideal?"
        found.append(Finding(text, zero))
    return found


def _duplicates(frames: Sequence[Frame]) -> list[Finding]:
    groups: dict[str, list[Frame]] = defaultdict(list)
    for each in frames:
        groups[geometry_digest(each.atoms)].append(each)
    repeated = [members for members in groups.values() if len(members) > 1]
    if not repeated:
        return []
    differing = [m for m in repeated if np.ptp([f.energy for f in m]) > 1e-3 * len(m[0].atoms)]
    indices = tuple(sorted(f.index for members in repeated for f in members))
    text = f"{len(repeated)} geometries occur more than once"
    if differing:
        text += f", {len(differing)} of them with different energies (over 1 meV/atom)"
    return [Finding(f"{text}: duplicates pretend to be independent; remove them", indices)]


def _periodicity(frames: Sequence[Frame]) -> list[Finding]:
    partial = tuple(f.index for f in frames if not f.atoms.pbc.all())
    if not partial:
        return []
    text = (
        f"{len(partial)} frames are not periodic in all directions and will fail; see "
        "umlip_bench.make_periodic(atoms, vacuum=...)"
    )
    return [Finding(text, partial)]


CHECKS: tuple[Callable[[Sequence[Frame]], list[Finding]], ...] = (
    _no_stress,
    _energy_per_atom,
    _net_force,
    _forces_size,
    _duplicates,
    _periodicity,
)
