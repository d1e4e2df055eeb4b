"""What a fit of one factor says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from umlip_bench.finetune.comparison import BeforeAfter
from umlip_bench.finetune.estimators import Estimator
from umlip_bench.finetune.factor_prior import UsualFactor
from umlip_bench.finetune.factors import States
from umlip_bench.finetune.measures import GroupCheck
from umlip_bench.finetune.method import ClosedFit
from umlip_bench.potentials.corrections.modification import ScalarCorrection

LEAVE_ONE_OUT = "leave one frame out"
ONE_FRAME = "in-sample, there is only one frame with forces"
UNDEFINED = "in-sample, since without one of the frames no positive factor helps"


@dataclass(frozen=True)
class Labels:
    """What was fitted to.

    Parameters
    ----------
    sha256
        Digest of geometries and labels.
    n_frames
        Frames that the factor rests on.
    n_at_rest
        Frames set aside since their forces are below the noise.
    n_components
        Force components of the former.
    rms_force
        Of those components, in eV/Å.
    """

    sha256: str
    n_frames: int
    n_at_rest: int
    n_components: int
    rms_force: float


@dataclass(frozen=True)
class MaterialFactors:
    """The force comparison of one material, uncorrected; see `umlip_bench.analysis.softening`."""

    name: str
    n_frames: int
    slope: float
    inverse: float
    r2: float


@dataclass(frozen=True)
class ForceCheck:
    """Forces before and after.

    Parameters
    ----------
    split
        `LEAVE_ONE_OUT`: each frame is judged with the factor of the others; or why they are judged with
        their own, `ONE_FRAME` or `UNDEFINED`.
    slope
        Through the origin; dimensionless.
    mae
        In eV/Å.
    """

    split: str
    slope: BeforeAfter
    mae: BeforeAfter


@dataclass(frozen=True)
class EnergyCheck:
    """Energy differences within materials, before and after; not fitted.

    Parameters
    ----------
    mae
        In eV/atom, of energies relative to the mean of their composition.
    n_frames
        Frames with another one of the same material and composition.
    """

    mae: BeforeAfter
    n_frames: int


@dataclass(frozen=True)
class StressCheck:
    """Stress before and after; not fitted. The slope has an intercept; the MAE is in eV/Å³."""

    slope: BeforeAfter
    mae: BeforeAfter
    n_frames: int


@dataclass(frozen=True)
class FactorRetention:
    """What the factor does to materials of the reference set that were not fitted.

    Parameters
    ----------
    mae
        Median over materials of the force MAE in eV/Å.
    n_materials
        Number of materials.
    worse
        Those whose force MAE grows.
    """

    mae: BeforeAfter
    n_materials: int
    worse: tuple[str, ...]


@dataclass(frozen=True)
class ScalarFit(ClosedFit):
    """A fitted factor and everything that says how good it is.

    Parameters
    ----------
    estimator
        How it was made.
    factor
        c, dimensionless; 1 if it is refused.
    interval
        Ends of the 95 % interval that is to hold the factor of states of use; see
        `umlip_bench.finetune.factors`.
    refusal
        Why the labels get no factor; ``None`` if they do.
    references
        Energies by element in eV that stand in for the model's own references; ``None`` for those.
    labels
        What was fitted to.
    slope, inverse, r2
        Of all force components, uncorrected.
    materials
        The same for each material.
    label_factor, label_interval
        What the labels alone ask for in states of use: the factor before shrinkage; equal to the former
        otherwise.
    label_weight
        Weight of the labels against the model's usual factor; 1 without shrinkage.
    usual
        The model's usual factor, where it was asked for.
    states
        States of use, where they were told.
    drift
        Fall of log c with the log of the forces.
    forces, energies, stress, retention
        Before and after; ``None`` where the labels do not tell.
    held_out
        Frames that were not fitted, before and after; ``None`` without such.
    """

    estimator: Estimator
    factor: float
    interval: tuple[float, float]
    refusal: str | None
    references: Mapping[str, float] | None
    labels: Labels
    slope: float
    inverse: float
    r2: float
    materials: tuple[MaterialFactors, ...]
    label_factor: float
    label_interval: tuple[float, float]
    label_weight: float
    usual: UsualFactor | None
    states: States | None
    drift: float
    forces: ForceCheck
    energies: EnergyCheck | None
    stress: StressCheck | None
    retention: FactorRetention | None
    held_out: GroupCheck | None = None

    apart = ("labels", "references")

    @property
    def correction(self) -> ScalarCorrection:
        return ScalarCorrection(self.factor, self.references)

    @property
    def resolved(self) -> bool:
        """Whether the interval leaves out 1, no correction at all."""
        low, high = self.interval
        return not low <= 1.0 <= high

    def labels_record(self) -> Mapping[str, object]:
        return vars(self.labels)
