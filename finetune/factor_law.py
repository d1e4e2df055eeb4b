"""How the factors of states scatter: the constants, and where they come from.

`umlip_bench.finetune.factors` says what they mean. `umlip_bench.finetune.factor_study` shows how the
intervals that follow from them do on every set, and `umlip_bench.finetune.factor_refit` fits them, with sets
left out or to all.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Law:
    """How the factors of states scatter.

    Parameters
    ----------
    components
        Independent force components that an atom counts as.
    state
        Standard deviation of log c between frames of one amplitude, over the root of q, however many atoms.
    drift, drift_models
        Mean and standard deviation over models of the usual b, the fall of log c with the log of the forces
        in materials that need no factor.
    softness
        Rise of b with log c.
    drift_spread
        Standard deviation of b over the materials of one model.
    dof
        Frames that the law is worth against the scatter among the labels.
    residual
        q that labels are expected to have, worth one component: few atoms may fit by chance.
    linear
        q below which the drift falls.
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

    components: float = 2.0
    state: float = 0.17
    drift: float = 0.17
    drift_models: float = 0.12
    softness: float = 0.25
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
"""`components`, `state`, `softness` and `drift_spread` lie between what `umlip_bench.finetune.factor_refit`
gives for CHGNet 0.3.0 and M3GNet-MP-2021.2.8 (2.3, 0.14 to 0.16, 0.24 to 0.30, 0.14) and with
M3GNet-MatPES-PBE and TensorNet-MatPES-PBE beside them (1.8, 0.18, 0.26, 0.16), on pbe-mini, debye-mini,
mattersim-tp, mlearn and monbtaw-aimd. The rest are older and matter less: half or twice any of them changes
the mean interval score by a few percent."""


@dataclass(frozen=True)
class Drift:
    """A model's usual b, of materials that need no factor.

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
