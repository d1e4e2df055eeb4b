"""The Birch-Murnaghan equation of state of third order, and how far two of them are apart.

With x = V^(-2/3) the energy is a cubic polynomial in x (F. Birch, Phys. Rev. 71, 809 (1947)), so that a
fit is linear and needs no start, and pressure and bulk modulus are known at every volume, also where
the curve has no minimum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from umlip_bench.ground.errors import DataError

FloatArray = NDArray[np.float64]

POINTS_NEEDED = 4


@dataclass(frozen=True)
class Equilibrium:
    """A curve by its minimum.

    Parameters
    ----------
    volume
        Å³.
    bulk_modulus
        eV/Å³.
    bulk_modulus_derivative
        With respect to pressure, dimensionless.
    energy
        eV.
    """

    volume: float
    bulk_modulus: float
    bulk_modulus_derivative: float
    energy: float = 0.0


@dataclass(frozen=True)
class BirchMurnaghan:
    """E(V) = a₀ + a₁ x + a₂ x² + a₃ x³ with x = (V / `scale`)^(-2/3).

    Parameters
    ----------
    scale
        Å³; any volume near the points, which keeps the coefficients of one size.
    coefficients
        a₀ to a₃ in eV.
    """

    scale: float
    coefficients: tuple[float, float, float, float]

    @classmethod
    def fit(cls, volumes: ArrayLike, energies: ArrayLike) -> BirchMurnaghan:
        """Least squares through points.

        Parameters
        ----------
        volumes
            Shape (P,), Å³, at least four different ones.
        energies
            Shape (P,), eV.

        Raises
        ------
        DataError
            On fewer points, or values that are not finite.
        """
        v = np.asarray(volumes, dtype=np.float64)
        e = np.asarray(energies, dtype=np.float64)
        if v.shape != e.shape or v.ndim != 1 or len(np.unique(v)) < POINTS_NEEDED:
            raise DataError(
                f"volumes of shape {v.shape} and energies of shape {e.shape}: at least "
                f"{POINTS_NEEDED} different volumes with an energy each are needed"
            )
        if not (np.isfinite(v).all() and np.isfinite(e).all() and (v > 0).all()):
            raise DataError("volumes must be positive, and energies finite")
        scale = float(v.mean())
        # The mean is taken off: energies may be large against their differences.
        polynomial = np.polynomial.Polynomial.fit((v / scale) ** (-2 / 3), e - e.mean(), 3)
        a = np.zeros(4)
        found = polynomial.convert().coef
        a[: len(found)] = found  # vanishing powers are not among them
        return cls(scale, (float(a[0] + e.mean()), float(a[1]), float(a[2]), float(a[3])))

    @classmethod
    def of(cls, equilibrium: Equilibrium) -> BirchMurnaghan:
        """The curve with a given minimum.

        E = E₀ + 9/16 V₀ B₀ [B₀' (x - 1)³ + (x - 1)² (6 - 4 x)], x = (V / V₀)^(-2/3).
        """
        b = equilibrium.bulk_modulus_derivative
        size = 9 / 16 * equilibrium.volume * equilibrium.bulk_modulus
        return cls(
            equilibrium.volume,
            (
                equilibrium.energy + size * (6 - b),
                size * (3 * b - 16),
                size * (14 - 3 * b),
                size * (b - 4),
            ),
        )

    def energy(self, volume: ArrayLike) -> FloatArray:
        """E in eV at volumes in Å³, of their shape."""
        return self._polynomial(self._x(volume))

    def pressure(self, volume: ArrayLike) -> FloatArray:
        """P = -dE/dV in eV/Å³, of the shape of the volumes in Å³."""
        v, x = np.asarray(volume, dtype=np.float64), self._x(volume)
        return np.asarray(self._polynomial.deriv(1)(x) * 2 * x / (3 * v))

    def bulk_modulus(self, volume: ArrayLike) -> FloatArray:
        """B = V d²E/dV² in eV/Å³, of the shape of the volumes in Å³."""
        v, x = np.asarray(volume, dtype=np.float64), self._x(volume)
        # dx/dV = -2x/3V and d²x/dV² = 10x/9V².
        first, second = self._polynomial.deriv(1)(x), self._polynomial.deriv(2)(x)
        return np.asarray(second * 4 * x**2 / (9 * v) + first * 10 * x / (9 * v))

    def equilibrium(self, low: float, high: float) -> Equilibrium | None:
        """The minimum between two volumes in Å³; ``None`` if there is none.

        dE/dx vanishes at two x; d²E/dx² is positive at x = (√d - a₂) / 3a₃ = -a₁ / (a₂ + √d), where
        d = a₂² - 3 a₁ a₃. There B₀ = V d²E/dV² and B₀' = 4 + 2/3 x (d³E/dx³) / (d²E/dx²).
        """
        _, a1, a2, a3 = self.coefficients
        discriminant = a2**2 - 3 * a1 * a3
        if discriminant <= 0.0:
            return None
        root = float(np.sqrt(discriminant))
        # Of the two forms the one without a difference of equals; a₃ vanishes where B₀' is 4.
        x = -a1 / (a2 + root) if a2 > 0.0 else (root - a2) / (3 * a3)
        if x <= 0.0:
            return None
        volume = self.scale * x ** (-3 / 2)
        if not low <= volume <= high:
            return None
        return Equilibrium(
            volume=volume,
            bulk_modulus=float(self.bulk_modulus(volume)),
            bulk_modulus_derivative=float(4 + 2 / 3 * x * 6 * a3 / (2 * root)),
            energy=float(self._polynomial(x)),
        )

    @property
    def _polynomial(self) -> np.polynomial.Polynomial:
        return np.polynomial.Polynomial(self.coefficients)

    def _x(self, volume: ArrayLike) -> FloatArray:
        return np.asarray((np.asarray(volume, dtype=np.float64) / self.scale) ** (-2 / 3))


def fit_minimum(volumes: ArrayLike, energies: ArrayLike) -> Equilibrium:
    """The minimum of the curve through points.

    Parameters
    ----------
    volumes
        Shape (P,), Å³, at least four different ones.
    energies
        Shape (P,), eV.

    Raises
    ------
    DataError
        As `BirchMurnaghan.fit`, or if the curve has no minimum among the points.
    """
    low, high = float(np.min(volumes)), float(np.max(volumes))
    found = BirchMurnaghan.fit(volumes, energies).equilibrium(low, high)
    if found is None:
        raise DataError(f"energies have no minimum between {low:.4g} and {high:.4g} Å³")
    return found


def delta(first: Equilibrium, second: Equilibrium) -> float:
    """Root mean square difference of two curves within 6 % of their mean volume, in eV.

    The minima are laid on each other in energy. Source: K. Lejaeghere et al., Science 351, aad3000
    (2016), and Crit. Rev. Solid State 39, 1 (2014), eq. (1), with the window about the mean of both
    volumes, as the Delta project's calcDelta has it. Theirs is per atom: so must the volumes be.

    Parameters
    ----------
    first, second
        The curves.
    """
    centre = 0.5 * (first.volume + second.volume)
    # Gauss-Legendre: the integrand is smooth, 24 nodes are exact to rounding.
    nodes, weights = np.polynomial.legendre.leggauss(24)
    volumes = centre * (1.0 + 0.06 * nodes)
    difference = (BirchMurnaghan.of(first).energy(volumes) - first.energy) - (
        BirchMurnaghan.of(second).energy(volumes) - second.energy
    )
    return float(np.sqrt(0.5 * np.sum(weights * difference**2)))


def nu(first: Equilibrium, second: Equilibrium) -> float:
    """Weighted relative difference of V₀, B₀ and B₀', in percent.

    ν = 100 √Σ [w (a - b) / ((a + b)/2)]² with w = 1, 1/20 and 1/400. Source: E. Bosoni et al., Nat.
    Rev. Phys. 6, 45 (2024). Dimensionless, and unlike `delta` the same for soft and hard materials.
    """
    pairs = (
        (1.0, first.volume, second.volume),
        (1 / 20, first.bulk_modulus, second.bulk_modulus),
        (1 / 400, first.bulk_modulus_derivative, second.bulk_modulus_derivative),
    )
    terms = [weight * 2.0 * (a - b) / (a + b) for weight, a, b in pairs]
    return 100.0 * float(np.linalg.norm(terms))
