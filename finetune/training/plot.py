"""A training's errors against epochs, as a picture and a table."""

from __future__ import annotations

import csv
import io
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np

from umlip_bench.analysis.report.chart_parts import Figure
from umlip_bench.analysis.report.figures import drawn
from umlip_bench.finetune.charts import EPOCH_LINES, PIXELS_PER_INCH, epochs_panel
from umlip_bench.finetune.method import Epoch
from umlip_bench.finetune.training.loop import History
from umlip_bench.finetune.training.record import TrainedFit
from umlip_bench.ground.outputs import Output

PLOT, HISTORY = "training.png", "training.csv"


def plot_history(fit: TrainedFit, model: str, path: Path) -> None:
    """Write loss, force error and stress error of every epoch as a PNG, the kept epoch marked."""

    def column(name: str) -> list[float]:
        return [getattr(epoch, name) for epoch in fit.history.epochs]

    fields = {
        "loss": ("loss",),
        "force MAE (eV/Å)": ("force_mae", "validation_mae"),
        "stress MAE (GPa)": ("stress_mae",),
    }
    panels = {
        label: {
            line: values
            for line, values in zip(EPOCH_LINES, map(column, names), strict=False)
            if np.isfinite(values).any()
        }
        for label, names in fields.items()
    }
    n = len(fit.split.training)
    figure = Figure(
        path.stem,
        f"{model}, {fit.method}: {n} training frame{'' if n == 1 else 's'}",
        "",
        tuple(
            epochs_panel(label, lines, fit.history.kept) for label, lines in panels.items() if lines
        ),
    )
    Output(path).write_bytes(drawn(figure, "png", PIXELS_PER_INCH))


def write_history(history: History, path: Path) -> None:
    """Write one line of comma-separated values per epoch; units as of `Epoch`."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["epoch", *(field.name for field in fields(Epoch))])
    for number, epoch in enumerate(history.epochs, start=1):
        writer.writerow([number, *astuple(epoch)])
    Output(path).write_text(text.getvalue())
