"""What plots of many values need: clouds or densities of points, distributions over cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gaussian_kde

from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.parity import Plotted
from umlip_bench.analysis.suite import AnySuite
from umlip_bench.analysis.summary import Row

FloatArray = NDArray[np.float64]

PARITY_FROM = 3
"""Points of one model; of fewer a parity plot says no more than a table."""
DOTS_UP_TO = 2000
"""Points of one model; of more, their density is drawn."""
ORIGIN_WITHIN = 0.4
"""Of the largest value, the smallest up to which axes begin at zero."""
BINS = 56
"""Of a density, along each axis."""
DISTRIBUTION_FROM = 10
"""Cases; of fewer only the points are shown."""
CURVE_POINTS = 80
TAIL = 2.0
"""Widths of the density's kernel that are drawn beyond the outermost cases."""
FAR = 4.0
"""Interquartile ranges beyond the quartiles at which a scale is off the picture."""
NAMED_IN_BIN = 3


@dataclass(frozen=True)
class Bin:
    """Points that fall into one square of a parity plot.

    Parameters
    ----------
    x0, x1, y0, y1
        Its edges.
    count
        Points in it.
    case
        The case that most of them are of.
    words
        Cases in it, the most frequent first.
    """

    x0: float
    x1: float
    y0: float
    y1: float
    count: int
    case: str
    words: str


@dataclass(frozen=True, eq=False)
class ParityPanel:
    """DFT and one model, value by value, over all cases.

    Parameters
    ----------
    side
        Label of the model.
    cases
        Of each point; empty where bins are shown.
    reference, model
        Shape (n,); empty where bins are shown.
    bins
        The density; empty where points are shown.
    n
        Number of points.
    slope
        Of the line through the origin, a row of the summary; ``None`` if there is none.
    """

    side: str
    cases: tuple[str, ...]
    reference: FloatArray
    model: FloatArray
    bins: tuple[Bin, ...]
    n: int
    slope: Row | None
    slope_is: str


@dataclass(frozen=True, eq=False)
class ParityPlot:
    """All models' parity of one quantity, on the same axes.

    Parameters
    ----------
    suite, variant, quantity
        What is plotted.
    low, high
        Ends of both axes.
    panels
        By model.
    """

    suite: str
    variant: str
    quantity: Plotted
    low: float
    high: float
    panels: tuple[ParityPanel, ...]


@dataclass(frozen=True)
class Quartiles:
    """First quartile, median, third quartile of the values of cases."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class SpreadSide:
    """Values of one model, one per case.

    Parameters
    ----------
    side
        Label of the model.
    cases, values
        Of each case that has one.
    quartiles
        ``None`` below `DISTRIBUTION_FROM` cases.
    curve
        Value and density, the highest of which is 1; empty below `DISTRIBUTION_FROM` cases.
    """

    side: str
    cases: tuple[str, ...]
    values: tuple[float, ...]
    quartiles: Quartiles | None
    curve: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class SpreadPlot:
    """How values spread over cases, models below each other.

    Parameters
    ----------
    suite, variant, name
        What is plotted; the name is for files.
    label
        In words.
    unit
        Empty for ratios.
    target
        What would be right.
    low, high
        Ends of the axis.
    outside
        Values off the axis.
    sides
        By model.
    """

    suite: str
    variant: str
    name: str
    label: str
    unit: str
    target: float
    low: float
    high: float
    outside: int
    sides: tuple[SpreadSide, ...]

    @property
    def n_cases(self) -> int:
        """Of the model with most."""
        return max(len(side.values) for side in self.sides)


def parity_plots(analysis: AnySuite, variant: str, sides: Sequence[Side]) -> tuple[ParityPlot, ...]:
    """One plot for each quantity that a suite compares in a variant."""
    found: dict[Plotted, dict[str, list[tuple[str, FloatArray, FloatArray]]]] = {}
    for side in sides:
        for record in side.run.of(analysis.name, side.model):
            for parity in analysis.parities(side.run.result(record), variant):
                points = found.setdefault(parity.quantity, {}).setdefault(side.label, [])
                points.append((record.case, parity.reference, parity.model))
    rows = {side.label: side for side in sides}
    plots = []
    for quantity, by_side in found.items():
        gathered = {label: _joined(points) for label, points in by_side.items()}
        if max(len(x) for _, x, _ in gathered.values()) < PARITY_FROM:
            continue
        both = np.concatenate([np.concatenate(each[1:]) for each in gathered.values()])
        low, high = _with_origin(float(both.min()), float(both.max()))
        panels = []
        for label, (cases, x, y) in gathered.items():
            side = rows[label]
            slope = (
                None
                if quantity.slope is None
                else side.run.find(analysis.name, variant, side.model, quantity.slope)
            )
            dense = len(x) > DOTS_UP_TO
            nothing = np.empty(0)
            panels.append(
                ParityPanel(
                    side=label,
                    cases=() if dense else tuple(cases.tolist()),
                    reference=nothing if dense else x,
                    model=nothing if dense else y,
                    bins=_density(cases, x, y, low, high) if dense else (),
                    n=len(x),
                    slope=slope if slope is not None and np.isfinite(slope.value) else None,
                    slope_is="" if slope is None else analysis.line(slope.metric),
                )
            )
        plots.append(ParityPlot(analysis.name, variant, quantity, low, high, tuple(panels)))
    return tuple(plots)


def _joined(
    points: Sequence[tuple[str, FloatArray, FloatArray]],
) -> tuple[NDArray[np.str_], FloatArray, FloatArray]:
    names = np.repeat(np.array([case for case, _, _ in points]), [len(x) for _, x, _ in points])
    x, y = (np.concatenate([point[k] for point in points]) for k in (1, 2))
    return names, x, y


def _with_origin(low: float, high: float) -> tuple[float, float]:
    """Ends for a line through the origin: it is shown where it is not far."""
    if 0.0 < low < ORIGIN_WITHIN * high:
        low = 0.0
    elif ORIGIN_WITHIN * low < high < 0.0:
        high = 0.0
    return _padded(low, high)


def _padded(low: float, high: float) -> tuple[float, float]:
    width = (high - low) or abs(high) or 1.0
    return low - 0.04 * width, high + 0.04 * width


def _density(
    cases: NDArray[np.str_], x: FloatArray, y: FloatArray, low: float, high: float
) -> tuple[Bin, ...]:
    """Squares that hold points."""
    edges = np.linspace(low, high, BINS + 1)
    column, row = (np.clip(np.searchsorted(edges, v, "right") - 1, 0, BINS - 1) for v in (x, y))
    place = column * BINS + row
    names, number = np.unique(cases, return_inverse=True)
    pairs, counts = np.unique(np.array([place, number], dtype=np.int64), axis=1, return_counts=True)
    inside: dict[int, Counter[str]] = {}
    for (where, who), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):
        inside.setdefault(where, Counter())[str(names[who])] = count
    bins = []
    for where, members in inside.items():
        i, j = divmod(where, BINS)
        shown = members.most_common(NAMED_IN_BIN)
        words = ", ".join(f"{name} ({count})" for name, count in shown)
        more = len(members) - len(shown)
        bins.append(
            Bin(
                x0=float(edges[i]),
                x1=float(edges[i + 1]),
                y0=float(edges[j]),
                y1=float(edges[j + 1]),
                count=sum(members.values()),
                case=shown[0][0],
                words=f"{words} and {more} more" if more else words,
            )
        )
    return tuple(bins)


def spread_plot(
    suite: str,
    variant: str,
    name: str,
    label: str,
    values: Mapping[str, Sequence[tuple[str, float]]],
    *,
    unit: str = "",
    target: float = 1.0,
) -> SpreadPlot | None:
    """The distribution of a value over cases.

    Parameters
    ----------
    suite, variant, name, label, unit, target
        As in `SpreadPlot`.
    values
        By label of the model: case and value, nan if it has none.

    Returns
    -------
    SpreadPlot or None
        ``None`` if no case has a value.
    """
    known = {
        side: [(case, float(value)) for case, value in cases if np.isfinite(value)]
        for side, cases in values.items()
    }
    known = {side: cases for side, cases in known.items() if cases}
    if not known:
        return None
    everything = np.array([value for cases in known.values() for _, value in cases])
    low, high = _axis(everything, target)
    return SpreadPlot(
        suite=suite,
        variant=variant,
        name=name,
        label=label,
        unit=unit,
        target=target,
        low=low,
        high=high,
        outside=int(((everything < low) | (everything > high)).sum()),
        sides=tuple(_spread_side(side, cases) for side, cases in known.items()),
    )


def _axis(values: FloatArray, target: float) -> tuple[float, float]:
    """Ends that hold the target and all values but those that are far from the others."""
    first, third = np.quantile(values, [0.25, 0.75])
    reach = FAR * max(third - first, 0.05 * abs(target), 1e-3)
    near = values[(values >= first - reach) & (values <= third + reach)]
    return _padded(min(float(near.min()), target), max(float(near.max()), target))


def _spread_side(side: str, cases: Sequence[tuple[str, float]]) -> SpreadSide:
    values = np.array([value for _, value in cases])
    quartiles, curve = None, []
    if len(values) >= DISTRIBUTION_FROM:
        quartiles = Quartiles(*map(float, np.quantile(values, [0.25, 0.5, 0.75])))
        if np.ptp(values) > 0.0:
            estimate = gaussian_kde(values)
            tail = TAIL * float(np.sqrt(estimate.covariance[0, 0]))
            at = np.linspace(values.min() - tail, values.max() + tail, CURVE_POINTS)
            density = estimate(at)
            curve = list(zip(at.tolist(), (density / density.max()).tolist(), strict=True))
    return SpreadSide(
        side=side,
        cases=tuple(case for case, _ in cases),
        values=tuple(values.tolist()),
        quartiles=quartiles,
        curve=tuple(curve),
    )
