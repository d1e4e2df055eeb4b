"""What is to be measured, with which models and into which folder: options of ``run`` and ``submit``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal, Self

from cyclopts import Parameter

from umlip_bench.cli.declare import (
    Argument,
    Compiles,
    Data,
    File,
    Folder,
    Name,
    Names,
    Reads,
    TakesLabels,
    metavar,
)
from umlip_bench.ground.durations import checked_duration
from umlip_bench.ground.label_reading import AS_FOUND
from umlip_bench.ground.limits import Count
from umlip_bench.ground.plugins import installed

if TYPE_CHECKING:
    from umlip_bench.potentials.weights import Weights
    from umlip_bench.running.source import Source

SUITES = "umlip_bench.suites"
"""Entry points of suites; their own module is too slow to import for help."""


def _suites() -> str:
    """Help for their names."""
    return f"{', '.join(sorted(installed(SUITES).found))} (default: all that there is data for)"


@dataclass(frozen=True, kw_only=True)
class Measures(Compiles, TakesLabels):
    """A command that measures suites."""

    suites: Annotated[tuple[str, ...], Argument("SUITE"), Parameter(help=_suites())] = ()
    model: Names = ()
    """a model of `umlip-bench models`, a path to weights, an ASE calculator as ase:module.path:NAME or
    ase:./file.py:NAME?key=value, or the path of a YAML file that names one; mine=MODEL calls it mine; may be
    given several times (default: one version of each potential of the paper, and every other model with
    weights here and the functional of the data)"""
    data: Data | None = None
    """a set of `umlip-bench data list`, or a file or folder with labels (default: pbe-mini)"""
    structure: File | None = None
    """measure this structure, without reference values, and end with its property sheet; FILE@N takes frame N
    of several"""
    against: Name | None = None
    """with --structure: compare with this model, in place of DFT, on high-energy states of the structure that
    it samples; all numbers are relative to it"""
    trust_order: bool = False
    """with --data: take forces of phonopy's force sets as they are, even where they do not look as if they
    were in the order of the supercell"""
    max_index: Count | None = None
    """with --structure: highest Miller index of surfaces (default: 1)"""
    ion: Annotated[str | None, metavar("EL")] = None
    """with --structure: the ion that migrates"""
    mode: Literal["quick", "standard", "full"] = "standard"
    """how many cases: a few, all but the dearest, all"""
    out: Folder
    """the run folder"""
    time_limit: Annotated[str | None, Reads(checked_duration, metavar="TIME")] = None
    """stop after so long, such as 2h or 30min, with the best estimates by then; rerun to go on"""
    new_model: bool = False
    """measure the models anew, also where DIR has results of other ones of their names"""

    def source(self) -> Source:
        """What is run on; options that would do nothing are refused."""
        from umlip_bench.ground.errors import UmlipBenchError
        from umlip_bench.running.measure import MAX_INDEX, source_of

        if self.against is not None:
            return self._relative_source(self.against)
        given = {"--max-index": self.max_index, "--ion": self.ion}
        if self.structure is None:
            why = {
                "--max-index": "the surfaces of a data set (--data) are given",
                "--ion": "images of a path (--data) say which atom moves",
            }
            for option, value in given.items():
                if value is not None:
                    raise UmlipBenchError(
                        f"{option} {value} goes with --structure FILE; {why[option]}"
                    )
            return source_of(
                self.suites,
                self.data,
                None,
                self.mode,
                trust_order=self.trust_order,
                reading=self.reading,
            )
        if self.data is not None or self.trust_order or self.reading != AS_FOUND:
            other = "--trust-order" if self.trust_order else "what is said of labels"
            other = other if self.data is None else f"--data {self.data}"
            raise UmlipBenchError(
                f"{other} does not go with --structure {self.structure}, which is measured without reference "
                "values; leave one away"
            )
        max_index = MAX_INDEX if self.max_index is None else self.max_index
        source = source_of(
            self.suites, None, self.structure, self.mode, max_index=max_index, ion=self.ion
        )
        of = {"--max-index": "surfaces", "--ion": "migration"}
        for option, value in given.items():
            if value is not None and self.suites and of[option] not in self.suites:
                raise UmlipBenchError(
                    f"{option} {value} is of the suite {of[option]}, which is not among those to run; leave "
                    f"it away, or add {of[option]}"
                )
        return source

    def _relative_source(self, against: str) -> Source:
        """States of the structure, labelled by another model."""
        from umlip_bench.cli import console
        from umlip_bench.cli.progress import progress_bar
        from umlip_bench.finetune.relative import check_alone, relative_source
        from umlip_bench.ground.errors import UmlipBenchError
        from umlip_bench.ground.structures import read_structure
        from umlip_bench.potentials.loading import potential

        if self.structure is None:
            raise UmlipBenchError(
                f"--against {against} goes with --structure FILE, whose states it samples and labels"
            )
        beside = ["--data", "--trust-order", "--max-index", "--ion"]
        values = [self.data, self.trust_order or None, self.max_index, self.ion]
        given = [name for name, value in zip(beside, values, strict=True) if value is not None]
        given += ["what is said of labels"] if self.reading != AS_FOUND else []
        check_alone("--against", self.suites, given)
        read_structure(self.structure)  # before the model, which is slow to load
        errors = console.errors()
        with errors.status(f"reading {against}"):
            reference = potential(against, device=self.device, dtype=self.dtype)
        with progress_bar(errors) as bar:
            row = bar.add_task(f"states of {self.structure.name}", total=None)
            return relative_source(
                reference,
                self.structure,
                self.mode,
                keep=self.out,
                progress=lambda done, total: bar.update(row, completed=done, total=total),
            )

    def resolved(self, source: Source, models: Sequence[Weights]) -> Self:
        """The command, with what it took where nothing was named."""
        from umlip_bench.running.measure import DATA

        return replace(
            self,
            suites=self.suites or tuple(plan.suite.name for plan in source.plans),
            model=self.model or tuple(weights.card.name for weights in models),
            data=self.data if self.structure else self.data or DATA,
        )
