"""What a training, or a shift of element references, tells the user: a table and words."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from umlip_bench.finetune.printing.cells import Shown, frames, table_of
from umlip_bench.finetune.printing.checks import CHECKED, check_rows
from umlip_bench.finetune.references import ShiftFit
from umlip_bench.finetune.retention import REFERENCE_SET, Retention
from umlip_bench.finetune.training.alignment import Alignment, EnergyUse
from umlip_bench.finetune.training.record import CurvatureCheck, TrainedFit


def print_training(fit: TrainedFit, model: str, console: Console) -> None:
    """Print the record of a training of a model of that name."""
    title = (
        f"{model}, {fit.method}: {fit.n_parameters} parameters, "
        f"{_trained_on(fit)}, {fit.seconds:.0f} s"
    )
    table = table_of(title, "before", "after", last="on")
    for check in fit.checks:
        for cells in check_rows(check):
            table.add_row(*cells)
        table.add_section()
    if fit.curvature is not None:
        for cells in _curvature_rows(fit.curvature):
            table.add_row(*cells)
        table.add_section()
    if fit.retention is not None:
        for cells in _retention_rows(fit.retention):
            table.add_row(*cells)
    console.print(table)
    for line in _words(fit):
        console.print(Text(line))


def _trained_on(fit: TrainedFit) -> str:
    n = len(fit.split.training)
    if fit.curvature is None:
        return frames(n)
    sets = f"{fit.curvature.n_supercells} displaced supercells"
    return f"{frames(n)} and {sets}" if n else sets


def print_shift(fit: ShiftFit, model: str, console: Console) -> None:
    """Print fitted element references."""
    table = table_of(f"{model}, e0", "before", "after", last="on")
    labels = "trained on"
    for where, pair in ((labels, fit.energy_mae), ("held out", fit.held_out_mae)):
        if pair is not None:
            table.add_row("energy MAE (meV/atom)", *Shown("", 1000.0, 2).pair(pair), where)
    console.print(table)
    shifts = ", ".join(f"{symbol} {value:+.3f}" for symbol, value in fit.shifts.items())
    console.print(Text(f"Shifts in eV: {shifts}."))
    alignment = fit.alignment
    if alignment.n_compositions < len(fit.shifts):
        console.print(
            Text(
                f"The labels have {alignment.n_compositions} independent composition"
                f"{'' if alignment.n_compositions == 1 else 's'} of {len(fit.shifts)} elements: the shifts "
                "are right for these compositions and what is mixed of them, not element by element."
            )
        )
    console.print(
        Text("Forces, stress and energy differences within a composition are what they were.")
    )


def energy_words(alignment: Alignment) -> str:
    """What became of the labels' energies."""
    if alignment.use is EnergyUse.NONE:
        return (
            f"Energies: not trained on ({alignment.reason}). The model keeps its parent's energies of the "
            "labelled frames."
        )
    return (
        f"Energies: trained on, after {alignment.use} had been taken off the labels ({alignment.reason}). "
        "The model keeps its parent's zero of energy; e0 on top would move it to the labels'."
    )


def _words(fit: TrainedFit) -> Iterator[str]:
    yield energy_words(fit.energies)
    history, n = fit.history, len(fit.split.validation)
    if n:
        yield (
            f"Kept: epoch {history.kept} of {len(history.epochs)}, with the smallest force MAE on "
            f"{frames(n)} set apart."
        )
    else:
        yield (
            f"Kept: the last of {len(history.epochs)} epochs; too few labels to set some apart. Errors on "
            "frames trained on say nothing about others: give --held-out."
        )
    if fit.curvature is not None:
        yield (
            f"Curvature: rows of the Hessian of {', '.join(fit.curvature.materials)}, each over the "
            "amplitude of its displacement; in the cells without displacement forces are trained to be zero."
        )
    if fit.retention is not None and fit.retention.worse:
        kept = fit.retention
        yield (
            f"On {len(kept.worse)} of {len(kept.materials)} other materials the forces get worse: "
            f"{', '.join(kept.worse)}."
        )


def _curvature_rows(check: CurvatureCheck) -> Iterator[tuple[str, str, str, str]]:
    where = (
        f"trained on, {check.n_supercells} displaced supercell{'' if check.n_supercells == 1 else 's'}, "
        f"{check.amplitude:.3g} Å"
    )
    yield ("curvature slope", *Shown("").pair(check.slope), where)
    yield ("curvature MAE (eV/Å²)", *Shown("").pair(check.mae), where)


def _retention_rows(found: Retention) -> Iterator[tuple[str, str, str, str]]:
    where = f"{len(found.materials)} other materials ({REFERENCE_SET}), median"
    if found.replayed:
        where += f"; {len(found.replayed)} more replayed"
    for field, pair in (("force_slope", found.slope), ("force_mae", found.mae)):
        yield (CHECKED[field].label, *CHECKED[field].pair(pair), where)
