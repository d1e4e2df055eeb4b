"""An array job of Slurm, each task of which joins a run; submitted by submitit.

A task that comes to the end of its walltime is put back into the queue, and goes on with what is left.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.extras import require

LOGS = "slurm"
"""Folder of the array's scripts and output, in the run folder."""
MOST_REQUEUES = 1000
"""Times that a task goes on in another walltime."""
DEFAULT_MINUTES = 60
_WRITTEN = f"what tasks write is in {LOGS}/ of the run folder"
_RESUMED = "a task at the end of its walltime goes back into the queue by itself"
NOT_GIVEN: Mapping[str, str] = {
    "array": "say how many tasks there are with --tasks",
    "output": _WRITTEN,
    "error": _WRITTEN,
    "open-mode": _WRITTEN,
    "signal": _RESUMED,
    "requeue": _RESUMED,
    "no-requeue": _RESUMED,
    "wrap": "each task runs umlip-bench run --join",
    "parsable": "the number of the job is read from what sbatch prints without it",
    "setup": "set up what tasks need before you submit: they have its surroundings",
    "teardown": "each task ends with umlip-bench run --join",
    "srun-args": "give options of sbatch",
    "additional-parameters": "give each option of sbatch by its own name",
}
"""Names that are no option of the array, as they are set for it or are those of submitit; with the remedy."""
_TIME = re.compile(r"(?:(?P<d>\d+)-)?(?P<first>\d+)(?::(?P<second>\d+))?(?::(?P<third>\d+))?$")


def check_slurm() -> None:
    """Check that this machine has Slurm; to be asked before a run is planned.

    Raises
    ------
    UmlipBenchError
        If submitit is not installed, or Slurm not to be found.
    """
    require("submitit")
    missing = [name for name in ("sbatch", "srun") if shutil.which(name) is None]
    if missing:
        raise UmlipBenchError(
            f"there is no {' and no '.join(missing)} here; submit on a machine that has sbatch and srun"
        )


def submit_array(
    task: Callable[[int], int], n: int, options: Mapping[str, str], folder: Path
) -> list[str]:
    """Submit an array job.

    Parameters
    ----------
    task
        Is pickled and called with the number of the task; its `checkpoint` gives what is to follow at the end
        of the walltime, as of submitit.
    n
        Tasks.
    options
        Of sbatch, by their long names.
    folder
        Run folder.

    Returns
    -------
    list of str
        A number of Slurm for each task.

    Raises
    ------
    UmlipBenchError
        If submitit is not installed, this machine has no Slurm, or Slurm refuses.
    """
    require("submitit")
    import submitit
    from submitit.core.utils import FailedJobError

    known = submitit.SlurmExecutor._valid_parameters()
    named = {name.lstrip("-").replace("-", "_"): value for name, value in options.items()}
    plain = {name: _number(value) for name, value in named.items() if name in known}
    more = {name: value for name, value in named.items() if name not in known}
    try:
        executor = submitit.SlurmExecutor(folder / LOGS, max_num_timeout=MOST_REQUEUES)
        executor.update_parameters(
            **{
                "job_name": "umlip-bench",
                "time": DEFAULT_MINUTES,
                "cpus_per_task": 1,
                "array_parallelism": n,
                **plain,
                "additional_parameters": {"requeue": True, **more},
            }
        )
        jobs = executor.map_array(task, range(n))
    except (RuntimeError, FileNotFoundError, FailedJobError) as error:
        raise UmlipBenchError(
            f"Slurm did not take the job: {error}; give options of sbatch as --slurm KEY=VALUE, on a machine "
            "that has sbatch and srun"
        ) from error
    return [job.job_id for job in jobs]


def walltime_seconds(text: str) -> float:
    """Seconds of a time as sbatch takes it: minutes, M:S, H:M:S, D-H, D-H:M or D-H:M:S.

    Raises
    ------
    ValueError
        If it is none; names the text and what is allowed.

    Examples
    --------
    >>> walltime_seconds("240"), walltime_seconds("4:00:00"), walltime_seconds("1-12")
    (14400.0, 14400.0, 129600.0)
    """
    found = _TIME.match(text.strip())
    if found is None:
        raise ValueError(
            f"{text!r} is no walltime; sbatch takes minutes, M:S, H:M:S, D-H, D-H:M or D-H:M:S"
        )
    numbers = [int(found[name] or 0) for name in ("first", "second", "third")]
    if found["d"] is not None:
        hours, minutes, seconds = numbers
        return float(86400 * int(found["d"]) + 3600 * hours + 60 * minutes + seconds)
    if found["third"] is not None:
        hours, minutes, seconds = numbers
        return float(3600 * hours + 60 * minutes + seconds)
    minutes, seconds, _ = numbers
    return float(60 * minutes + seconds)


def _number(value: str) -> str | int:
    return int(value) if value.isdecimal() else value
