"""One factor on a model's energy surface, from the forces of labelled frames.

Only force components decide on the factor. Energies and stresses are not fitted: they are compared
before and after, energies as differences within a material, so that labels with another zero of energy
(raw DFT beside corrected, another code) do as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms

from umlip_bench import datasets
from umlip_bench.analysis.frames import FrameComparison, MaterialComparison
from umlip_bench.analysis.softening import SUM_XX, SUM_XY, SUM_YY, inverse_of, r2_of, slope_of
from umlip_bench.datasets import Frame
from umlip_bench.engine.prediction import predict
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
from umlip_bench.finetune.estimators import Estimator
from umlip_bench.finetune.factor_method import FactorOfLabels
from umlip_bench.finetune.factor_prior import UsualFactor, usual_factor
from umlip_bench.finetune.factors import (
    FloatArray,
    States,
    evidence,
    frame_sums,
)
from umlip_bench.finetune.measures import held_out_check
from umlip_bench.finetune.refusals import unsupported, worsened
from umlip_bench.finetune.retention import REFERENCE_SET, of_other_functional
from umlip_bench.finetune.scalar_fit import (
    LEAVE_ONE_OUT,
    ONE_FRAME,
    UNDEFINED,
    EnergyCheck,
    FactorRetention,
    ForceCheck,
    Labels,
    MaterialFactors,
    ScalarFit,
    StressCheck,
)
from umlip_bench.ground.errors import CorrectionError, StructureError
from umlip_bench.potentials.protocol import Potential


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


def fit_scalar(
    potential: Potential,
    frames: Sequence[Frame],
    *,
    estimator: Estimator = Estimator.SHRUNK,
    references: Mapping[str, float] | None = None,
    reference: Callable[[], tuple[MaterialComparison, ...]] | None = None,
    states: Sequence[Atoms] = (),
    held_out: Sequence[Frame] = (),
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
    reference
        Gives the model on the reference set, where that is kept; else it is evaluated.
    states
        Structures like those that the factor is to serve, e.g. frames of one's own dynamics; they need no
        labels. ``shrunk`` carries the labels' factor to the amplitude of the model's forces there.
    held_out
        Frames that are only measured, before and after.

    Raises
    ------
    CorrectionError
        If the labels hold no forces, an element lacks its reference, no positive factor helps, or the
        model's usual factor cannot be had for ``shrunk``.
    StructureError
        If the model cannot evaluate a frame or a state.
    """
    _check_references(frames, references)
    if estimator is Estimator.SHRUNK:
        _check_functional(potential)
    compared = compare(potential, frames)
    others = None
    if estimator is Estimator.SHRUNK:
        materials = reference_materials(potential) if reference is None else reference()
        others = reference_without(materials, {frame.composition for frame in frames})
    use = states_of(potential, states) if states else None
    fit = _scalar_fit(compared, fingerprint(frames), estimator, others, references, use)
    return replace(fit, held_out=held_out_check(potential, fit.put_on(potential), held_out))


def states_of(potential: Potential, states: Sequence[Atoms]) -> States:
    """What the model's forces in some structures say of them as states of use.

    Raises
    ------
    CorrectionError
        If the model gives no forces there.
    StructureError
        If it cannot evaluate one of them.
    """
    forces = [each.forces for each in predict(potential, states)]
    return States.of(np.array([frame_sums(each, each) for each in forces]))


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
    if of_other_functional(potential):
        functional = potential.card.level_of_theory.functional
        expected = datasets.load(REFERENCE_SET).manifest.level_of_theory.functional
        raise CorrectionError(
            f"{potential.card.name} was trained on {functional}, and its usual factor would be taken "
            f"from {REFERENCE_SET}, which is {expected}; use the estimator mse"
        )


def _scalar_fit(
    materials: Sequence[MaterialComparison],
    sha256: str,
    estimator: Estimator,
    reference: Reference | None,
    references: Mapping[str, float] | None,
    states: States | None,
) -> ScalarFit:
    """The fit, once the model has been evaluated; ``shrunk`` needs `reference`."""
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
    sums = [force_sums(material.frames) for material in moving]
    found = factor_of(estimator, usual, sums, states)
    label, result = found.own, found.result
    refusal = found.refusal([(f.forces_reference, f.forces_model) for f in frames])
    factor = result.factor if refusal is None else 1.0
    total = np.concatenate(sums).sum(axis=0)
    return ScalarFit(
        estimator=estimator,
        factor=factor,
        interval=result.interval,
        refusal=refusal,
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
        states=states,
        drift=found.drift,
        forces=_force_check(
            frames,
            sums,
            factor,
            lambda rest: 1.0 if refusal else factor_of(estimator, usual, rest).result.factor,
        ),
        energies=_energy_check(materials, factor),
        stress=_stress_check(everything, factor),
        retention=None if reference is None else _retention(reference, factor),
    )


def factor_of(
    estimator: Estimator,
    usual: UsualFactor | None,
    materials: Sequence[FloatArray],
    states: States | None = None,
) -> FactorOfLabels:
    """The factor that an estimator makes of sums over frames.

    Parameters
    ----------
    estimator
        ``rotate`` and ``mse`` are the closed forms, whatever the states; ``shrunk`` starts from that of
        ``mse``, carries it to the states and draws it towards the usual factor.
    usual
        The model's usual factor; for ``shrunk``.
    materials
        For each material the sums over its frames, shape (n_frames, 6). The frames are the independent
        units of one material, the materials of several.
    states
        States of use; ``None`` if they are not told.

    Raises
    ------
    CorrectionError
        If no positive factor helps.
    """
    several = len(materials) > 1
    units = np.array([sums.sum(axis=0) for sums in materials]) if several else materials[0]
    if estimator is not Estimator.SHRUNK:
        found = evidence(units, estimator, several_materials=several)
        own = found.at(None)
        return FactorOfLabels(own, own, found.drift)
    assert usual is not None
    found = evidence(units, Estimator.MSE, usual.drift, several_materials=several)
    own = found.at(states)
    here = usual.shrink(found.mean).factor
    missing = unsupported(units)
    return FactorOfLabels(
        own,
        usual.shrink(own),
        found.drift,
        lambda pairs: missing or worsened(pairs, here),
    )


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
    factor: float,
    factor_from: Callable[[Sequence[FloatArray]], float],
) -> ForceCheck:
    """Forces before and after; `sums` are those of the frames, by material, `factor` is from all of them."""
    every = np.concatenate(sums)
    split, factors = ONE_FRAME, [factor] * len(frames)
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
