"""Relaxing many structures with one model, in this process or in several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from ase import Atoms
from ase.units import GPa

from umlip_bench.engine.fire import Fire
from umlip_bench.engine.lbfgs import Lbfgs, ScaledLbfgs
from umlip_bench.engine.relaxation import Minimiser, Relax, Relaxed
from umlip_bench.engine.requests import Task
from umlip_bench.engine.scheduler import Failed, run_tasks
from umlip_bench.ground.journal import JournalWriter, keys_in
from umlip_bench.potentials.protocol import Potential
from umlip_bench.running.helpers import Helpers
from umlip_bench.running.job_worker import WorkersModel, loaded
from umlip_bench.running.jobs import Jobs
from umlip_bench.running.planner import Planner
from umlip_bench.running.relaxations import Relaxation, RelaxedFile, Setting, relaxation_of
from umlip_bench.running.shared_work import SharedWork
from umlip_bench.running.work import Worked

MINIMISERS: dict[str, Callable[[], Minimiser]] = {
    "fire": Fire,
    "lbfgs": Lbfgs,
    "scaled-lbfgs": ScaledLbfgs,
}


@dataclass(frozen=True)
class RelaxSettings:
    """How structures are relaxed.

    Parameters
    ----------
    cell
        Whether the cell is relaxed too.
    fmax
        Largest force in eV/Å.
    steps
        Most steps.
    pressure
        On the cell, in GPa.
    optimizer
        One of `MINIMISERS`.
    """

    cell: bool
    fmax: float
    steps: int
    pressure: float
    optimizer: str

    def task(self, atoms: Atoms) -> Task[Relaxed]:
        """The relaxation of one structure."""
        relaxed: Relaxed = yield Relax(
            atoms,
            cell=self.cell,
            fmax=self.fmax,
            steps=self.steps,
            pressure=self.pressure * GPa,
            minimiser=MINIMISERS[self.optimizer],
            held=True,
        )
        return relaxed


@dataclass(frozen=True, eq=False)
class StructureLeft:
    """A structure that is still to be relaxed.

    Parameters
    ----------
    index
        Its place in the input.
    key
        Of its entry in the journal.
    atoms
        The start.
    """

    index: int
    key: str
    atoms: Atoms

    @property
    def group(self) -> str:
        """All are of one group."""
        return "relax"

    @property
    def size(self) -> float:
        """Atoms."""
        return float(len(self.atoms))


@dataclass(frozen=True, eq=False)
class RelaxWork:
    """Structures for another process.

    Parameters
    ----------
    name
        That no other chunk of the folder has.
    folder
        The journal, as an absolute path that the other process sees as well.
    model
        The model.
    settings
        How they are relaxed.
    decisive
        What the results depend on, which is written with them.
    structures
        At least one.
    """

    name: str
    folder: Path
    model: WorkersModel
    settings: RelaxSettings
    decisive: dict[str, Setting]
    structures: tuple[StructureLeft, ...]

    def work(self) -> Worked:
        """Relax the structures; see `umlip_bench.running.work.Work`."""
        failed: dict[str, str] = {}
        with loaded(self.model) as potential:
            start = monotonic()
            journal: JournalWriter[Relaxation] = JournalWriter(self.folder, name=self.name)
            done = journal.ended()
            tasks = (
                (one.key, self.settings.task(one.atoms))
                for one in self.structures
                if one.key not in done
            )
            try:
                for outcome in run_tasks(potential, tasks):
                    if isinstance(outcome, Failed):
                        failed[outcome.key] = str(outcome.error)
                    else:
                        entry = relaxation_of(outcome.result, outcome.key, self.decisive)
                        journal.append(outcome.key, entry)
            finally:
                journal.close()
        return Worked(monotonic() - start, failed)


@dataclass(frozen=True)
class RelaxedSome:
    """What came of some structures.

    Parameters
    ----------
    n
        That ended.
    n_unconverged
        Of those that were relaxed in this process.
    failed
        Reasons of those that failed, by place in the input.
    """

    n: int
    n_unconverged: int = 0
    failed: dict[int, str] = field(default_factory=dict)


def relax_all(
    potential: Potential,
    structures: Iterable[StructureLeft],
    settings: RelaxSettings,
    file: RelaxedFile,
    jobs: Jobs | None,
    told: list[str],
) -> Iterator[RelaxedSome]:
    """Relax structures, and keep each as it ends.

    Parameters
    ----------
    potential
        The model.
    structures
        Taken one by one, unless other processes help.
    settings
        How they are relaxed.
    file
        Where they are kept.
    jobs
        Other processes; ``None`` for this one alone.
    told
        Sentences for the user are added to it.

    Yields
    ------
    RelaxedSome
        As structures end.
    """
    if jobs is None:
        yield from _alone(potential, structures, settings, file)
        return
    left = list(structures)
    index_of = {each.key: each.index for each in left}
    # Several that are the same are relaxed once.
    work = _shared(potential, list({e.key: e for e in left}.values()), settings, file, jobs, told)
    with work.helpers:
        while work.wait():
            mine = ((one.key, settings.task(one.atoms)) for one in work)
            for outcome in run_tasks(potential, mine):
                work.ended_here(outcome.key)
                index = index_of[outcome.key]
                if isinstance(outcome, Failed):
                    yield RelaxedSome(1, failed={index: str(outcome.error)})
                else:
                    file.add(index, outcome.result)
                    yield RelaxedSome(1, n_unconverged=not outcome.result.converged)
                yield _elsewhere(work, index_of)
            yield _elsewhere(work, index_of)
    file.read_again()


def _alone(
    potential: Potential,
    structures: Iterable[StructureLeft],
    settings: RelaxSettings,
    file: RelaxedFile,
) -> Iterator[RelaxedSome]:
    tasks = ((one.index, settings.task(one.atoms)) for one in structures)
    for outcome in run_tasks(potential, tasks):
        if isinstance(outcome, Failed):
            yield RelaxedSome(1, failed={outcome.key: str(outcome.error)})
        else:
            file.add(outcome.key, outcome.result)
            yield RelaxedSome(1, n_unconverged=not outcome.result.converged)


def _shared(
    potential: Potential,
    left: Sequence[StructureLeft],
    settings: RelaxSettings,
    file: RelaxedFile,
    jobs: Jobs,
    told: list[str],
) -> SharedWork[StructureLeft]:
    model = WorkersModel.of(
        potential.weights, jobs.device or str(potential.device), potential.dtype
    )
    folder = file.folder.absolute()

    def work_of(structures: Sequence[StructureLeft], name: str) -> RelaxWork:
        return RelaxWork(name, folder, model, settings, file.settings, tuple(structures))

    return SharedWork(
        Helpers(jobs, told), Planner(left), work_of, lambda name: keys_in(folder, name)
    )


def _elsewhere(work: SharedWork[StructureLeft], index_of: dict[str, int]) -> RelaxedSome:
    failed = {index_of[key]: reason for key, reason in work.failures().items()}
    return RelaxedSome(work.ended_elsewhere(), failed=failed)
