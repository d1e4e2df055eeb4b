"""Results in, numbers, tables and figures out; nothing here imports torch.

For notebooks::

    from umlip_bench import analysis

    run = analysis.read_run("runs/first")
    run.summary(), run.cases("high-energy"), analysis.predictions(run)   # data frames
    first, second = analysis.sides([run])
    analysis.compare_frame(first, second)
    analysis.compare_variants(first)  # relaxed against fixed geometry

Statistics are imported on first use: what only reads a folder need not wait for them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from umlip_bench.analysis.compared_models import Side, sides
    from umlip_bench.analysis.comparison import (
        Overlap,
        PairedRow,
        compare,
        compare_frame,
        compare_variants,
        overlaps,
    )
    from umlip_bench.analysis.export import export_run, predictions, run_tables
    from umlip_bench.analysis.run_differences import RunDifference, changes
    from umlip_bench.analysis.runs import Run, read_run

_HOME = {
    "Overlap": "comparison",
    "PairedRow": "comparison",
    "Run": "runs",
    "RunDifference": "run_differences",
    "Side": "compared_models",
    "changes": "run_differences",
    "compare": "comparison",
    "compare_frame": "comparison",
    "compare_variants": "comparison",
    "export_run": "export",
    "overlaps": "comparison",
    "predictions": "export",
    "read_run": "runs",
    "run_tables": "export",
    "sides": "compared_models",
}

__all__ = [
    "Overlap",
    "PairedRow",
    "Run",
    "RunDifference",
    "Side",
    "changes",
    "compare",
    "compare_frame",
    "compare_variants",
    "export_run",
    "overlaps",
    "predictions",
    "read_run",
    "run_tables",
    "sides",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
