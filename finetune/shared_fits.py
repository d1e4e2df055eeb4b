"""Fits of an experiment made by several processes, and kept in its journal by whoever makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from umlip_bench.finetune.experiment import Experiment, Fitted, Planned
from umlip_bench.ground.journal import JournalWriter, keys_in
from umlip_bench.potentials.protocol import Potential
from umlip_bench.running.helpers import Helpers
from umlip_bench.running.job_worker import WorkersModel, loaded
from umlip_bench.running.jobs import Jobs
from umlip_bench.running.planner import Planner
from umlip_bench.running.shared_work import SharedWork
from umlip_bench.running.work import Worked


@dataclass(frozen=True, eq=False)
class FitLeft:
    """A fit that is not in the journal.

    Parameters
    ----------
    key
        Of its entry.
    planned
        What is fitted to what.
    """

    key: str
    planned: Planned

    @property
    def group(self) -> str:
        """Fits of one method are alike."""
        return self.planned.name

    @property
    def size(self) -> float:
        """Atoms of the labels, or of what is judged where there is nothing to fit."""
        choice = self.planned.choice
        return float(sum(len(frame.atoms) for frame in choice.labels or choice.judged))


@dataclass(frozen=True, eq=False)
class FitWork:
    """Fits for another process.

    Parameters
    ----------
    name
        That no other chunk of the folder has.
    folder
        The journal, as an absolute path that the other process sees as well.
    model
        The model.
    fits
        At least one.
    """

    name: str
    folder: Path
    model: WorkersModel
    fits: tuple[FitLeft, ...]

    def work(self) -> Worked:
        """Make the fits; see `umlip_bench.running.work.Work`."""
        with loaded(self.model) as potential:
            start = monotonic()
            journal: JournalWriter[Fitted] = JournalWriter(self.folder, name=self.name)
            # Another may have begun this chunk, and died.
            done = journal.ended()
            experiment = Experiment(potential)
            try:
                for each in self.fits:
                    if each.key not in done:
                        fitted, arrays = experiment.fit(each.planned)
                        journal.append(each.key, fitted, arrays or None)
            finally:
                journal.close()
        return Worked(monotonic() - start)


class SharedExperiment(Experiment):
    """Fits of one model, which several processes make as soon as they are planned.

    Parameters
    ----------
    potential, journal, earlier, on_fit
        As of `Experiment`; without a journal there is nothing that others could write into.
    jobs
        The other processes.
    """

    def __init__(
        self,
        potential: Potential,
        journal: Path,
        earlier: Path | None = None,
        *,
        jobs: Jobs,
        on_fit: Callable[[str], None] = lambda text: None,
    ) -> None:
        super().__init__(potential, journal, earlier, on_fit=on_fit)
        self._jobs = jobs
        self._journal_folder = journal.absolute()

    def plan(self, fits: Sequence[Planned]) -> None:
        """Make all that are not in the journal; as of `Experiment.plan`."""
        keyed = {self.key(planned): planned for planned in fits if not self.holds(planned)}
        left = [FitLeft(key, planned) for key, planned in keyed.items()]
        model = WorkersModel.of(
            self.potential.weights,
            self._jobs.device or str(self.potential.device),
            self.potential.dtype,
        )

        def work_of(some: Sequence[FitLeft], name: str) -> FitWork:
            return FitWork(name, self._journal_folder, model, tuple(some))

        n_done = 0

        def count(n: int) -> None:
            nonlocal n_done
            n_done += n
            self._on_fit(f"{n_done} of {len(left)} fits")

        work = SharedWork(
            Helpers(self._jobs, self.told),
            Planner(left),
            work_of,
            lambda name: keys_in(self._journal_folder, name),
        )
        with work.helpers:
            while work.wait():
                for one in work:
                    self.make(one.planned)
                    work.ended_here(one.key)
                    count(1 + work.ended_elsewhere())
                count(work.ended_elsewhere())
        self.read_again()
