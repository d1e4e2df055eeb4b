"""Limited-memory BFGS, one step at a time."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

MAX_STEP = 0.2
"""Longest step of a row (an atom), Å."""
PATIENCE = 10
"""Steps without a smaller force after which `ScaledLbfgs` begins anew."""

_MEMORY = 100
_STIFFNESS = 70.0
"""eV/Å², the guess of the curvature that the first step is taken with."""


@dataclass(frozen=True, eq=False)
class _Pair:
    """A step taken, how much the gradient changed on it, both flat, and 1 / (step · change)."""

    step: np.ndarray
    change: np.ndarray
    rho: float


class Lbfgs:
    """State of one minimisation, with the parameters and the steps of `ase.optimize.LBFGS`.

    Nocedal and Wright, Numerical Optimization (2006), algorithm 7.4, without a line search; a step
    that would move any row by more than `MAX_STEP` is scaled down. Steps on which the slope did not rise
    are not learned from, unlike in ASE: they would point uphill. Near a minimum it takes about half
    the steps of `Fire`; far from one `Fire` is the safer.
    """

    def __init__(self) -> None:
        self._pairs: deque[_Pair] = deque(maxlen=_MEMORY)
        self._last: tuple[np.ndarray, np.ndarray] | None = None

    def step(self, forces: np.ndarray) -> np.ndarray:
        """Displacement that follows from the forces at the present geometry.

        Parameters
        ----------
        forces
            Shape (n, 3), eV/Å; the same shape at every call, and the geometry moved by what the last
            call returned.

        Returns
        -------
        ndarray
            Displacement in Å, of the shape of `forces`.
        """
        gradient = -forces.ravel()
        if self._last is not None:
            last, before = self._last
            change = gradient - before
            curvature = float(last @ change)
            if curvature > 0:
                self._pairs.append(_Pair(last, change, 1 / curvature))
        direction = gradient.copy()
        weights = []
        for pair in reversed(self._pairs):
            weights.append(pair.rho * float(pair.step @ direction))
            direction -= weights[-1] * pair.change
        direction /= self._stiffness()
        for pair, weight in zip(self._pairs, reversed(weights), strict=True):
            direction += pair.step * (weight - pair.rho * float(pair.change @ direction))
        step = -direction.reshape(forces.shape)
        longest = np.sqrt((step**2).sum(axis=1).max())
        if longest >= MAX_STEP:
            step *= MAX_STEP / longest
        self._last = step.ravel(), gradient
        return step

    def _stiffness(self) -> float:
        """The guess of the curvature along directions of which nothing is known, eV/Å²."""
        return _STIFFNESS


class ScaledLbfgs(Lbfgs):
    """The same with the curvature of the last step as its guess, instead of a constant.

    Nocedal and Wright, Numerical Optimization (2006), equation 7.20. A constant that suits bonds is far off
    for a free cell and for soft modes: see docs/performance.md for what it saves. Without a line search it
    may circle round a minimum: where `PATIENCE` steps have not made the largest force smaller, it begins
    anew from where it is.
    """

    def __init__(self) -> None:
        super().__init__()
        self._least = math.inf
        self._waited = 0

    def step(self, forces: np.ndarray) -> np.ndarray:
        """As of `Lbfgs`."""
        largest = float((forces**2).sum(axis=1).max())
        self._waited = 0 if largest < self._least else self._waited + 1
        self._least = min(self._least, largest)
        if self._waited == PATIENCE:
            self._pairs.clear()
            self._last, self._least, self._waited = None, largest, 0
        return super().step(forces)

    def _stiffness(self) -> float:
        if not self._pairs:
            return super()._stiffness()
        last = self._pairs[-1]
        return last.rho * float(last.change @ last.change)
