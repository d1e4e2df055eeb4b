"""What a fit of one factor tells the user: one table, and what to make of it in words."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from umlip_bench.finetune.comparison import BeforeAfter
from umlip_bench.finetune.estimators import Estimator
from umlip_bench.finetune.printing.cells import GPA, Shown, frames, table_of
from umlip_bench.finetune.printing.checks import check_rows
from umlip_bench.finetune.retention import REFERENCE_SET
from umlip_bench.finetune.scalar_fit import ONE_FRAME, ScalarFit


def print_scalar(fit: ScalarFit, model: str, console: Console) -> None:
    """Print a fit to a model of that name."""
    low, high = fit.interval
    title = f"{model}: c = {fit.factor:.3f} [{low:.3f}, {high:.3f}], {fit.estimator}"
    table = table_of(title, "before", "after", last="on")
    if fit.held_out is not None:
        for cells in check_rows(fit.held_out):
            table.add_row(*cells)
        table.add_section()
    for shown, pair, where in _rows(fit):
        table.add_row(Text(shown.label), *shown.pair(pair), Text(where))
    console.print(table)
    if len(fit.materials) > 1:
        console.print(_materials(fit))
    for line in explanations(fit):
        console.print(Text(line))


def explanations(fit: ScalarFit) -> Iterator[str]:
    """Say in words what supports the factor, and what it does."""
    yield from _evidence(fit)
    yield support(fit)
    yield from _advice(fit)
    yield from _consequences(fit)


def _evidence(fit: ScalarFit) -> Iterator[str]:
    """What the factor follows from."""
    labels = fit.labels
    yield (
        f"Labels: {labels.n_components} force components of {frames(labels.n_frames)}, root mean square "
        f"{labels.rms_force:.2f} eV/Å"
        + (
            f"; {frames(labels.n_at_rest)} without forces set aside for the factor."
            if labels.n_at_rest
            else "."
        )
    )
    if fit.usual is not None:
        low, high = fit.label_interval
        yield (
            f"The labels alone ask for {fit.label_factor:.3f} [{low:.3f}, {high:.3f}]; on "
            f"{fit.usual.n_materials} other materials ({REFERENCE_SET}) the model needs "
            f"{fit.usual.factor:.3f}, with a spread of {math.sqrt(fit.usual.log_variance):.0%} between "
            f"materials: the labels weigh {fit.label_weight:.0%}."
        )
    if fit.states is not None:
        yield (
            f"Carried to {fit.states.n} states of use, in which the model's root mean square force is "
            f"{math.exp(fit.states.amplitude):.2f} eV/Å: factors fall with the forces to the power of "
            f"{fit.drift:.2f}."
        )


def _advice(fit: ScalarFit) -> Iterator[str]:
    """What would make a better factor."""
    if fit.refusal is None and fit.forces.mae.after > fit.forces.mae.before:
        yield "The labels' own forces get worse; label more of the states that you simulate."
    if fit.estimator is Estimator.ROTATE and fit.r2 < 0.95:
        yield (
            f"rotate takes noise for softness: its factor is 1/r2 = {1 / fit.r2:.2f} times the one of least "
            "squared error; mse and shrunk do not."
        )
    if len(fit.materials) > 1:
        yield "All materials get the one factor. Fit them apart if their own differ."
    if fit.estimator is Estimator.SHRUNK and fit.states is None:
        yield (
            "Which states the factor is to serve is not told, and its interval is wide for that: the smaller "
            "the forces, the softer the models. Give structures of them, which need no labels, as --states."
        )
    if fit.labels.n_frames == 1:
        yield (
            "One label speaks for states like it. States of another temperature or phase may need another "
            "factor: a second label there tells."
        )


def _consequences(fit: ScalarFit) -> Iterator[str]:
    """What the factor does to everything else."""
    if fit.stress is not None and fit.stress.mae.after > fit.stress.mae.before:
        yield (
            "Stress gets worse: it scales with the energy, but was not as soft as the forces. Equilibrium "
            "volumes stay, elastic constants and pressures grow by c."
        )
    yield (
        "Every energy difference grows by c, formation energies included"
        + (
            ", about the energies given as references."
            if fit.references is not None
            else ", about the model's element references (zero for a foreign calculator)."
        )
        + " Energies of the labels were compared as differences only."
    )
    if fit.retention is not None and fit.retention.worse:
        yield (
            f"On {len(fit.retention.worse)} of {fit.retention.n_materials} other materials the forces get "
            f"worse: {', '.join(fit.retention.worse)}. The factor is for the material that it was fitted to."
        )


def support(fit: ScalarFit) -> str:
    """Whether the labels support a factor at all."""
    noise = (
        f"slope {fit.slope:.3f}, inverse {fit.inverse:.3f}, r2 {fit.r2:.3f}; a model that is noisy but not "
        f"soft would show slope {fit.r2:.3f} and inverse 1"
    )
    low, high = fit.interval
    if fit.refusal is not None:
        return f"Refused, c = 1 is written: {fit.refusal}. {noise}."
    if fit.resolved:
        return f"Supported: the interval of c leaves out 1. {noise}."
    return (
        f"Not resolved: the interval of c, [{low:.3f}, {high:.3f}], holds 1, no correction at all. {noise}. "
        "More labels would tell."
    )


def _rows(fit: ScalarFit) -> Iterator[tuple[Shown, BeforeAfter, str]]:
    split = f"{frames(fit.labels.n_frames)}, {fit.forces.split}"
    if fit.forces.split == ONE_FRAME:
        split = ONE_FRAME
    yield Shown("force slope"), fit.forces.slope, split
    yield Shown("force MAE (eV/Å)"), fit.forces.mae, split
    if fit.energies is not None:
        where = f"{frames(fit.energies.n_frames)}, not fitted"
        yield Shown("energy differences MAE (meV/atom)", 1000.0, 2), fit.energies.mae, where
    if fit.stress is not None:
        where = f"{frames(fit.stress.n_frames)}, not fitted"
        yield Shown("stress slope"), fit.stress.slope, where
        yield Shown("stress MAE (GPa)", GPA, 2), fit.stress.mae, where
    if fit.retention is not None:
        where = f"{fit.retention.n_materials} other materials, median"
        yield Shown("force MAE elsewhere (eV/Å)"), fit.retention.mae, where


def _materials(fit: ScalarFit) -> Table:
    title = "Each material by itself, uncorrected"
    table = table_of(title, "frames", "slope", "inverse", "r2", first="material")
    for each in fit.materials:
        numbers = (f"{value:.3f}" for value in (each.slope, each.inverse, each.r2))
        table.add_row(Text(each.name), str(each.n_frames), *numbers)
    return table
