"""What follows from the frequencies of a harmonic crystal: thermodynamics and density of states.

Frequencies are in THz, imaginary ones negative; modes are weighted by the multiplicity of their q-point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import constants

from umlip_bench.ground.readonly import ReadOnlyArrays

FloatArray = NDArray[np.float64]

ZERO = 0.05
"""THz; modes below are the translations of the whole crystal, at the zone centre alone."""
SMEARING = 0.2
"""THz, standard deviation of the Gaussians that make up a density of states."""

_PLANCK = constants.h * constants.tera / constants.electron_volt
"""eV of a quantum of 1 THz."""
_BOLTZMANN = constants.k / constants.electron_volt
"""eV/K."""
_MOLAR = constants.electron_volt * constants.N_A
"""J/mol of 1 eV."""


@dataclass(frozen=True)
class Thermodynamics(ReadOnlyArrays):
    """Of a harmonic crystal at one temperature, per atom.

    Parameters
    ----------
    heat_capacity
        At constant volume, J/(mol K) per mole of atoms.
    entropy
        J/(mol K) per mole of atoms.
    free_energy
        With the zero-point energy, meV/atom.
    """

    heat_capacity: float
    entropy: float
    free_energy: float


def thermodynamics(
    frequencies: FloatArray, weights: FloatArray, temperature: float
) -> Thermodynamics:
    """Sums over modes of harmonic oscillators.

    With x = hν/kT: C = k x² eˣ/(eˣ-1)², S = k [x/(eˣ-1) - ln(1-e⁻ˣ)], F = hν/2 + kT ln(1-e⁻ˣ).
    Translations and imaginary modes are left out, as phonopy does: with the latter the numbers mean nothing.

    Parameters
    ----------
    frequencies
        Shape (Q, B), THz.
    weights
        Shape (Q,), any unit.
    temperature
        K, positive.
    """
    n_atoms = frequencies.shape[1] / 3
    share = np.broadcast_to((weights / weights.sum())[:, None], frequencies.shape)
    real = frequencies > ZERO
    quantum = _PLANCK * frequencies[real]
    x = quantum / (_BOLTZMANN * temperature)
    occupation = 1 / np.expm1(x)
    log_term = np.log(-np.expm1(-x))
    per_atom = share[real] / n_atoms

    def total(values: FloatArray) -> float:
        return float(per_atom @ values)

    # eˣ/(eˣ-1)² = n (n + 1), which does not overflow.
    return Thermodynamics(
        heat_capacity=_MOLAR * _BOLTZMANN * total(x**2 * occupation * (occupation + 1)),
        entropy=_MOLAR * _BOLTZMANN * total(x * occupation - log_term),
        free_energy=1000 * total(quantum / 2 + _BOLTZMANN * temperature * log_term),
    )


def density_of_states(frequencies: FloatArray, weights: FloatArray, at: FloatArray) -> FloatArray:
    """Modes per THz, as a sum of Gaussians normalised to one.

    Parameters
    ----------
    frequencies
        Shape (Q, B), THz.
    weights
        Shape (Q,), any unit.
    at
        Shape (F,), THz.

    Returns
    -------
    ndarray
        Shape (F,), 1/THz.
    """
    # Histogram first: a Gaussian per bin instead of one per mode.
    width = SMEARING / 20
    low = float(min(at.min(), frequencies.min())) - width
    bins = np.floor((frequencies - low) / width).astype(int)
    mass = np.bincount(
        bins.ravel(), weights=np.broadcast_to(weights[:, None], frequencies.shape).ravel()
    )
    centres = low + width * (np.arange(len(mass)) + 0.5)
    filled = mass > 0
    distance = (at[:, None] - centres[filled]) / SMEARING
    gaussians = np.exp(-0.5 * distance**2) / (SMEARING * np.sqrt(2 * np.pi))
    return np.asarray(gaussians @ mass[filled] / mass.sum())


def overlap(first: FloatArray, second: FloatArray, weights: FloatArray) -> float:
    """What two densities of states share, ∫ min(g₁, g₂) dν: 1 if equal, 0 if apart.

    Parameters
    ----------
    first, second
        Frequencies at the same q-points, shape (Q, B), THz.
    weights
        Shape (Q,), any unit.
    """
    both = np.array([first, second])
    step = SMEARING / 5
    at = np.arange(both.min() - 5 * SMEARING, both.max() + 5 * SMEARING, step)
    densities = [density_of_states(each, weights, at) for each in both]
    return float(np.minimum(*densities).sum() * step)
