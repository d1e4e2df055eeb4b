"""One factor on a model's energy surface, from the forces of labelled frames.

Only force components decide on the factor. Energies and stresses are not fitted: they are compared
before and after, energies as differences within a material, so that labels with another zero of energy
(raw DFT beside corrected, another code) do as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from umlip_bench import datasets
from umlip_bench.analysis.frames import FrameComparison, MaterialComparison
from umlip_bench.analysis.softening import SUM_XX, SUM_XY, SUM_YY, inverse_of, r2_of, slope_of
from umlip_bench.datasets import Frame
from umlip_bench.finetune.comparison import (
    MIN_RMS_FORCE,
    BeforeAfter,
    compare,
    energy_differences,
    fingerprint,
    force_mae,
    force_sums,
    rms_force,
    stress_slopes,
    stresses,
    with_forces,
)
from umlip_bench.finetune.factor_prior import UsualFactor, usual_factor
from umlip_bench.finetune.factors import Estimator, FloatArray, LogFactor, log_factor
from umlip_bench.ground.errors import CorrectionError, StructureError
from umlip_bench.potentials.corrections.folder import ScalarCorrection
from umlip_bench.potentials.protocol import Potential

REFERENCE_SET = "pbe-mini"
"""Where a model's usual factor is taken from."""
DEFAULT_ESTIMATOR = Estimator.SHRUNK
"""The one with the smallest held-out error for every number of labels; see the README's table."""

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
    """Stress before and after; not fitted.

    Parameters
    ----------
    slope
        With an intercept; dimensionless.
    mae
        In eV/Å³.
    n_frames
        Frames with a stress.
    """

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
class Reference:
    """A model on the reference set, without the materials that are fitted.

    Parameters
    ----------
    materials
        Comparison of each material that the model can be evaluated on.
    usual
        The model's usual factor.
    """

    materials: tuple[MaterialComparison, ...]
    usual: UsualFactor


@dataclass(frozen=True)
class ScalarFit:
    """A fitted factor and everything that says how good it is.

    Parameters
    ----------
    estimator
        How it was made.
    factor
        c, dimensionless.
    interval
        Ends of its 95 % interval; see `umlip_bench.finetune.factors`.
    references
        Energies by element in eV that stand in for the model's own references; ``None`` for those.
    labels
        What was fitted to.
    slope, inverse, r2
        Of all force components, uncorrected.
    materials
        The same for each material.
    label_factor, label_interval
        What the labels alone ask for: the factor before shrinkage; equal to the former otherwise.
    label_weight
        Weight of the labels against the model's usual factor; 1 without shrinkage.
    usual
        The model's usual factor, where it was asked for.
    forces, energies, stress, retention
        Before and after; ``None`` where the labels do not tell.
    """

    estimator: Estimator
    factor: float
    interval: tuple[float, float]
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
    forces: ForceCheck
    energies: EnergyCheck | None
    stress: StressCheck | None
    retention: FactorRetention | None

    @property
    def correction(self) -> ScalarCorrection:
        """What the corrected model consists of besides its parent."""
        return ScalarCorrection(self.factor, self.references)

    @property
    def resolved(self) -> bool:
        """Whether the interval leaves out 1, no correction at all."""
        low, high = self.interval
        return not low <= 1.0 <= high


def fit_scalar(
    potential: Potential,
    frames: Sequence[Frame],
    *,
    estimator: Estimator = DEFAULT_ESTIMATOR,
    references: Mapping[str, float] | None = None,
) -> ScalarFit:
    """Fit one factor to the forces of labelled frames.

    All frames get one factor, and are meant to be of one material; with several, the factor is that of
    all their components together, the materials count as the independent units, and each is listed.

    Parameters
    ----------
    potential
        Any model, foreign calculators included.
    frames
        At least one with forces, as from ``umlip_bench.datasets.load("one.xyz").frames``.
    estimator
        ``rotate``, ``mse`` or ``shrunk``; the last evaluates the model on the embedded set too.
    references
        Energies in eV of every element in place of the model's own references, e.g. of isolated atoms
        for a foreign calculator, whose references count as zero otherwise.

    Raises
    ------
    CorrectionError
        If the labels hold no forces, an element lacks its reference, no positive factor helps, or the
        model's usual factor cannot be had for ``shrunk``.
    StructureError
        If the model cannot evaluate a frame.
    """
    _check_references(frames, references)
    if estimator is Estimator.SHRUNK:
        _check_functional(potential)
    compared = compare(potential, frames)
    reference = None
    if estimator is Estimator.SHRUNK:
        fitted = {frame.composition for frame in frames}
        reference = reference_without(reference_materials(potential), fitted)
    return scalar_fit(
        compared, fingerprint(frames), estimator, reference=reference, references=references
    )


def reference_materials(potential: Potential) -> tuple[MaterialComparison, ...]:
    """A model on the materials of the reference set that it can be evaluated on.

    Raises
    ------
    CorrectionError
        If the model was trained on another functional than the set.
    """
    _check_functional(potential)
    found: list[MaterialComparison] = []
    for frames in datasets.load(REFERENCE_SET).by_system().values():
        try:
            found += compare(potential, frames)
        except StructureError:  # an element that it does not know
            continue
    return tuple(found)


def reference_without(materials: Sequence[MaterialComparison], compositions: set[str]) -> Reference:
    """The reference set and the model's usual factor on it, without some compositions.

    Raises
    ------
    CorrectionError
        If the model gives usable forces for too few of the materials.
    """
    others = tuple(m for m in materials if m.frames[0].composition not in compositions)
    return Reference(others, usual_factor(force_sums(with_forces(m.frames)) for m in others))


def _check_functional(potential: Potential) -> None:
    """Factors against labels of another functional would say something else."""
    functional = potential.card.level_of_theory.functional
    expected = datasets.load(REFERENCE_SET).manifest.level_of_theory.functional
    if functional not in (expected, "unknown"):
        raise CorrectionError(
            f"{potential.card.name} was trained on {functional}, and its usual factor would be taken "
            f"from {REFERENCE_SET}, which is {expected}; use the estimator mse"
        )


def scalar_fit(
    materials: Sequence[MaterialComparison],
    sha256: str,
    estimator: Estimator,
    *,
    reference: Reference | None,
    references: Mapping[str, float] | None = None,
) -> ScalarFit:
    """The fit, once the model has been evaluated; see `fit_scalar`.

    Parameters
    ----------
    materials
        The labelled frames, compared.
    sha256
        Their digest.
    estimator
        ``shrunk`` needs `reference`.
    reference
        The model on the reference set, without these materials.
    references
        As in `fit_scalar`.

    Raises
    ------
    CorrectionError
        As `fit_scalar`.
    """
    moving = [MaterialComparison(m.name, f) for m in materials if (f := with_forces(m.frames))]
    everything = [frame for material in materials for frame in material.frames]
    frames = [frame for material in moving for frame in material.frames]
    if not frames:
        largest = max(map(rms_force, everything))
        raise CorrectionError(
            f"the labels hold no forces to fit a factor to: the largest root mean square force of a frame "
            f"is {largest:.2g} eV/Å, below DFT's noise of {MIN_RMS_FORCE} eV/Å. Label a distorted "
            "structure, e.g. a frame of molecular dynamics at 1000 K"
        )
    usual = None if reference is None else reference.usual
    fit = _estimate(estimator, usual)
    sums = [force_sums(material.frames) for material in moving]
    label = label_factor(estimator, sums)
    result = fit(label)
    total = np.concatenate(sums).sum(axis=0)
    return ScalarFit(
        estimator=estimator,
        factor=result.factor,
        interval=result.interval,
        references=references,
        labels=Labels(
            sha256=sha256,
            n_frames=len(frames),
            n_at_rest=len(everything) - len(frames),
            n_components=sum(frame.forces_reference.size for frame in frames),
            rms_force=float(np.sqrt(np.mean([rms_force(frame) ** 2 for frame in frames]))),
        ),
        slope=float(slope_of(total)),
        inverse=float(inverse_of(total)),
        r2=float(r2_of(total)),
        materials=tuple(map(_factors, moving)),
        label_factor=label.factor,
        label_interval=label.interval,
        label_weight=1.0 if usual is None else usual.weight(label),
        usual=usual,
        forces=_force_check(frames, sums, lambda some: fit(label_factor(estimator, some)).factor),
        energies=_energy_check(materials, result.factor),
        stress=_stress_check(everything, result.factor),
        retention=None if reference is None else _retention(reference, result.factor),
    )


def _estimate(estimator: Estimator, usual: UsualFactor | None) -> Callable[[LogFactor], LogFactor]:
    """From the labels' own factor to the estimator's."""
    if estimator is not Estimator.SHRUNK:
        return lambda label: label
    if usual is None:
        raise CorrectionError("the estimator shrunk needs the model's usual factor")
    return usual.shrink


def label_factor(estimator: Estimator, materials: Sequence[FloatArray]) -> LogFactor:
    """The labels' own factor: ``rotate``'s, or that of least squared error which ``shrunk`` starts from.

    Parameters
    ----------
    estimator
        Any.
    materials
        For each material the sums over its frames, shape (n_frames, 5). The frames are the independent
        units of one material, the materials of several.

    Raises
    ------
    CorrectionError
        If no positive factor helps.
    """
    form = Estimator.ROTATE if estimator is Estimator.ROTATE else Estimator.MSE
    if len(materials) == 1:
        return log_factor(materials[0], form)
    return log_factor(np.array([sums.sum(axis=0) for sums in materials]), form)


def _factors(material: MaterialComparison) -> MaterialFactors:
    total = force_sums(material.frames).sum(axis=0)
    return MaterialFactors(
        name=material.name,
        n_frames=len(material.frames),
        slope=float(slope_of(total)),
        # A model without any force here has no factor that would help.
        inverse=float(inverse_of(total)) if total[SUM_YY] > 0 else float("nan"),
        r2=float(r2_of(total)) if total[SUM_YY] > 0 else 0.0,
    )


def _force_check(
    frames: Sequence[FrameComparison],
    sums: Sequence[FloatArray],
    factor_from: Callable[[Sequence[FloatArray]], float],
) -> ForceCheck:
    """Forces before and after; `sums` are those of the frames, by material."""
    every = np.concatenate(sums)
    split, factors = ONE_FRAME, [factor_from(sums)] * len(frames)
    if len(frames) > 1:
        try:
            split, factors = LEAVE_ONE_OUT, [factor_from(rest) for rest in _leaving_one_out(sums)]
        except CorrectionError:
            split = UNDEFINED
    xx, xy = every[:, SUM_XX], every[:, SUM_XY]
    return ForceCheck(
        split=split,
        slope=BeforeAfter(float(xy.sum() / xx.sum()), float(np.array(factors) @ xy / xx.sum())),
        mae=BeforeAfter(force_mae(frames, [1.0] * len(frames)), force_mae(frames, factors)),
    )


def _leaving_one_out(sums: Sequence[FloatArray]) -> Iterator[list[FloatArray]]:
    """The sums of all other frames, for each frame in turn."""
    for k, own in enumerate(sums):
        for frame in range(len(own)):
            rest = [*sums[:k], np.delete(own, frame, axis=0), *sums[k + 1 :]]
            yield [each for each in rest if len(each)]


def _energy_check(materials: Sequence[MaterialComparison], factor: float) -> EnergyCheck | None:
    pairs = [energy_differences(material) for material in materials]
    x: FloatArray = np.concatenate([reference for reference, _ in pairs])
    y: FloatArray = np.concatenate([model for _, model in pairs])
    if not len(x):
        return None
    before, after = np.abs(y - x).mean(), np.abs(factor * y - x).mean()
    return EnergyCheck(BeforeAfter(float(before), float(after)), len(x))


def _stress_check(frames: Sequence[FrameComparison], factor: float) -> StressCheck | None:
    reference, model = stresses(frames)
    if not len(reference):
        return None
    slope, mae = stress_slopes(reference, model, factor)
    return StressCheck(slope, mae, len(reference))


def _retention(reference: Reference, factor: float) -> FactorRetention:
    pairs = {
        m.name: (
            force_mae(m.frames, [1.0] * len(m.frames)),
            force_mae(m.frames, [factor] * len(m.frames)),
        )
        for m in reference.materials
    }
    before, after = np.median(list(pairs.values()), axis=0)
    return FactorRetention(
        mae=BeforeAfter(float(before), float(after)),
        n_materials=len(pairs),
        worse=tuple(name for name, (old, new) in pairs.items() if new > old),
    )


def _check_references(frames: Sequence[Frame], references: Mapping[str, float] | None) -> None:
    if references is None:
        return
    lacking = sorted({s for frame in frames for s in frame.atoms.symbols} - set(references))
    if lacking:
        raise CorrectionError(
            f"reference energies are given for {', '.join(references) or 'no element'}, but the labels "
            f"also hold {', '.join(lacking)}; give all elements or none"
        )
