"""How the factors of states scatter: the constants, and where they come from.

`umlip_bench.finetune.factors` says what they mean. `umlip_bench.finetune.factor_study` shows how the
intervals that follow from them do on every set, and fits them anew with sets left out.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Law:
    """How the factors of states scatter.

    Parameters
    ----------
    state
        Standard deviation of log c between frames of one amplitude, however many atoms.
    drift, drift_models
        Mean and standard deviation over models of the usual b, the fall of log c with the log of the forces.
    drift_spread
        Standard deviation of b over the materials of one model.
    dof
        Frames that the law is worth against the scatter among the labels.
    residual
        q that labels are expected to have, worth one component: few atoms may fit by chance.
    linear
        q below which the drift, and the scatter between states, fall.
    amplitudes
        Standard deviation of the log of the forces between states of one material, where these are not told.
    amplitudes_dof
        Frames that it is worth.
    untold
        States of use, where they are not told.
    materials
        Standard deviation of log c between materials that get one factor together.
    elsewhere
        Standard deviation of log c between materials, beyond what the reference set shows.
    """

    state: float = 0.027
    drift: float = 0.2
    drift_models: float = 0.12
    drift_spread: float = 0.14
    dof: float = 8.0
    residual: float = 0.01
    linear: float = 0.01
    amplitudes: float = 0.6
    amplitudes_dof: float = 2.0
    untold: float = 3.0
    materials: float = 0.22
    elsewhere: float = 0.45


LAW = Law()
"""Fitted to CHGNet 0.3.0, M3GNet-MP-2021.2.8 and TensorNet-MatPES-PBE on pbe-mini, debye-mini, mattersim-tp,
mlearn and monbtaw-aimd; `drift_spread` was raised from 0.10 when M3GNet-MatPES-PBE, which had no part in it,
drifted otherwise on mlearn than on pbe-mini. Flat about these values: half or twice any of them changes the
mean interval score by a few percent."""


@dataclass(frozen=True)
class Drift:
    """A model's usual b.

    Parameters
    ----------
    mean, variance
        What is known of it; dimensionless.
    """

    mean: float
    variance: float

    @classmethod
    def of_any_model(cls, law: Law = LAW) -> Drift:
        """Where nothing is known of the model."""
        return cls(law.drift, law.drift_models**2)
