"""The leaderboard of run folders, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from umlip_bench.analysis.leaderboard.gather import gather
from umlip_bench.analysis.leaderboard.site import write
from umlip_bench.analysis.runs import Run, read_run
from umlip_bench.running.data_note import data_note
from umlip_bench.running.measured_run import MeasuredRun


def leaderboard(
    runs: Sequence[str | Path | Run | MeasuredRun], out: str | Path, *, force: bool = False
) -> Path:
    """Write the site of all potentials of some runs: what ``umlip-bench leaderboard`` does.

    Parameters
    ----------
    runs
        Run folders, or what `umlip_bench.run` gave; at least one.
    out
        Folder of the site, made if it is not there.
    force
        Overwrite files that are not ours.

    Returns
    -------
    Path
        Of its ``index.html``.

    Raises
    ------
    RunFolderError
        If a folder is no run folder, or damaged.
    DataError
        If there is no finished case, or two run folders of one name have the same model.
    OutputError
        If it cannot be written.
    """
    read = [_read(each) for each in runs]
    return write(gather(read, {run.data: data_note(run) for run in read}), Path(out), force=force)


def _read(given: str | Path | Run | MeasuredRun) -> Run:
    if isinstance(given, MeasuredRun):
        return given.folder
    return given if isinstance(given, Run) else read_run(given)
