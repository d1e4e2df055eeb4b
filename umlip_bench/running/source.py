"""What a run is on, and with which models: cases of a data set or of a structure, and located weights."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from umlip_bench.benchmarks import load_suite, load_suites
from umlip_bench.benchmarks.suite import AnyBenchmark, Mode, StructureRequest
from umlip_bench.datasets import Dataset
from umlip_bench.ground.errors import UmlipBenchError, WeightsError
from umlip_bench.ground.identity import identity
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.model_card import ModelCard
from umlip_bench.ground.structures import check_input, read_structure, split_frames
from umlip_bench.potentials.catalogue import catalogue
from umlip_bench.potentials.loading import locate
from umlip_bench.potentials.weights import Weights, WeightsStore
from umlip_bench.running.plan import DataIdentity, SuitePlan

REFERENCE_MODELS = ("chgnet-0.3.0", "m3gnet-mp-2021.2.8", "mace-mp-0-medium")
"""One version of each potential of the paper; run when none is named, downloaded if need be."""


@dataclass(frozen=True, eq=False)
class Source:
    """What is run on.

    Parameters
    ----------
    data
        Identity of the reference data, or of the structure.
    plans
        The cases of each suite.
    notes
        What a user should know of them, a sentence each.
    """

    data: DataIdentity
    plans: Sequence[SuitePlan]
    notes: Sequence[str]

    @property
    def has_reference(self) -> bool:
        """Whether there is anything to compare with."""
        return self.data.has_reference


def from_dataset(suites: Sequence[str], dataset: Dataset, mode: Mode) -> Source:
    """The cases of a data set.

    Parameters
    ----------
    suites
        Names; without any, all that have a case there.
    dataset
        The data set.
    mode
        How many cases.

    Raises
    ------
    UmlipBenchError
        If a suite is not known or has no case there.
    """
    wanted = known_suites(suites)
    plans = []
    notes = []
    for suite in wanted or load_suites():
        cases = suite.cases(dataset, mode)
        if cases:
            plans.append(SuitePlan(suite, cases))
        elif wanted:
            raise UmlipBenchError(
                f"data set {dataset.manifest.id} has no case for the suite {suite.name}; it has some for: "
                f"{', '.join(dataset.tasks)}"
            )
        left_out = Counter(case.unusable for case in dataset.unusable(suite.name))
        notes += [
            f"{suite.name}: {n} cases of the data are left out: {reason}."
            for reason, n in left_out.most_common()
        ]
    if not plans:
        raise UmlipBenchError(f"data set {dataset.manifest.id} has no case for any suite")
    level = dataset.manifest.level_of_theory
    of = DataIdentity(dataset.manifest.id, dataset.sha256, level, dataset.manifest.caveats)
    notes += [each.text for each in dataset.understood if not each.expected]
    return Source(of, plans, [*notes, *dataset.manifest.caveats])


def known_suites(names: Sequence[str]) -> list[AnyBenchmark]:
    """Suites by name, each once; to be asked before data are read.

    Raises
    ------
    UmlipBenchError
        If there is no such suite.
    """
    return [load_suite(name) for name in dict.fromkeys(names)]


def from_structure(
    suites: Sequence[str], structure: Path | Atoms, mode: Mode, max_index: int, ion: str | None
) -> Source:
    """The cases that follow from a structure alone.

    Parameters
    ----------
    suites
        Names; without any, all that can measure it.
    structure
        Any file that ASE reads, ``FILE@N`` for one of several structures; or a structure.
    mode
        How many cases.
    max_index
        Highest Miller index of surfaces.
    ion
        Element that migrates; ``None`` for the one that the suite chooses.

    Raises
    ------
    UmlipBenchError
        If a suite needs reference data or cannot measure the structure, or the file cannot be read.
    """
    able = [suite for suite in load_suites() if suite.takes_structures]
    wanted = known_suites(suites)
    atoms, name, full_name, content = _structure(structure)
    for suite in wanted:
        if not suite.takes_structures:
            raise UmlipBenchError(
                f"the suite {suite.name} needs reference data; without them there are "
                f"{', '.join(s.name for s in able)}"
            )
    request = StructureRequest(atoms, name, max_index, ion, mode)
    plans, notes = [], []
    for suite in wanted or able:
        try:
            plans.append(SuitePlan(suite, suite.structure_cases(request)))
        except UmlipBenchError as error:
            if wanted:
                raise
            notes.append(f"{suite.name} is left out: {error}.")
    if not plans:
        raise UmlipBenchError(f"no suite can measure {full_name}: {' '.join(notes)}")
    digest = hashlib.sha256(f"{max_index} {ion} ".encode() + content).hexdigest()
    data = DataIdentity(full_name, digest, LevelOfTheory("unknown"), has_reference=False)
    return Source(data, plans, notes)


def _structure(given: Path | Atoms) -> tuple[Atoms, str, str, bytes]:
    """A structure, its name, that of the data, and what tells it from another."""
    if isinstance(given, Atoms):
        check_input(given)
        name = given.get_chemical_formula(empirical=True)
        return given.copy(), name, name, identity(given).encode()
    file, frame = split_frames(given)
    # The frame is in the name of the data, and so in its identity.
    name = file.stem if frame is None else f"{file.stem}@{frame}"
    return read_structure(given), name, given.name, file.read_bytes()


def locate_models(
    names: Sequence[str | Weights], data: LevelOfTheory, store: WeightsStore
) -> tuple[list[Weights], dict[str, str]]:
    """Weights of the wanted models, and why others are missing.

    A name that stands for no model is an error at once; weights that are not to be had leave a model out.

    Parameters
    ----------
    names
        Models, or what is located of them; without any, `REFERENCE_MODELS` and what else is here of the
        data's functional.
    data
        Level of theory of the reference data.
    store
        Where weights are.

    Raises
    ------
    UmlipBenchError
        If a name stands for no model, or two for different weights of one name.
    """
    wanted = list(names or REFERENCE_MODELS)
    found: list[Weights] = []
    missing: dict[str, str] = {}
    for name in wanted:
        try:
            weights = name if isinstance(name, Weights) else locate(name, store)
        except WeightsError as error:
            missing[str(name)] = str(error)
            continue
        namesake = next((w for w in found if w.card.name == weights.card.name), None)
        if namesake is None:
            found.append(weights)
        elif namesake.sha256 != weights.sha256:
            raise UmlipBenchError(
                f"{_where(namesake)} and {_where(weights)} are different weights that both go by the "
                f"name {weights.card.name}; call one of them otherwise: mine=MODEL"
            )
    if not names:
        for card in catalogue().values():
            same = card.level_of_theory.functional == data.functional
            if card.name not in wanted and (same or data.functional == "unknown"):
                here = _if_here(card, store, missing)
                if here is not None:
                    found.append(here)
    return found, missing


def _where(weights: Weights) -> str:
    return str(weights.paths[0]) if weights.paths else f"{weights.origin} {weights.sha256[:8]}"


def _if_here(card: ModelCard, store: WeightsStore, missing: dict[str, str]) -> Weights | None:
    try:
        return store.locate(card)
    except WeightsError as error:
        missing[card.name] = str(error)
        return None
