"""Methods raced on several materials: the same labels, the same held-out frames, the same other judges.

Labels are drawn as for a curve (`umlip_bench.finetune.curve.draw`). Beside the forces, energies and stresses
of held-out frames a fit is judged by what the data sets hold besides of the same crystal: force sets of
phonons, as the slope of the rows of the Hessian, and surfaces as cut, as the ratio of their energies. The
independent unit is the material. Everything is arithmetic on the predictions that the experiment's journal
keeps, so that the same command goes on after an interruption.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from umlip_bench.analysis.frames import MaterialComparison
from umlip_bench.analysis.intervals import CONFIDENCE
from umlip_bench.analysis.softening import softening
from umlip_bench.datasets import Frame
from umlip_bench.datasets.cases import SurfaceCase
from umlip_bench.finetune.curve import ROUNDING, draw
from umlip_bench.finetune.experiment import NONE, Choice, Experiment, Planned, Trial
from umlip_bench.finetune.force_sets import ForceSet
from umlip_bench.finetune.measures import Measures, measure
from umlip_bench.finetune.method import Chosen

MIN_MATERIALS = 3
"""From two the interval of a mean says nothing."""
CURVATURE, SURFACE = "force set {}", "surface {}"
"""Names of the groups of frames that are judged besides."""


@dataclass(frozen=True, eq=False)
class RaceMaterial:
    """One material.

    Parameters
    ----------
    name
        With that of its data set.
    frames
        Its labelled frames: labels and held-out ones are drawn of them.
    force_sets, surfaces
        Of the same composition, from any data set of the same level of theory.
    """

    name: str
    frames: tuple[Frame, ...]
    force_sets: tuple[ForceSet, ...] = ()
    surfaces: tuple[SurfaceCase, ...] = ()


@dataclass(frozen=True)
class RacePlan:
    """Which fits are made of each material.

    Parameters
    ----------
    methods
        By the name that they race under; the seed of each fit is that of its draw.
    sizes
        Numbers of labels.
    seeds
        Number of draws, from seed 0.
    """

    methods: Mapping[str, Chosen]
    sizes: tuple[int, ...]
    seeds: int

    def fits(self, seed: int) -> Iterator[tuple[str, Chosen | None, int]]:
        """Name, method and number of labels of the fits of one draw; first the model as it is.

        Methods that leave no model to keep, training from scratch, get only the most labels.
        """
        yield NONE, None, 0
        largest = max(self.sizes)
        for n in sorted(self.sizes):
            for name, each in self.methods.items():
                if each.method.kept or n == largest:
                    yield name, each.seeded(seed), n

    @property
    def n_fits(self) -> int:
        """Of one material and model, those without a correction included."""
        return self.seeds * sum(1 for _ in self.fits(0))


@dataclass(frozen=True)
class RaceEntry:
    """One fit, or the model as it is.

    Parameters
    ----------
    model, material, method
        What was fitted to what, and how; `NONE` for no correction.
    n_labels, seed
        Number of labels and which draw of them; no correction has 0 labels.
    held_out
        Errors on the held-out frames; ``None`` if there is no fit.
    curvature
        Slope of the model's rows of the Hessian on DFT's, over the amplitudes of the force sets; nan without.
    surface
        Median over the faces of the model's surface energy over DFT's, as cut; nan without such.
    seconds
        What the fit took.
    failure
        Why there is none.
    """

    model: str
    material: str
    method: str
    n_labels: int
    seed: int
    held_out: Measures | None
    curvature: float
    surface: float
    seconds: float
    failure: str | None = None


@dataclass(frozen=True)
class RaceRatio:
    """Error after a correction over before, over materials.

    Parameters
    ----------
    value
        Geometric mean over materials of the geometric mean over draws; nan where no material has it.
    low, high
        95 % interval over materials by Student's t of the logarithms; ``None`` for less than `MIN_MATERIALS`.
    n
        Materials.
    n_worse
        Materials whose error is larger than before.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    n_worse: int


@dataclass(frozen=True)
class RaceResult:
    """One method and number of labels with one model, over materials.

    Parameters
    ----------
    model, method, n_labels
        What it is of.
    n_fits, n_failed
        Fits that the numbers are over, and fits that failed.
    force, energy, stress
        Held-out errors after over before; those of no correction are one.
    force_slope, curvature, surface
        Medians over materials of means over draws; dimensionless, nan where no material has it.
    n_curvature, n_surface
        Materials that have it.
    seconds
        Median over materials of the mean time of a fit.
    """

    model: str
    method: str
    n_labels: int
    n_fits: int
    n_failed: int
    force: RaceRatio
    energy: RaceRatio
    stress: RaceRatio
    force_slope: float
    curvature: float
    n_curvature: int
    surface: float
    n_surface: int
    seconds: float


def entries(
    experiment: Experiment,
    materials: Sequence[RaceMaterial],
    plan: RacePlan,
    *,
    on_entry: Callable[[], None] = lambda: None,
) -> Iterator[RaceEntry]:
    """Make all fits of one model, but for those that the experiment's journal already holds.

    Parameters
    ----------
    experiment
        Of the model.
    materials
        Each with more frames than the largest number of labels.
    plan
        What to fit.
    on_entry
        Called after every entry, also one that was there.

    Raises
    ------
    CorrectionError
        If a material has too few labels, or a method cannot be applied to the model.
    StructureError
        If the model cannot evaluate a structure.
    """
    model, largest = experiment.potential.card.name, max(plan.sizes)
    for each in plan.methods.values():
        each.method.check(experiment.potential)
    draws = [draw(material.frames, largest, plan.seeds) for material in materials]
    for material, drawn in zip(materials, draws, strict=True):
        elsewhere = tuple(_judged_besides(material))
        fits = [
            (
                name,
                seed,
                Planned(
                    chosen,
                    Choice(f"{material.name}, draw {seed}", order[:n], drawn.held_out, elsewhere),
                ),
            )
            for seed, order in enumerate(drawn.orders)
            for name, chosen, n in plan.fits(seed)
        ]
        # A material at a time, so that there is something to look at long before the end.
        experiment.plan([planned for *_, planned in fits])
        for name, seed, planned in fits:
            trial = experiment.trial(planned)
            n = len(planned.choice.labels)
            yield _entry((model, material.name, name, n, seed), material, trial)
            on_entry()


def _judged_besides(material: RaceMaterial) -> Iterator[Frame]:
    """What of force sets and surfaces has to be evaluated; labels of surfaces are not needed for that."""
    for k, each in enumerate(material.force_sets):
        yield from each.frames(CURVATURE.format(k))
    for k, case in enumerate(material.surfaces):
        for i, atoms in enumerate((case.bulk, case.slab)):
            nothing = np.zeros((len(atoms), 3))
            yield Frame(atoms, math.nan, nothing, None, SURFACE.format(k), i)


def _entry(head: tuple[str, str, str, int, int], material: RaceMaterial, trial: Trial) -> RaceEntry:
    done = trial.fitted
    if done.failure is not None:
        return RaceEntry(*head, None, math.nan, math.nan, done.seconds, done.failure)
    besides = {group.name: group for group in trial.elsewhere}
    return RaceEntry(
        *head,
        measure(trial.judged),
        _curvature(material.force_sets, besides),
        _surface(material.surfaces, besides),
        done.seconds,
    )


def _curvature(sets: Sequence[ForceSet], besides: dict[str, MaterialComparison]) -> float:
    """Slope of the rows of the Hessian; see `umlip_bench.finetune.force_sets`."""
    if not sets:
        return math.nan
    rows = []
    for k, each in enumerate(sets):
        rest, *displaced = besides[CURVATURE.format(k)].frames
        changes = np.array([rest.forces_model - one.forces_model for one in displaced])
        rows.append((changes / each.lengths[:, None, None]).ravel())
    reference = np.concatenate([each.rows.ravel() for each in sets])
    return softening(reference, np.concatenate(rows)).slope


def _surface(cases: Sequence[SurfaceCase], besides: dict[str, MaterialComparison]) -> float:
    """Median of the ratios of surface energies, (E_slab - N e_bulk) / (2 area)."""
    if not cases:
        return math.nan
    ratios = []
    for k, case in enumerate(cases):
        bulk, slab = besides[SURFACE.format(k)].frames
        excess = slab.energy_model - bulk.energy_model / bulk.n_atoms * slab.n_atoms
        ratios.append(excess / (2 * case.area) / case.surface_energy)
    return float(np.median(ratios))


# ---- over materials


def summarise(found: Sequence[RaceEntry]) -> tuple[RaceResult, ...]:
    """What came of it, by model, method and number of labels, in the order in which they were made."""
    groups: dict[tuple[str, str, int], list[RaceEntry]] = {}
    for entry in found:
        groups.setdefault((entry.model, entry.method, entry.n_labels), []).append(entry)
    before = {
        (entry.model, entry.material): entry.held_out
        for entry in found
        if entry.method == NONE and entry.held_out is not None
    }
    return tuple(_result(key, members, before) for key, members in groups.items())


def _result(
    key: tuple[str, str, int],
    members: Sequence[RaceEntry],
    before: dict[tuple[str, str], Measures],
) -> RaceResult:
    fitted = [each for each in members if each.held_out is not None]
    by_material: dict[str, list[RaceEntry]] = {}
    for each in fitted:
        by_material.setdefault(each.material, []).append(each)

    def ratio(name: str) -> RaceRatio:
        logs = []
        for material, own in by_material.items():
            start = getattr(before[key[0], material], name)
            ends = np.array([getattr(each.held_out, name) for each in own])
            if start > 0 and np.isfinite(ends).all() and (ends > 0).all():
                logs.append(float(np.log(ends / start).mean()))
        return geometric(logs)

    def median(value: Callable[[RaceEntry], float]) -> tuple[float, int]:
        means = [float(np.mean([value(each) for each in own])) for own in by_material.values()]
        known = [mean for mean in means if math.isfinite(mean)]
        return (float(np.median(known)) if known else math.nan), len(known)

    curvature, n_curvature = median(lambda each: each.curvature)
    surface, n_surface = median(lambda each: each.surface)
    return RaceResult(
        *key,
        n_fits=len(fitted),
        n_failed=len(members) - len(fitted),
        force=ratio("force_mae"),
        energy=ratio("difference_mae"),
        stress=ratio("stress_mae"),
        force_slope=median(lambda each: _slope(each))[0],
        curvature=curvature,
        n_curvature=n_curvature,
        surface=surface,
        n_surface=n_surface,
        seconds=median(lambda each: each.seconds)[0],
    )


def _slope(entry: RaceEntry) -> float:
    return math.nan if entry.held_out is None else entry.held_out.force_slope


def geometric(logs: Sequence[float]) -> RaceRatio:
    """The ratio over materials, from the logarithm of each."""
    n = len(logs)
    if not n:
        return RaceRatio(math.nan, None, None, 0, 0)
    values = np.array(logs)
    value, low, high = float(np.exp(values.mean())), None, None
    if n >= MIN_MATERIALS and values.std() > ROUNDING:
        half = scipy.stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1) * values.std(ddof=1) / math.sqrt(n)
        low, high = (float(np.exp(values.mean() + sign * half)) for sign in (-1, 1))
    return RaceRatio(value, low, high, n, int((values > 0).sum()))
