"""Results in, numbers, tables and figures out; nothing here imports torch.

For notebooks::

    from umlip_bench import analysis

    run = analysis.read_run("runs/first")
    run.summary(), run.cases("high-energy"), analysis.predictions(run)   # data frames
    first, second = analysis.sides([run])
    analysis.compare_frame(first, second)
    analysis.compare_variants(first)  # relaxed against fixed geometry
"""

# Not on first use: `sides` and `changes` are names of modules too, and importing a module would put it in
# the place of the function. pandas is imported only by what returns data frames.
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
