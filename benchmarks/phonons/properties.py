"""What phonons say of a crystal without a reference: frequencies, and which modes are imaginary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.properties import Property
from umlip_bench.benchmarks.phonons.result import (
    FIXED,
    IMAGINARY,
    TEMPERATURE,
    BandPath,
    FrequencySampling,
    PhononComparison,
    Phonons,
    judged,
)

FloatArray = NDArray[np.float64]

SAME = 0.01
"""THz; frequencies no farther apart are those of one degenerate mode, or of equivalent wave vectors."""
SAME_POINT = 1e-4
"""In units of reciprocal vectors."""


@dataclass(frozen=True)
class WaveVector:
    """A wave vector that fits into the supercell, with those that are the same by symmetry.

    Parameters
    ----------
    name
        Of the point of high symmetry, ``"X"``, else its coordinates.
    frequencies
        Shape (B,), THz, sorted.
    """

    name: str
    frequencies: FloatArray


def properties(material: PhononComparison, variant: str) -> Sequence[Property]:
    """Highest frequency, optical modes at Γ, imaginary modes by name, and thermodynamics."""
    seen = judged(material, variant)
    if seen is None:
        failure = material.not_relaxed
        given = variant == FIXED or not failure
        return () if given else (Property(key="failure", label="not relaxed", text=failure),)
    side = seen.model
    found = [
        Property(
            key="highest_frequency", label="highest frequency", value=side.highest, unit="THz"
        ),
        Property(key="lowest_frequency", label="lowest frequency", value=side.lowest, unit="THz"),
        Property(
            key="imaginary_modes",
            label="imaginary modes (THz)",
            text=imaginary_modes(side, material.sampling),
        ),
    ]
    optical = optical_at_gamma(side, material.sampling)
    if optical:
        found.insert(1, Property(key="gamma_modes", label="optical modes at Γ (THz)", text=optical))
    if seen.own is not None:
        at = f"at {TEMPERATURE:.0f} K"
        for key, label, value, unit in (
            ("heat_capacity", f"heat capacity {at}", seen.own.heat_capacity, "J/(mol K)"),
            ("entropy", f"entropy {at}", seen.own.entropy, "J/(mol K)"),
            ("free_energy", f"vibrational free energy {at}", seen.own.free_energy, "meV/atom"),
        ):
            found.append(Property(key=key, label=label, value=value, unit=unit))
    return found


def imaginary_modes(side: Phonons, sampling: FrequencySampling) -> str:
    """Where modes are imaginary, how many, and the lowest of them; ``"none"`` where none is."""
    if side.dips:
        return f"by interpolation alone, lowest {side.lowest:.2f}"
    if side.is_stable:
        return "none"
    named = [
        f"{each.name}: {count} of {each.frequencies.min():.2f}"
        for each in wave_vectors(side, sampling)
        if (count := int((each.frequencies < -IMAGINARY).sum()))
    ]
    return "; ".join(named) or f"{side.imaginary:.1%} of all, lowest {side.lowest:.2f}"


def optical_at_gamma(side: Phonons, sampling: FrequencySampling) -> str:
    """Frequencies at the zone centre but those of translations, degenerate ones once with their number."""
    gamma = next((each for each in wave_vectors(side, sampling) if each.name == "Γ"), None)
    if gamma is None:
        return ""
    translations = np.argsort(np.abs(gamma.frequencies))[:3]
    optical = np.delete(gamma.frequencies, translations)
    breaks = [0, *(np.flatnonzero(np.diff(optical) > SAME) + 1), len(optical)]
    groups = [optical[first:last] for first, last in pairwise(breaks) if last > first]
    return ", ".join(
        f"{group.mean():.2f}" + (f" (x{len(group)})" if len(group) > 1 else "") for group in groups
    )


def wave_vectors(side: Phonons, sampling: FrequencySampling) -> Iterator[WaveVector]:
    """Wave vectors of the supercell, equivalent ones once; nothing where they were not kept.

    Equivalent ones have the same frequencies; those of others that do too are told apart by nothing here.
    """
    if sampling.commensurate is None:
        return
    points = list(zip(sampling.commensurate, side.commensurate, strict=True))
    while points:
        _, own = points[0]
        same = [np.abs(frequencies - own).max() <= SAME for _, frequencies in points]
        members = [q for (q, _), is_same in zip(points, same, strict=True) if is_same]
        yield WaveVector(_name(members, sampling.path), own)
        points = [point for point, is_same in zip(points, same, strict=True) if not is_same]


def _name(members: Sequence[FloatArray], path: BandPath) -> str:
    for k, (first, last) in enumerate(path.labels):
        on_segment = path.qpoints[path.segments == k]
        for label, point in ((first, on_segment[0]), (last, on_segment[-1])):
            for q in members:
                apart = q - point
                if np.abs(apart - np.rint(apart)).max() < SAME_POINT:
                    return label.partition("_")[0]
    return f"({' '.join(f'{x:.3g}' for x in members[0])})"
