"""Counts of calls for people."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from umlip_bench.engine.speed.counting import Counts


def print_counts(
    counted: Mapping[str, Mapping[str, Counts]], console: Console, *, operations: bool
) -> None:
    """Print what calls ask of a device, by model and cells, and perhaps by kind of operation."""
    table = Table(title="one call, forward and backward", title_justify="left")
    for name in ("model", "cells"):
        table.add_column(name)
    for name in ("kernels", "kB/atom", "MFLOP/atom", "elements/atom", "waits", "results"):
        table.add_column(name, justify="right")
    for model, found in counted.items():
        for cells, c in found.items():
            table.add_row(
                model,
                cells,
                f"{c.kernels}",
                f"{c.bytes / c.atoms / 1e3:.0f}",
                f"{c.matrix_flops / c.atoms / 1e6:.1f}",
                f"{c.elementwise / c.atoms:.0f}",
                f"{c.waits}",
                f"{c.results}",
            )
    console.print(table)
    console.print(
        "kernels: operations that start work on a device; kB: what they read and write; MFLOP: of matrix "
        "products; elements: that all others go over; waits: of the host for the device before the results; "
        "results: arrays copied back.",
        highlight=False,
    )
    if operations:
        for model, found in counted.items():
            for cells, counts in found.items():
                console.print(_by_operation(f"{model}, {cells}", counts))


def _by_operation(title: str, counts: Counts) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("operation")
    for name in ("kernels", "kB/atom"):
        table.add_column(name, justify="right")
    for operation in counts.operations:
        table.add_row(
            operation.name,
            f"{operation.kernels}",
            f"{operation.bytes / counts.atoms / 1e3:.1f}",
        )
    return table
