"""The factor on a model's forces that labels ask for, and how far it can be trusted.

Notation as in `umlip_bench.analysis.softening`: x is DFT, y the model, over the force components of
labelled frames; c is the factor on the model. Two closed forms:

    rotate  c = sum(xx) / sum(xy), one over the slope: the correction of B. Deng et al., npj Comput.
            Mater. 11, 9 (2025)
    mse     c = sum(xy) / sum(yy), the factor of least squared error

They differ by r2, rotate being the larger: it takes noise for softness.

Uncertainty. Frame i of a material, of the amplitude a_i (log of the model's root mean square force),
has a factor of its own:

    log c_i = const - b a_i + e_i,    var(e_i) = q (1 / (components m) + state²),    q = (1 - r2) / r2

- q / (components m) is what finitely many atoms leave open: regression of x on y through the origin with n
  independent components has var(log c) = q / n. An atom has three, of which neighbours, which pull on the
  same bonds, leave two. Atoms that symmetry makes equal count once (`distinct_atoms`).
- q state² is the scatter between frames however large the cell: what a model does not explain at all, it does
  not explain alike in all states.
- b is the drift: the smaller the forces, the softer the model. Models trained on relaxations show it on all
  sets measured (CHGNet, M3GNet-MP: 0.1 to 0.5), where it is by far the largest part of what differs between
  states; models trained on hot structures hardly (MatPES: -0.1 to 0.1). So it is the model's, and measured
  on the reference set (`usual_drift`). The softer a material is in a model, the faster does that pass as
  forces grow, since it is the wells that are too shallow: b rises with log c, by as much in all four models
  (`softness`). Over materials b = sqrt(s) (usual drift ± drift_spread) + s softness log c, a normal prior
  that labels of several amplitudes update (Bayesian linear regression).
- s = min(1, q / linear): a model that is proportional to DFT needs one factor at every amplitude, since
  atoms of one frame have forces of many sizes.

Names are those of `umlip_bench.finetune.factor_law.Law`. The scatter that the labels themselves show about
the drift is pooled with the law in proportion to degrees of freedom, as for moderated t statistics
(G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 3, 3 (2004)).

The interval is a prediction: it is to hold the factor that states of use ask for. Where these are told,
labels are carried to their amplitude along the drift; where not, the amplitude of use is unknown, and the
interval is several times as wide.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from umlip_bench.analysis.intervals import CONFIDENCE
from umlip_bench.analysis.softening import (
    N_COMPONENTS,
    N_SUMS,
    SUM_XX,
    SUM_XY,
    SUM_YY,
    component_sums,
    r2_of,
)
from umlip_bench.finetune.estimators import Estimator
from umlip_bench.finetune.factor_law import LAW, Drift, Law
from umlip_bench.ground.errors import CorrectionError

FloatArray = NDArray[np.float64]

N_DISTINCT = N_SUMS
"""Column of `frame_sums` after those of `component_sums`: atoms that symmetry does not make equal."""
SAME_FORCE = 0.01
"""Of the root mean square force: atoms whose forces are equal to that, on both sides, count once."""
LEAST_SPREAD = 0.1
"""Of the log forces: frames of a material that differ by less tell nothing of the drift."""


@dataclass(frozen=True)
class LogFactor:
    """Logarithm of a factor and its uncertainty.

    Parameters
    ----------
    value
        log c, dimensionless.
    variance
        Of `value`.
    dof
        Degrees of freedom of `variance`.
    """

    value: float
    variance: float
    dof: float

    @property
    def factor(self) -> float:
        """The factor c itself."""
        return math.exp(self.value)

    @property
    def log_interval(self) -> tuple[float, float]:
        """Ends of the 95 % interval of log c, by Student's t."""
        half = scipy.stats.t.ppf(0.5 + CONFIDENCE / 2, self.dof) * math.sqrt(self.variance)
        return self.value - half, self.value + half

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the 95 % interval of c, symmetric in log c."""
        low, high = self.log_interval
        return math.exp(low), math.exp(high)


@dataclass(frozen=True)
class States:
    """States that a factor is to serve, as far as the uncorrected model tells.

    Parameters
    ----------
    amplitude
        Mean log of the root mean square force in eV/Å, states weighted by their squared forces.
    concentration
        Sum of the squared weights: one over the number of states, if they are alike.
    n
        Number of states.
    """

    amplitude: float
    concentration: float
    n: int

    @classmethod
    def of(cls, sums: FloatArray) -> States:
        """From the model's own sums of each state, of which only those over yy are used.

        Raises
        ------
        CorrectionError
            If the model gives no forces there.
        """
        squares, sizes = sums[:, SUM_YY], sums[:, N_COMPONENTS]
        moving = squares > 0
        if not moving.any():
            raise CorrectionError(
                "the model gives no forces in the states of use, so that they have no amplitude; give "
                "distorted structures, e.g. frames of molecular dynamics"
            )
        weights = squares[moving] / squares[moving].sum()
        amplitudes = 0.5 * np.log(squares[moving] / sizes[moving])
        return cls(float(weights @ amplitudes), float((weights**2).sum()), int(moving.sum()))


@dataclass(frozen=True)
class Evidence:
    """What labels say.

    Parameters
    ----------
    value
        log c of all labels together.
    amplitude
        Their mean log force, as of `States`.
    concentration
        One over the number of labels that they are worth.
    scatter, dof
        Variance of one frame's log c about the drift, and its degrees of freedom.
    drift, drift_variance
        b and its variance.
    amplitudes
        Variance of the log force between states.
    untold
        As of `Law`.
    """

    value: float
    amplitude: float
    concentration: float
    scatter: float
    dof: float
    drift: float
    drift_variance: float
    amplitudes: float
    untold: float

    @property
    def mean(self) -> LogFactor:
        """The factor of many more states just like the labels."""
        return LogFactor(self.value, self.scatter * self.concentration, self.dof)

    def at(self, states: States | None) -> LogFactor:
        """The factor of states of use; ``None`` where they are not told."""
        if states is None:
            share = self.concentration + 1.0 / self.untold
            between = (self.drift**2 + self.drift_variance) * self.amplitudes
            return LogFactor(self.value, (self.scatter + between) * share, self.dof)
        further = states.amplitude - self.amplitude
        variance = self.scatter * (self.concentration + states.concentration)
        variance += self.drift_variance * further**2
        return LogFactor(self.value - self.drift * further, variance, self.dof)


def frame_sums(reference: FloatArray, model: FloatArray) -> FloatArray:
    """The sums of one frame that its factor and the uncertainty follow from.

    Parameters
    ----------
    reference, model
        x and y, shape (n_atoms, 3), in eV/Å.

    Returns
    -------
    ndarray
        Shape (6,): those of `component_sums`, then `distinct_atoms`.
    """
    return np.append(component_sums(reference, model), distinct_atoms(reference, model))


def distinct_atoms(reference: FloatArray, model: FloatArray) -> int:
    """Atoms that symmetry does not make equal: those with other lengths of x and y than all before.

    Parameters
    ----------
    reference, model
        x and y, shape (n_atoms, 3), in eV/Å.
    """
    lengths = np.stack([np.linalg.norm(each, axis=1) for each in (reference, model)], axis=1)
    scale = math.sqrt(float(np.mean(lengths**2))) or 1.0
    return len(np.unique(np.round(lengths / (SAME_FORCE * scale)), axis=0))


def closed_form(sums: FloatArray, estimator: Estimator) -> float:
    """The factor from sums over frames.

    Parameters
    ----------
    sums
        Of each frame as from `frame_sums`, shape (n_frames, 6).
    estimator
        ``rotate`` or ``mse``.

    Raises
    ------
    CorrectionError
        If no positive factor would bring the model nearer to DFT.
    """
    total = sums.sum(axis=0)
    if not total[SUM_XY] > 0:
        raise CorrectionError(
            "the model's forces do not point along DFT's (sum of products "
            f"{total[SUM_XY]:.3g} eV²/Å²): no positive factor brings them nearer; check the labels "
            "with `umlip-bench data check`"
        )
    if estimator is Estimator.ROTATE:
        return float(total[SUM_XX] / total[SUM_XY])
    if estimator is Estimator.MSE:
        return float(total[SUM_XY] / total[SUM_YY])
    raise ValueError(f"{estimator} has no closed form in the sums alone")


def evidence(
    sums: FloatArray,
    estimator: Estimator,
    usual_drift: Drift | None = None,
    *,
    several_materials: bool = False,
    law: Law = LAW,
) -> Evidence:
    """What labels say of the factor; see the module for the method.

    Parameters
    ----------
    sums
        As in `closed_form`. The frames' contributions are weighted as the estimator weighs them, so
        that n frames of unequal forces count as (sum w)²/sum(w²).
    estimator
        ``rotate`` or ``mse``.
    usual_drift
        The model's; ``None`` where it is not known.
    several_materials
        Whether each row is a material of its own.
    law
        How factors scatter.

    Raises
    ------
    CorrectionError
        As in `closed_form`.
    """
    usual = usual_drift or Drift.of_any_model(law)
    line = _line(sums, estimator, law)
    scatter = line.scatter + (law.materials**2 if several_materials else 0.0)
    spread_of_drift = line.bent * (usual.variance + law.drift_spread**2)
    prior = scatter / spread_of_drift
    expected = math.sqrt(line.bent) * usual.mean + line.bent * law.softness * line.value
    drift = (expected * prior + line.fall) / (prior + line.precision)
    drift_variance = spread_of_drift * prior / (prior + line.precision)

    concentration = float((line.shares**2).sum())
    own_dof, n = 1.0 / concentration - 1.0, len(line.shares)
    spread, dof = law.amplitudes**2, law.dof
    if n > 1:
        weights = line.shares**2 / concentration * n / (n - 1)
        own = float(weights @ (line.off + drift * line.further) ** 2)
        scatter = (law.dof * scatter + own_dof * own) / (law.dof + own_dof)
        dof += own_dof
        own = float(weights @ line.further**2)
        spread = (law.amplitudes_dof * spread + own_dof * own) / (law.amplitudes_dof + own_dof)
    return Evidence(
        value=line.value,
        amplitude=line.amplitude,
        concentration=concentration,
        scatter=scatter,
        dof=dof,
        drift=drift,
        drift_variance=drift_variance,
        amplitudes=spread,
        untold=law.untold,
    )


@dataclass(frozen=True, eq=False)
class _Line:
    """Log c of the frames of one material against their amplitudes, about the means of both.

    `value` and `amplitude` are these means, `off` and `further` what frames are off, `shares` the weights;
    `scatter` and `bent` (s) follow from the law. The slope that the frames alone would give is
    -fall / precision, both over the scatter.
    """

    value: float
    shares: FloatArray
    off: FloatArray
    further: FloatArray
    amplitude: float
    scatter: float
    bent: float

    @property
    def fall(self) -> float:
        return -float(self.shares @ (self.off * self.further)) / float((self.shares**2).sum())

    @property
    def precision(self) -> float:
        return float(self.shares @ self.further**2) / float((self.shares**2).sum())


def _line(sums: FloatArray, estimator: Estimator, law: Law) -> _Line:
    value = math.log(closed_form(sums, estimator))
    sums = sums[sums[:, SUM_YY] > 0]
    total, n = sums.sum(axis=0), len(sums)
    rotate = estimator is Estimator.ROTATE
    shares = sums[:, SUM_XX if rotate else SUM_YY] / total[SUM_XX if rotate else SUM_YY]
    # Linearised influence of each frame on log c, over its weight: how far its own log c is off.
    off = (-1.0 if rotate else 1.0) * (sums[:, SUM_XY] / total[SUM_XY] / shares - 1.0)
    amplitudes = 0.5 * np.log(sums[:, SUM_YY] / sums[:, N_COMPONENTS])
    amplitude = float(shares @ amplitudes)
    residual = residual_of(total, law)
    bent = min(1.0, residual / law.linear)
    components = law.components * float(total[N_DISTINCT]) / n
    scatter = residual * (1.0 / components + law.state**2)
    return _Line(value, shares, off, amplitudes - amplitude, amplitude, scatter, bent)


def usual_drift(materials: Iterable[FloatArray], law: Law = LAW) -> Drift:
    """A model's usual drift: the median of the slopes that the frames of several materials show.

    From each slope is taken what the material's own softness adds to it. The median, since a few oxides fall
    off far more than the rest. Its variance is that of a median of normal slopes, pi/2 times the mean's; it
    is combined with what is known of any model, a normal prior.

    Parameters
    ----------
    materials
        For each the sums over its frames, as in `closed_form`; in all of them a positive factor helps.
    """
    prior = Drift.of_any_model(law)
    lines = [_line(sums, Estimator.MSE, law) for sums in materials]
    told = [line for line in lines if line.shares @ line.further**2 > LEAST_SPREAD**2]
    if not told:
        return prior
    slopes = np.array([line.fall / line.precision - law.softness * line.value for line in told])
    middle = float(np.median(slopes))
    # 1.4826: from the median absolute deviation to the standard deviation of a normal distribution.
    spread = max(1.4826 * float(np.median(np.abs(slopes - middle))), law.drift_spread)
    own, known = len(slopes) / (math.pi / 2 * spread**2), 1.0 / prior.variance
    return Drift((own * middle + known * prior.mean) / (own + known), 1.0 / (own + known))


def residual_of(total: FloatArray, law: Law = LAW) -> float:
    """The q = (1 - r2) / r2 that labels are taken to have; `total` are the sums over them, shape (6,).

    One force, or atoms that are all equal by symmetry, fit a factor whatever the model, and say nothing.
    """
    r2 = float(r2_of(total))
    # Rounding may take r2 above one where the model is proportional to DFT.
    found = max(1.0 - r2, 0.0) / r2
    components = 3.0 * (float(total[N_DISTINCT]) - 1.0)
    return (law.residual + components * found) / (1.0 + components)
