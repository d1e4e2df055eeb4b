"""Third-order Birch-Murnaghan equations of state."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from umlip_bench.errors import DataError


class BirchMurnaghan(NamedTuple):
    """Parameters of a curve.

    Parameters
    ----------
    volume
        At the minimum, Å³.
    bulk_modulus
        At the minimum, eV/Å³.
    bulk_modulus_derivative
        With respect to pressure, dimensionless.
    energy
        At the minimum, eV.
    """

    volume: float
    bulk_modulus: float
    bulk_modulus_derivative: float
    energy: float


def fit(volumes: np.ndarray, energies: np.ndarray) -> BirchMurnaghan:
    """Least-squares curve through energies.

    The energy is a cubic polynomial in V^(-2/3), so the fit is linear and needs no start.

    Parameters
    ----------
    volumes
        Shape (P,), Å³, at least four.
    energies
        Shape (P,), eV.

    Raises
    ------
    DataError
        If there are too few points or the curve has no minimum among them.
    """
    if len(volumes) < 4:
        raise DataError(f"{len(volumes)} volumes; a Birch-Murnaghan curve needs at least 4")
    # Centred and scaled, else the powers differ by orders of magnitude.
    reference = float(np.mean(volumes))
    x = (np.asarray(volumes) / reference) ** (-2 / 3)
    energy = np.polynomial.Polynomial.fit(x, energies, 3).convert()
    first, second, third = (energy.deriv(order) for order in (1, 2, 3))
    minima = [
        float(root.real)
        for root in first.roots()
        if abs(root.imag) < 1e-9 and second(root.real) > 0 and x.min() <= root.real <= x.max()
    ]
    if len(minima) != 1:
        raise DataError(
            f"energies have no minimum between {np.min(volumes):.4g} and {np.max(volumes):.4g} Å³"
        )
    lowest = minima[0]
    volume = reference * lowest ** (-3 / 2)
    # With x = (V/V_ref)^(-2/3), dx/dV = -2x/3V; terms in dE/dx vanish at the minimum.
    curvature = second(lowest)
    return BirchMurnaghan(
        volume=float(volume),
        bulk_modulus=float(4 / 9 * lowest**2 * curvature / volume),
        bulk_modulus_derivative=float(4 + 2 / 3 * lowest * third(lowest) / curvature),
        energy=float(energy(lowest)),
    )
