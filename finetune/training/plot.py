"""A training's errors against epochs, as a picture and a table."""

from __future__ import annotations

import csv
import io
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np

from umlip_bench.finetune.method import Epoch
from umlip_bench.finetune.training.loop import History
from umlip_bench.finetune.training.record import TrainedFit
from umlip_bench.ground.outputs import PNG_METADATA, Output

PLOT, HISTORY = "training.png", "training.csv"


def plot_history(fit: TrainedFit, model: str, path: Path) -> None:
    """Write force error, loss and stress error of every epoch as a PNG, the kept epoch marked."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    epochs = np.arange(1, 1 + len(fit.history.epochs))

    def column(name: str) -> np.ndarray:
        return np.array([getattr(epoch, name) for epoch in fit.history.epochs])

    # Without pyplot, which would keep the figure and choose a window system.
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    loss, forces, stress = figure.subplots(1, 3)
    loss.semilogy(epochs, column("loss"), color="black")
    loss.set_ylabel("loss")
    forces.semilogy(epochs, column("force_mae"), label="training", color="tab:blue")
    if np.isfinite(column("validation_mae")).any():
        forces.semilogy(epochs, column("validation_mae"), label="validation", color="tab:orange")
    forces.set_ylabel("force MAE (eV/Å)")
    forces.legend(frameon=False)
    if np.isfinite(column("stress_mae")).any():
        stress.semilogy(epochs, column("stress_mae"), color="tab:green")
    stress.set_ylabel("stress MAE (GPa)")
    for axes in (loss, forces, stress):
        axes.axvline(fit.history.kept, color="grey", linewidth=0.8, linestyle=":")
        axes.set_xlabel("epoch")
    n = len(fit.split.training)
    figure.suptitle(f"{model}, {fit.method}: {n} training frame{'' if n == 1 else 's'}")
    Output(path).write(
        lambda file: figure.savefig(file, format="png", dpi=120, metadata=PNG_METADATA)
    )


def write_history(history: History, path: Path) -> None:
    """Write one line of comma-separated values per epoch; units as of `Epoch`."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["epoch", *(field.name for field in fields(Epoch))])
    for number, epoch in enumerate(history.epochs, start=1):
        writer.writerow([number, *astuple(epoch)])
    Output(path).write_text(text.getvalue())
