"""A run folder as tidy tables: one row per value, in files that spreadsheets, pandas and R read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from umlip_bench.analysis.runs import Run
from umlip_bench.analysis.suites import analysis_of
from umlip_bench.ground.errors import RunFolderError

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("csv", "parquet")

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
        analysis, result = analysis_of(record.suite), run.result(record)
        for variant in analysis.variants:
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
        ``summary`` (as `Run.summary`), ``cases-high-energy`` and so on for each suite (as `Run.cases`) and
        ``predictions`` (as `predictions`).

    Raises
    ------
    RunFolderError
        If a result cannot be read.
    """
    return {
        "summary": run.summary(),
        **{f"cases-{suite}": run.cases(suite) for suite in run.suites},
        "predictions": predictions(run),
    }


def export_run(run: Run, folder: Path, format: str = "csv") -> list[Written]:
    """Write all tables of a run; files of an earlier export are replaced.

    Parameters
    ----------
    run
        The run.
    folder
        Created if absent.
    format
        ``"csv"`` or ``"parquet"``.

    Returns
    -------
    list of Written
        In the order of `run_tables`.

    Raises
    ------
    RunFolderError
        For another format, if the folder cannot be written, or a result cannot be read.
    """
    if format not in FORMATS:
        raise RunFolderError(f"format {format!r} is not known; there are {', '.join(FORMATS)}")
    written = []
    for name, frame in run_tables(run).items():
        path = folder / f"{name}.{format}"
        write_table(frame, path)
        written.append(Written(path, len(frame)))
    return written


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table in the format that the ending of its name says.

    In CSV nan and ``None`` are empty, and numbers have the digits that give them back exactly
    (``pandas.read_csv(path, float_precision="round_trip")``).

    Parameters
    ----------
    frame
        The table; its index is not written.
    path
        Ends in ``.csv`` or ``.parquet``; its folder is created if absent.

    Raises
    ------
    RunFolderError
        For another ending, or if the file cannot be written.
    """
    check_table_path(path)
    write = {"csv": frame.to_csv, "parquet": frame.to_parquet}[path.suffix[1:]]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, index=False)
    except OSError as error:
        raise RunFolderError(
            f"{path} cannot be written ({error.strerror}); choose another --out"
        ) from error


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
