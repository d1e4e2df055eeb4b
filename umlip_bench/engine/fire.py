"""The fast inertial relaxation engine, one step at a time."""

from __future__ import annotations

import numpy as np

MAX_STEP = 0.2
"""Longest step, as the norm over all degrees of freedom, Å."""

_TIME_STEP, _MAX_TIME_STEP = 0.1, 1.0
_FASTER, _SLOWER = 1.1, 0.5
_PATIENCE = 5
_MIXING, _MIXING_DECAY = 0.1, 0.99


class Fire:
    """State of one minimisation, with the parameters and the steps of `ase.optimize.FIRE`.

    Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006), doi 10.1103/PhysRevLett.97.170201, with the
    semi-implicit Euler integrator and the step limit of ASE.
    """

    def __init__(self) -> None:
        self._velocities: np.ndarray | None = None
        self._time_step = _TIME_STEP
        self._mixing = _MIXING
        self._steps_downhill = 0

    def step(self, forces: np.ndarray) -> np.ndarray:
        """Displacement that follows from the forces at the present geometry.

        Parameters
        ----------
        forces
            Any shape, eV/Å; the same shape at every call.

        Returns
        -------
        ndarray
            Displacement in Å, of the shape of `forces`.
        """
        if self._velocities is None:
            self._velocities = np.zeros_like(forces)
        elif np.vdot(forces, self._velocities) > 0:
            speed = np.sqrt(np.vdot(self._velocities, self._velocities) / np.vdot(forces, forces))
            self._velocities *= 1 - self._mixing
            self._velocities += self._mixing * speed * forces
            if self._steps_downhill > _PATIENCE:
                self._time_step = min(_FASTER * self._time_step, _MAX_TIME_STEP)
                self._mixing *= _MIXING_DECAY
            self._steps_downhill += 1
        else:
            self._velocities[:] = 0
            self._time_step *= _SLOWER
            self._mixing = _MIXING
            self._steps_downhill = 0
        self._velocities += self._time_step * forces
        step = self._time_step * self._velocities
        length = np.sqrt(np.vdot(step, step))
        return step * (MAX_STEP / length) if length > MAX_STEP else step
