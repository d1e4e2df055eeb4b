"""What a scalar correction does to every suite, without another evaluation.

A factor c on the energy surface multiplies energy differences, forces, stresses and force constants by
c, and frequencies by its root. Geometries that were relaxed at zero pressure and minimum energy paths stay
where they were. The corrected model's results so follow from its parent's, suite by suite
(`AnySuite.scaled`). Against a run of the corrected model they differ by rounding at fixed geometries,
and where the model relaxes by what a relaxation leaves: its criterion is a force, which the factor scales.

Energies of the suites are differences between equal numbers of atoms of every element, so that the element
references about which a model is scaled cancel.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from umlip_bench.analysis.registry import all_suites, suite_of
from umlip_bench.analysis.run_files import CaseRecord, RunConfig
from umlip_bench.analysis.runs import Run
from umlip_bench.analysis.summary import Row
from umlip_bench.ground.errors import RunFolderError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.model_card import ModelCard

ORIGIN = "calculated from its parent's results"
"""Where the corrected model's weights came from, in the run's configuration."""


@dataclass(frozen=True)
class Factor:
    """A scalar correction, as its folder's card tells.

    Parameters
    ----------
    name
        Of the corrected model: the name of its folder.
    parent
        Name of the model that was corrected.
    parent_sha256
        Digest of that model's weights.
    value
        The factor c on the energy surface, dimensionless.
    low, high
        Ends of its 95 % interval; ``None`` if the card has none.
    estimator
        How c was made from the labels: ``rotate``, ``mse`` or ``shrunk``; ``None`` if not recorded.
    labels
        File or data set that it was fitted to; ``None`` if not recorded.
    n_labels
        Frames of it; ``None`` if not recorded.
    sha256
        Digest of all that the corrected model's predictions depend on.
    """

    name: str
    parent: str
    parent_sha256: str
    value: float
    low: float | None
    high: float | None
    estimator: str | None
    labels: str | None
    n_labels: int | None
    sha256: str

    def card(self, parent: ModelCard) -> ModelCard:
        """The corrected model's card."""
        described = f"{parent.architecture}, scaled by {self.value:.4f}"
        return replace(parent.derived(self.name, described, self.value), parent=self.parent)

    @property
    def resolved(self) -> bool | None:
        """Whether the interval leaves out 1, no correction at all; ``None`` without an interval."""
        if self.low is None or self.high is None:
            return None
        return not self.low <= 1.0 <= self.high


def parent_in(run: Run, factor: Factor) -> str:
    """Name of the model of a run that a correction is of, known by the digest of its weights.

    Raises
    ------
    RunFolderError
        If no model of the run has these weights and a finished case.
    """
    digests = {name: str(run.config.models[name]["sha256"]) for name in run.models}
    for name, digest in digests.items():
        if digest == factor.parent_sha256:
            return name
    there = ", ".join(f"{name} ({digest[:12]})" for name, digest in digests.items()) or "none"
    raise RunFolderError(
        f"{factor.name} corrects {factor.parent} with weights of sha256 {factor.parent_sha256[:12]}, which "
        f"is no model of {run.path}; it has {there}. Add it: `umlip-bench run --model {factor.parent} --out "
        f"{run.path}`, or name a run that has it"
    )


def corrected(run: Run, factor: Factor) -> Run:
    """A run of a corrected model, from its parent's results.

    Parameters
    ----------
    run
        With the parent among its models.
    factor
        The correction.

    Returns
    -------
    Run
        Of the corrected model alone, with the suites, cases and failures that the parent has. Its records
        have keys of their own, and its results are no files.

    Raises
    ------
    RunFolderError
        If the parent is no model of the run, or a file of its predictions cannot be read.
    """
    parent = parent_in(run, factor)
    records: list[CaseRecord] = []
    results: dict[str, Any] = {}
    rows: list[Row] = []
    for suite in (name for name in run.suites if name in all_suites()):
        analysis = suite_of(suite)
        of_suite = [r for r in run.records if (r.suite, r.model) == (suite, parent)]
        if not of_suite:
            continue
        scaled = []
        for record in of_suite:
            key = hashlib.sha256(f"{record.key} {factor.sha256}".encode()).hexdigest()[:32]
            metrics: Mapping[str, float | int] = {}
            if record.status == "done":
                results[key] = analysis.scaled(run.result(record), factor.value)
                scaled.append(results[key])
                metrics = analysis.numbers(results[key])
            records.append(
                CaseRecord(
                    key=key,
                    model=factor.name,
                    data=record.data,
                    suite=suite,
                    case=record.case,
                    elements=record.elements,
                    status=record.status,
                    reason=record.reason,
                    metrics=metrics,
                )
            )
        rows += analysis.rows(factor.name, run.data, scaled, len(of_suite) - len(scaled))
    return Run.of_results(run.path, _config(run, parent, factor), rows, records, results)


def notes(factor: Factor, level: LevelOfTheory | None = None) -> tuple[str, ...]:
    """What a reader of corrected results must know, a sentence or two each.

    Parameters
    ----------
    factor
        The correction.
    level
        The parent's level of theory, as in `Run.card`; it tells whether energies carry corrections.
    """
    c = f"{factor.value:.3f}"
    said = [
        f"Calculated from the results of {factor.parent}, not run again: energies, stresses and moduli "
        f"times {c}, frequencies times {math.sqrt(factor.value):.3f}; geometries relaxed at zero pressure, "
        "paths and volumes as they were. Cases that failed or did not converge stay so.",
        f"Every energy difference grows by {c}, between compositions too: formation energies, reaction "
        "energies and heights above the hull, which may have been right before. The factor was fitted to "
        "forces alone.",
    ]
    if level is not None and level.energy_corrections is not None:
        said.append(
            f"Energies of {factor.parent} carry {level.energy_corrections} corrections, those of the "
            f"corrected model {c} times as much: take off {c} x the correction before comparing energies in "
            "which an anion changes its class. The suites do."
        )
    return tuple(said)


def _config(run: Run, parent: str, factor: Factor) -> RunConfig:
    """The parent's run with the corrected model in place of all models."""
    card = asdict(factor.card(run.card(parent)))
    entry = {
        **card,
        "elements": " ".join(card["elements"]),
        "origin": ORIGIN,
        "sha256": factor.sha256,
    }
    return RunConfig(run.config.identity, run.config.provenance, {factor.name: entry}, run.suites)
