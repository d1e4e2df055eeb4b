"""A calibration for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ase.build import bulk
from rich.console import Console
from rich.table import Table

from umlip_bench.engine.calibration import Calibration
from umlip_bench.engine.packing import Packer
from umlip_bench.potentials.protocol import Potential

CELLS = {10: (5, 2, 1), 100: (5, 5, 4)}
"""Numbers of atoms of the cells that throughput is told for, and repeats of the primitive cell."""
CELLS_AT_ONCE = 256


def throughput(potential: Potential) -> dict[int, float]:
    """Predicted throughput of cells as dense as aluminium, per second, by their number of atoms."""
    return {n: _per_second(potential, n) for n in CELLS}


def _per_second(potential: Potential, n_atoms: int) -> float:
    cell = bulk(potential.card.elements[0], "fcc", a=4.05).repeat(CELLS[n_atoms])
    seconds = Packer(potential).seconds([potential.prepare(cell)] * CELLS_AT_ONCE)
    assert seconds is not None, "it was calibrated just now"
    return CELLS_AT_ONCE / seconds


def print_calibration(
    potential: Potential,
    calibration: Calibration,
    per_second: Mapping[int, float],
    path: Path,
    console: Console,
) -> None:
    """Print the terms of a calibration, their errors and what to expect; `path` is where it is kept."""
    key = calibration.key
    batch = calibration.edges_per_batch
    where = key.device if batch is None else f"{key.device}, {key.threads} thread(s)"
    table = Table(title=f"{potential.card.name}, {where}, {key.dtype}", title_justify="left")
    for column in ("", "call", "first angle", "atom", "edge", "angle", "median error", "worst"):
        table.add_column(column, justify="right" if column else "left")
    kind = "memory at peak" if batch is None else "memory saved"
    rows: list[tuple[str, Any, float, str, Any]] = [
        (f"{kind} (kB)", calibration.memory, 1e-3, ".1f", calibration.memory_errors),
        ("time (µs)", calibration.duration, 1e6, ".1f", calibration.duration_errors),
    ]
    for label, terms, factor, form, errors in rows:
        values = (
            terms.per_call,
            terms.per_call_with_angles,
            terms.per_atom,
            terms.per_edge,
            terms.per_angle,
        )
        table.add_row(
            label,
            *(format(factor * value, form) for value in values),
            f"{100 * errors.median:.2g} %",
            f"{100 * errors.worst:.2g} %",
        )
    console.print(table)
    lines = [
        f"fitted to {calibration.n_fitted} batches, errors on {calibration.n_held_out} others",
        "predicted: "
        + ", ".join(f"{rate:.3g} cells of {n} atoms a second" for n, rate in per_second.items()),
    ]
    if batch is not None:
        lines.append(f"batches on this CPU: {batch} edges")
    lines.append(f"kept in {path}")
    console.print("\n".join(lines), highlight=False, soft_wrap=True)
