"""Commands whose fits several processes share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from umlip_bench.cli.workers import Sharing

if TYPE_CHECKING:
    from pathlib import Path

    from umlip_bench.finetune.experiment import Experiment
    from umlip_bench.potentials.protocol import Potential
    from umlip_bench.running.jobs import Jobs


@dataclass(frozen=True, kw_only=True)
class SharesFits(Sharing):
    """A command that makes many fits, which may be shared."""

    def check_place(self, out: Path | None) -> None:
        """Refuse other processes where there is no place that they could keep their fits in.

        Raises
        ------
        UmlipBenchError
            Says what is missing.
        """
        from umlip_bench.ground.errors import UmlipBenchError

        for option, value in (("--dask", self.dask), ("--jobs", self.jobs)):
            if out is None and value not in (None, 1):
                raise UmlipBenchError(
                    f"{option} {value} needs --out: the processes keep their fits beside it"
                )

    def experiment(
        self,
        potential: Potential,
        asked: Jobs | int | None,
        journal: Path | None,
        earlier: Path | None = None,
        on_fit: Callable[[str], None] = lambda text: None,
    ) -> Experiment:
        """Fits of a model, made here or with the processes that are asked for.

        Parameters
        ----------
        potential
            The model in this process.
        asked
            As `others` gives it, which is to be asked before a model is loaded.
        journal, earlier, on_fit
            As of `umlip_bench.finetune.experiment.Experiment`.
        """
        from umlip_bench.finetune.experiment import Experiment
        from umlip_bench.finetune.shared_fits import SharedExperiment
        from umlip_bench.running.jobs import jobs_on

        if journal is None:
            return Experiment(potential, on_fit=on_fit)
        jobs = jobs_on(asked, potential.device)
        if jobs is None:
            return Experiment(potential, journal, earlier, on_fit=on_fit)
        return SharedExperiment(potential, journal, earlier, jobs=jobs, on_fit=on_fit)


def say_of_fits(experiment: Experiment) -> None:
    """Say on stderr which kept fits could not be read, and what became of other processes."""
    for each in experiment.damaged:
        print(f"umlip-finetune: {each}; it was computed again", file=sys.stderr)
    for each in experiment.told:
        print(f"umlip-finetune: {each}", file=sys.stderr)
