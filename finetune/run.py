"""Suites in Python: what ``umlip-bench run`` does, with objects where the command takes names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ase import Atoms

from umlip_bench.datasets.given import Labels
from umlip_bench.finetune.relative import check_alone, relative_source
from umlip_bench.potentials.loading import potential
from umlip_bench.potentials.protocol import Potential
from umlip_bench.running.jobs import Jobs
from umlip_bench.running.measure import MAX_INDEX, Model, measured, source_of
from umlip_bench.running.measured_run import MeasuredRun
from umlip_bench.running.runner import ProgressDisplay


def run(
    models: Sequence[Model] | Mapping[str, Model] = (),
    *,
    suites: Sequence[str] = (),
    data: Labels | None = None,
    structure: str | Path | Atoms | None = None,
    against: Model | None = None,
    out: str | Path | None = None,
    mode: str = "standard",
    max_index: int = MAX_INDEX,
    ion: str | None = None,
    trust_order: bool = False,
    device: str = "auto",
    dtype: str = "float32",
    new_model: bool = False,
    jobs: int | Jobs | None = 1,
    join: bool = False,
    time_limit: float | None = None,
    progress: ProgressDisplay | None = None,
) -> MeasuredRun:
    """Run suites with any number of models; what ``umlip-bench run`` does.

    Parameters
    ----------
    models
        Names, paths, ASE calculators or potentials, or a mapping of these by what they are to be called.
        Without any: one version of each potential of the paper, and every other model whose weights are
        here and that has the functional of the data.
    suites
        Names; without any, all that there is data for.
    data
        Reference data: a name, a path, a `Dataset`, or labelled structures; ``pbe-mini`` by default.
    structure
        A file or a structure that is measured without reference values, in place of data.
    against
        With `structure`: a model that the others are compared with, in place of DFT, on high-energy states of
        the structure that it samples and labels; all numbers are relative to it.
    out
        The run folder, to which an interrupted or an earlier run is continued. Without it results live as
        long as what is returned.
    mode
        ``quick``, ``standard`` or ``full``: how many cases.
    max_index, ion
        With `structure`: highest Miller index of surfaces, and the ion that migrates.
    trust_order
        As of `umlip_bench.datasets.load`.
    device, dtype
        As of `umlip_bench.potential`; calculators and potentials that are given stay where they are.
    new_model
        Measure the models anew, also where `out` has results of other ones of their names.
    jobs
        Processes, as of ``umlip-bench run --jobs``; ``None`` for as many as there are cores or GPUs. A
        script that asks for more than one begins below ``if __name__ == "__main__":``, as
        `multiprocessing` wants it.
        Calculators and potentials that are given are run in this one. `umlip_bench.running.jobs.Jobs` for
        any `concurrent.futures.Executor`.
    join
        Share the run with other processes that do the same, as of ``umlip-bench run --join``.
    time_limit
        Seconds after which to stop measuring.
    progress
        Told about every case.

    Returns
    -------
    MeasuredRun
        Which shows itself in a notebook.

    Raises
    ------
    UmlipBenchError
        If a model, suite or the data are not usable, or no model could be run; the message names the remedy.

    Examples
    --------
    >>> from ase.calculators.emt import EMT
    >>> from ase.build import bulk
    >>> import umlip_bench
    >>> run = umlip_bench.run([EMT()], structure=bulk("Cu"), suites=["eos"])
    >>> run.models
    ('EMT',)
    >>> len(run.cases())
    1
    """
    if against is None:
        source = source_of(
            suites, data, structure, mode, max_index=max_index, ion=ion, trust_order=trust_order
        )
    else:
        given = {"data": data, "trust_order": trust_order or None, "ion": ion}
        given["max_index"] = None if max_index == MAX_INDEX else max_index
        check_alone("against", suites, [name for name, value in given.items() if value is not None])
        there = getattr(against, "potential", against)  # behind a calculator of ours
        reference = (
            there if isinstance(there, Potential) else potential(there, device=device, dtype=dtype)
        )
        keep = None if out is None else Path(out)
        source = relative_source(reference, structure, mode, keep=keep)
    return measured(
        source,
        models,
        out,
        progress,
        device=device,
        dtype=dtype,
        new_model=new_model,
        jobs=jobs,
        join=join,
        time_limit=time_limit,
    )
