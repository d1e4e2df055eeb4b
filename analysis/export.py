"""A run folder as tidy tables: one row per value, in files that spreadsheets, pandas and R read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from umlip_bench.analysis.registry import suite_of
from umlip_bench.analysis.runs import Run
from umlip_bench.ground.errors import RunFolderError
from umlip_bench.ground.outputs import TABLE_ATTRIBUTES, Output

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("csv", "parquet")
FORMULA = re.compile(r"[=@\t\r]|[+-](?![\d.]+$)(?=.)")
"""How a text begins that a spreadsheet would calculate; numbers with a sign do not."""

SIGNATURE = 6
"""Columns by which a CSV file is known as a table of ours."""

PREDICTION_COLUMNS = (
    "suite",
    "variant",
    "model",
    "data",
    "case",
    "quantity",
    "unit",
    "index",
    "reference",
    "model_value",
)


@dataclass(frozen=True)
class Written:
    """A table that was written.

    Parameters
    ----------
    path
        The file.
    n_rows
        Rows without the head.
    """

    path: Path
    n_rows: int


def predictions(run: Run) -> pd.DataFrame:
    """All values that a model can be compared with DFT in, one by one.

    Returns
    -------
    pandas.DataFrame
        ``suite``, ``variant``, ``model``, ``data``, ``case``; ``quantity`` and ``unit``, as in the parity
        plots; ``index``, from 0, the place of the value among those of its quantity in the case, which is
        the same for all models; ``reference`` (DFT's) and ``model_value``, both in the unit. Values that are
        not comparable are left out, as in the summary.

    Raises
    ------
    RunFolderError
        If a result cannot be read.
    """
    import pandas as pd

    parts = list(_parts(run))
    if not parts:
        return pd.DataFrame(columns=list(PREDICTION_COLUMNS))
    return pd.concat(parts, ignore_index=True)


def _parts(run: Run) -> Iterator[pd.DataFrame]:
    import pandas as pd

    for record in run.records:
        if record.status != "done":
            continue
        analysis, result = suite_of(record.suite), run.result(record)
        for variant in analysis.variant_names:
            for parity in analysis.parities(result, variant):
                yield pd.DataFrame(
                    {
                        "suite": record.suite,
                        "variant": str(variant),
                        "model": record.model,
                        "data": record.data,
                        "case": record.case,
                        "quantity": parity.quantity.name,
                        "unit": parity.quantity.unit,
                        "index": range(len(parity.reference)),
                        "reference": parity.reference,
                        "model_value": parity.model,
                    },
                    columns=list(PREDICTION_COLUMNS),
                )


def run_tables(run: Run) -> Mapping[str, pd.DataFrame]:
    """All tables of a run, by name.

    Returns
    -------
    mapping
        ``summary`` (as `Run.summary`, and in ``incomplete`` what the run lacks, the same in every row and
        empty for a run that is complete), ``properties`` (as `Run.properties`, of a run without reference
        values), ``cases-high-energy`` and so on for each suite (as `Run.cases`)
        and ``predictions`` (as `predictions`).

    Raises
    ------
    RunFolderError
        If a result cannot be read.
    """
    return {
        "summary": run.summary().assign(incomplete="; ".join(run.incomplete)),
        **({} if run.has_reference else {"properties": run.properties()}),
        **{f"cases-{suite}": run.cases(suite) for suite in run.suites},
        "predictions": predictions(run),
    }


def export_run(
    run: Run, folder: Path, format: str = "csv", *, force: bool = False
) -> list[Written]:
    """Write all tables of a run; files of an earlier export are replaced.

    Parameters
    ----------
    run
        The run.
    folder
        Created if absent.
    format
        ``"csv"`` or ``"parquet"``.
    force
        Whether to overwrite files of the same names that are not tables of ours.

    Returns
    -------
    list of Written
        In the order of `run_tables`.

    Raises
    ------
    RunFolderError
        For another format, if the folder cannot be made, or a result cannot be read.
    OutputError
        If a file cannot be written, or is there and not a table of ours; nothing is written then.
    """
    if format not in FORMATS:
        raise RunFolderError(f"format {format!r} is not known; there are {', '.join(FORMATS)}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(
            f"{folder} cannot be made ({error.strerror}); choose another --out"
        ) from error
    tables = {folder / f"{name}.{format}": frame for name, frame in run_tables(run).items()}
    for path, frame in tables.items():
        table_output(path, list(frame.columns), force=force).check()
    for path, frame in tables.items():
        write_table(frame, path, force=force)
    return [Written(path, len(frame)) for path, frame in tables.items()]


def table_output(path: Path, columns: Sequence[str], *, force: bool = False) -> Output:
    """The file of a table with these columns: an earlier one may be overwritten."""
    return Output(path, force, tuple(columns[:SIGNATURE]))


def write_table(frame: pd.DataFrame, path: Path, *, force: bool = False) -> None:
    """Write a table in the format that the ending of its name says.

    In CSV nan and ``None`` are empty, texts that a spreadsheet would take for formulas have an
    apostrophe, and numbers have the digits that give them back exactly
    (``pandas.read_csv(path, float_precision="round_trip")``).

    Parameters
    ----------
    frame
        The table; its index is not written.
    path
        Ends in ``.csv`` or ``.parquet``; its folder exists.
    force
        Whether to overwrite a file that is no such table of ours.

    Raises
    ------
    RunFolderError
        For another ending.
    OutputError
        If the file cannot be written, or is there and not ours.
    """
    check_table_path(path)
    marked = frame.copy(deep=False)
    marked.attrs = dict(TABLE_ATTRIBUTES)

    def write(file: IO[bytes]) -> None:
        if path.suffix == ".csv":
            _without_formulas(marked).to_csv(file, index=False)
        else:
            marked.to_parquet(file, index=False)

    table_output(path, list(frame.columns), force=force).write(write)


def _without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """Copy whose texts no spreadsheet takes for formulas: an apostrophe before a leading =, +, - or @."""
    from pandas.api.types import is_numeric_dtype

    safe = frame.copy(deep=False)
    for name in safe.columns:
        if not is_numeric_dtype(safe[name]):
            safe[name] = safe[name].map(
                lambda cell: f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell
            )
    return safe


def check_table_path(path: Path) -> None:
    """Check that the name of a file says a format of `FORMATS`.

    Raises
    ------
    RunFolderError
        If it does not.
    """
    if path.suffix[1:] not in FORMATS:
        endings = " or ".join(f".{name}" for name in FORMATS)
        raise RunFolderError(f"{path} says no format of a table; its name must end in {endings}")
