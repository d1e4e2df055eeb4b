"""What `curve` shows and writes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from rich.console import Console
from rich.text import Text

from umlip_bench.analysis.report.chart_parts import Figure
from umlip_bench.analysis.report.figures import drawn
from umlip_bench.finetune.charts import PIXELS_PER_INCH, Reached, labels_panel
from umlip_bench.finetune.curve import MIN_SEEDS, CurvePoint, Summary, summarise
from umlip_bench.finetune.experiment import NONE
from umlip_bench.finetune.measures import Measures
from umlip_bench.finetune.printing.cells import MEASURES, content_of, table_of
from umlip_bench.ground.outputs import Output, json_text

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
    files[PICTURE].write_bytes(_picture(f"{model}, {data}", rows))


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


def _picture(title: str, rows: Sequence[Summary]) -> bytes:
    panels = []
    for metric, shown in MEASURES.items():
        mine = [row for row in rows if row.metric == metric]
        reached = [
            Reached(
                row.method,
                row.n_labels,
                *(shown.unit * v for v in (row.value, row.low or row.value, row.high or row.value)),
            )
            for row in mine
            if row.method != NONE
        ]
        before = next((shown.unit * row.value for row in mine if row.method == NONE), None)
        if mine:
            logarithmic = metric != "force_slope"
            panels.append(labels_panel(shown.label, reached, before, logarithmic=logarithmic))
    return drawn(Figure("curve", title, "", tuple(panels)), "png", PIXELS_PER_INCH)
