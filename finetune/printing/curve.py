"""What `curve` shows and writes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.text import Text

from umlip_bench.finetune.curve import MIN_SEEDS, CurvePoint, Summary, summarise
from umlip_bench.finetune.experiment import NONE
from umlip_bench.finetune.measures import Measures
from umlip_bench.finetune.printing.cells import MEASURES, content_of, table_of
from umlip_bench.ground.outputs import PNG_METADATA, Output, json_text

TABLE, SUMMARY, PICTURE = "curve.csv", "curve.json", "curve.png"
_NUMBERS = tuple(field.name for field in fields(Measures))
COLUMNS = ("method", "n_labels", "seed", *_NUMBERS, "seconds", "failure")


def outputs(out: Path, force: bool = False) -> dict[str, Output]:
    """The files of a curve, by name; to be checked before long work."""
    return {
        name: Output(out / name, force, COLUMNS if name == TABLE else ())
        for name in (TABLE, SUMMARY, PICTURE)
    }


@dataclass(frozen=True)
class _Content:
    model: str
    data: str
    rows: tuple[Summary, ...]


def write_curve(
    model: str, data: str, points: Sequence[CurvePoint], out: Path, force: bool = False
) -> None:
    """Write `TABLE` (one line per point), `SUMMARY` and `PICTURE`.

    Raises
    ------
    OutputError
        If a file cannot be written, or is there and not ours.
    """
    files, text = outputs(out, force), io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for p in points:
        numbers = astuple(p.held_out) if p.held_out is not None else [""] * len(_NUMBERS)
        writer.writerow([p.method, p.n_labels, p.seed, *numbers, p.seconds, p.failure or ""])
    files[TABLE].write_text(text.getvalue())
    rows = summarise(points)
    files[SUMMARY].write_text(json_text(content_of(_Content(model, data, rows))))
    _plot(f"{model}, {data}", rows, files[PICTURE])


def print_curve(model: str, points: Sequence[CurvePoint], console: Console) -> None:
    """Print held-out errors per method and number of labels."""
    rows = {(r.method, r.n_labels, r.metric): r for r in summarise(points)}
    sizes = sorted({p.n_labels for p in points if p.method != NONE})
    methods = list(dict.fromkeys(p.method for p in points if p.method != NONE))
    for metric, shown in MEASURES.items():
        if (NONE, 0, metric) not in rows:
            continue
        table = table_of(f"{model}, held out: {shown.label}", *methods, first="labels")
        table.columns[0].justify = "right"
        for n in (0, *sizes):
            found = [rows.get((NONE if n == 0 else m, n, metric)) for m in methods]
            cells = (shown.interval(r.value, r.low, r.high) if r else "-" for r in found)
            table.add_row(str(n), *cells)
        console.print(table)
    for point in points:
        if point.failure is not None:
            what = f"{point.method}, {point.n_labels} labels, seed {point.seed}"
            console.print(Text(f"Failed, and left out: {what}: {point.failure}."))
    seeds = len({p.seed for p in points})
    how = (
        "; brackets: 95 % intervals over the choices by Student's t of the logarithms"
        if seeds >= MIN_SEEDS
        else f"; intervals need {MIN_SEEDS}"
    )
    plural = "" if seeds == 1 else "s"
    console.print(
        Text(f"Geometric means over {seeds} choice{plural} of the labels{how}.", style="dim")
    )


def _plot(title: str, rows: Sequence[Summary], output: Output) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    metrics = [m for m in MEASURES if any(row.metric == m for row in rows)]
    figure = Figure(figsize=(4 * len(metrics), 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    for metric, axes in zip(
        metrics, figure.subplots(1, len(metrics), squeeze=False)[0], strict=True
    ):
        shown = MEASURES[metric]
        for method in dict.fromkeys(row.method for row in rows):
            mine = [row for row in rows if (row.method, row.metric) == (method, metric)]
            values = shown.unit * np.array([row.value for row in mine])
            if method == NONE:
                axes.axhline(values[0], color="grey", linestyle=":", label="uncorrected")
                continue
            ends = np.array([(row.low or row.value, row.high or row.value) for row in mine])
            bars = np.abs(shown.unit * ends.T - values)
            sizes = [row.n_labels for row in mine]
            axes.errorbar(
                sizes, values, yerr=bars, marker="o", markersize=3, capsize=2, label=method
            )
        axes.set_xscale("log")
        if metric != "force_slope":
            axes.set_yscale("log")
        axes.set_xlabel("labels")
        axes.set_ylabel(shown.label)
    axes.legend(frameon=False, fontsize="small")
    figure.suptitle(title)
    output.write(lambda file: figure.savefig(file, format="png", dpi=120, metadata=PNG_METADATA))
