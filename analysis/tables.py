"""Softening tables for people: metrics down, models across, and a verdict per model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from umlip_bench.errors import DataError

from .intervals import BOOTSTRAP_FROM, MEDIAN_FROM
from .summary import Row

# Metrics shown, in order, with their labels. The other rows are for the files.
LABELS = (
    ("slope_median", "slope"),
    ("inverse_median", "inverse"),
    ("r2_median", "r2"),
    ("mae", "MAE"),
    ("cmae_rotate", "cMAE, rotate"),
    ("cmae_mse", "cMAE, mse"),
    ("share_softened", "share softened"),
    ("energy_slope_median", "energy slope"),
    ("stress_slope_median", "stress slope"),
)
LABEL_WIDTH = 23
"""Columns that the labels take in the table, borders included."""
MODEL_WIDTH = 23
"""Columns of a model, borders included: enough for ``0.812 [0.780, 0.870]``."""


@dataclass(frozen=True)
class Panel:
    """Rows that belong into one table.

    Parameters
    ----------
    data, suite, variant
        As in `Row`.
    models
        Names of the models, in order of appearance.
    rows
        All rows of the panel.
    """

    data: str
    suite: str
    variant: str
    models: tuple[str, ...]
    rows: tuple[Row, ...]

    def find(self, model: str, metric: str) -> Row | None:
        """Return the row of a model's metric; ``None`` if the model has no such row."""
        return next((r for r in self.rows if r.model == model and r.metric == metric), None)


def print_table(rows: Sequence[Row], console: Console) -> None:
    """Print softening tables, one per data set, suite and variant, each with verdicts and caption.

    Models that do not fit side by side go into a further table below. Suites without any of the
    metrics in `LABELS` are left out.

    Parameters
    ----------
    rows
        Rows of any number of models, data sets, suites and variants.
    console
        Where to print; its width decides how many models stand side by side.

    Raises
    ------
    DataError
        If a model has two rows of the same metric.
    """
    for panel in _panels(rows):
        per_table = max(1, (console.width - LABEL_WIDTH) // MODEL_WIDTH)
        for start in range(0, len(panel.models), per_table):
            console.print(_table(panel, panel.models[start : start + per_table]))
        for model in panel.models:
            console.print(Text(verdict(panel.rows, model)))
        console.print(Text(caption(panel.rows), style="dim"))
        console.print()


def verdict(rows: Sequence[Row], model: str) -> str:
    """Say in one line whether a model is soft, and whether a factor would mend it.

    Soft needs a slope below 1 and an inverse above 1, each with its whole interval: noise alone
    lowers the slope to about r2 but leaves the inverse at 1.

    Parameters
    ----------
    rows
        Rows of one data set, suite and variant.
    model
        The model to judge.

    Returns
    -------
    str
        ``"<model>: <verdict>: <numbers>"``.
    """
    found = {row.metric: row for row in rows if row.model == model}
    slope = found.get("slope_median")
    inverse = found.get("inverse_median")
    if slope is None or inverse is None or math.isnan(slope.value):
        return f"{model}: no verdict: no material with forces"
    materials = f"{slope.n_cases} material{'' if slope.n_cases == 1 else 's'}"
    r2 = found.get("r2_median")
    numbers = (
        f"forces are {slope.value:.2f} of DFT{_interval(slope, 2)} in the median of {materials}"
        f"{'' if r2 is None else f', r2 {r2.value:.3f}'}"
    )
    share = found.get("share_softened")
    if share is not None and share.n_cases:
        numbers += f"; {round(share.value * share.n_cases)}/{share.n_cases} softened"
    return f"{model}: {_judgement(slope, inverse)}: {numbers}{_caveat(slope, inverse)}"


def caption(rows: Sequence[Row]) -> str:
    """State what the table shows and how its intervals were made.

    Parameters
    ----------
    rows
        Rows of one data set, suite and variant.
    """
    counts = sorted({row.n_cases for row in rows if row.metric == "slope_median"})
    span = " to ".join(str(n) for n in dict.fromkeys((counts[0], counts[-1]))) if counts else "0"
    order = "order statistics of the materials"
    if counts and counts[0] >= BOOTSTRAP_FROM:
        medians = f"hierarchical bootstrap (materials, then frames); cMAE: {order}"
    elif counts and counts[-1] >= BOOTSTRAP_FROM:
        medians = f"{order}; from {BOOTSTRAP_FROM} materials on hierarchical bootstrap except cMAE"
    else:
        medians = order
    return (
        f"Medians over {span} materials of values per material. "
        f"slope: model against DFT through the origin; inverse: best factor on the model; "
        f"slope x inverse = r2; cMAE: MAE after dividing by the slope (rotate) or multiplying by "
        f"the inverse (mse), in-sample. Brackets: 95 % intervals over materials, by {medians}; "
        f"share: Clopper-Pearson. No brackets: too few materials (medians need "
        f"{MEDIAN_FROM})."
    )


def _judgement(slope: Row, inverse: Row) -> str:
    if slope.ci_low is None or slope.ci_high is None or inverse.ci_low is None:
        return "undecided (too few materials for an interval)"
    if slope.ci_low > 1.0:
        return "stiff"
    if slope.ci_high >= 1.0:
        return "no softening resolved"
    return "soft" if inverse.ci_low > 1.0 else "no correctable softening resolved"


def _caveat(slope: Row, inverse: Row) -> str:
    if slope.value >= 1.0:
        return ""
    lowest = inverse.value if inverse.ci_low is None else inverse.ci_low
    factor = f"the best factor on the model is {_with_interval(inverse, 2)}"
    # log(slope) = log(r2) - log(inverse): noise and softening. Here r2 holds half of it or more.
    if slope.value <= 0.0 or inverse.value <= slope.value**-0.5:
        if lowest > 1.0:
            return f"; much of it is noise: slope is close to r2, {factor}"
        return f"; not a correctable softening: slope is about r2, {factor}"
    return "" if lowest > 1.0 else f"; {factor}, not resolved from 1"


def _table(panel: Panel, models: Sequence[str]) -> Table:
    table = Table(
        title=Text(f"{panel.suite} ({panel.variant}), {panel.data}"), title_justify="left"
    )
    table.add_column("", no_wrap=True)
    for model in models:
        table.add_column(Text(model), justify="left", overflow="fold", max_width=MODEL_WIDTH - 3)
    counts = [panel.find(model, "slope_median") for model in models]
    for metric, label in LABELS:
        cells = [panel.find(model, metric) for model in models]
        unit = next((row.unit for row in cells if row is not None and row.unit), "")
        name = f"{label} ({unit})" if unit else label
        texts = [
            _cell(row, None if count is None else count.n_cases)
            for row, count in zip(cells, counts, strict=True)
        ]
        if any(text != "-" for text in texts):
            table.add_row(Text(name), *map(Text, texts))
    table.add_section()
    first = [next(row for row in panel.rows if row.model == model) for model in models]
    table.add_row("materials", *("-" if row is None else str(row.n_cases) for row in counts))
    table.add_row("failed", *(str(row.n_failed) for row in first))
    return table


def _cell(row: Row | None, n: int | None) -> str:
    """Value and interval, and the number of materials where it is not the table's."""
    if row is None or math.isnan(row.value):
        return "-"
    text = _with_interval(row, 3)
    return text if row.n_cases == n else f"{text}\nof {row.n_cases} materials"


def _panels(rows: Sequence[Row]) -> Iterator[Panel]:
    shown = {metric for metric, _ in LABELS}
    for data, suite, variant in dict.fromkeys((r.data, r.suite, r.variant) for r in rows):
        members = tuple(r for r in rows if (r.data, r.suite, r.variant) == (data, suite, variant))
        if not any(row.metric in shown for row in members):
            continue
        keys = [(row.model, row.metric) for row in members]
        for model, metric in keys:
            if keys.count((model, metric)) > 1:
                raise DataError(f"two rows of {metric} for {model} on {data}, {suite}, {variant}")
        models = tuple(dict.fromkeys(row.model for row in members))
        yield Panel(data=data, suite=suite, variant=variant, models=models, rows=members)


def _with_interval(row: Row, digits: int) -> str:
    return "-" if math.isnan(row.value) else f"{row.value:.{digits}f}{_interval(row, digits)}"


def _interval(row: Row, digits: int) -> str:
    if row.ci_low is None or row.ci_high is None:
        return ""
    return f" [{row.ci_low:.{digits}f}, {row.ci_high:.{digits}f}]"
