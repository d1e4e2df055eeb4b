"""Whether a model is the one that a run folder's results are of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint
from itertools import islice
from pathlib import Path

from ase import Atoms

from umlip_bench.ground.errors import RunFolderError, UmlipBenchError
from umlip_bench.ground.identity import identity
from umlip_bench.potentials.corrections.folder import CorrectedWeights
from umlip_bench.potentials.environment_weights import FAMILY
from umlip_bench.potentials.families import families
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.weights import Weights
from umlip_bench.running.model_fingerprint import (
    N_STRUCTURES,
    difference_from,
    open_fingerprints,
    take_fingerprint,
)
from umlip_bench.running.plan import SuitePlan

FOREIGN = ("ase", FAMILY)
MAX_NAME = 100
"""Characters of a file's name; file systems take at most 255 bytes."""
OURS = "umlip-bench"
"""The distribution whose families are known by their weights."""


def can_change(weights: Weights) -> bool:
    """Whether a model may give other numbers although its weights are the same: other people's code."""
    if isinstance(weights, CorrectedWeights):
        return can_change(weights.base)
    point = families().get(weights.card.family)
    return weights.card.family in FOREIGN or not _ours(point)


def _ours(point: EntryPoint | None) -> bool:
    return point is not None and point.dist is not None and point.dist.name == OURS


def _key(name: str) -> str:
    """What the fingerprint of a model is kept under: a part of a file's name."""
    return name if "/" not in name and len(name) <= MAX_NAME else identity(name)


class ModelCheck:
    """Holds models against what they gave when they were first loaded for a run folder.

    Parameters
    ----------
    folder
        Of the run.
    plans
        What is run: its first structures serve for models that do not say which elements they know.
    told
        Warnings are added to it.
    """

    def __init__(self, folder: Path, plans: Sequence[SuitePlan], told: list[str]) -> None:
        self._folder = folder
        self._plans = plans
        self._told = told
        self._known = open_fingerprints(folder)

    def check(self, potential: Potential, *, new: bool) -> None:
        """Compare a model with its fingerprint, or take one if there is none, or `new` asks for it.

        Raises
        ------
        RunFolderError
            If a model that can change behind its name gives other numbers.
        """
        name = potential.card.name
        before = None if new else self._known.get(_key(name))
        if before is None:
            self._take(potential)
            return
        found = difference_from(potential, before, dict(self._known.arrays(_key(name))))
        if found.same:
            return
        if can_change(potential.weights):
            raise RunFolderError(
                f"{name} is not the model that the results in {self._folder} are of: it now differs by "
                f"{found} on {before.n_structures} structures of its first run; choose another --out, or "
                "--new-model to measure it anew here"
            )
        self._told.append(
            f"{name} differs by {found} from what it gave when {self._folder} was begun, with the same "
            "weights: another machine or another version of its library"
        )

    def _take(self, potential: Potential) -> None:
        fingerprint, arrays = take_fingerprint(potential, list(islice(self._own(), N_STRUCTURES)))
        if fingerprint.n_structures:
            self._known.append(_key(fingerprint.model), fingerprint, arrays)
        self._known.close()

    def _own(self) -> Iterator[Atoms]:
        """Structures that the run starts with."""
        for plan in self._plans:
            for case in plan.cases:
                try:
                    request = next(plan.suite.measure(case))
                except UmlipBenchError:
                    continue  # the run will tell why this case fails
                for each in request if isinstance(request, Sequence) else [request]:
                    atoms = getattr(each, "atoms", None)
                    if isinstance(atoms, Atoms):
                        yield atoms
