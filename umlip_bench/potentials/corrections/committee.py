"""Several models as one: their mean, and how far they are apart.

The standard deviation over the members says where they disagree. It is no error bar: members that share
an architecture, a parent or training data err together, and then agree on what is wrong. Use it to find
states worth labelling, and to notice where a simulation leaves what the models know.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from ase import Atoms

from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.model_card import ModelCard
from umlip_bench.potentials.compile_mode import Compile
from umlip_bench.potentials.graph import Cost, Footprint, Graph, Prediction
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.weights import Origin, Weights

FAMILY = "committee"


@dataclass(frozen=True)
class CommitteePrediction(Prediction):
    """The mean over the members, and their standard deviations.

    Standard deviations are those of a sample, with n - 1 in the denominator, for each number by itself.

    Parameters
    ----------
    energy_std
        eV. It holds whatever constant the members' energies differ by; only for members with the same
        zero of energy does it say anything.
    forces_std
        Shape (N, 3), eV/Å.
    stress_std
        Shape (3, 3), eV/Å³; ``None`` without stress.
    n_members
        Number of models.
    """

    energy_std: float
    forces_std: np.ndarray
    stress_std: np.ndarray | None
    n_members: int

    @property
    def disagreement(self) -> float:
        """Root mean square over atoms of the norm of `forces_std`, eV/Å."""
        return float(np.sqrt((self.forces_std**2).sum(axis=1).mean()))


@dataclass(frozen=True)
class CommitteeGraph(Graph):
    """One structure as each member wants it; the arrays are those of the member with the most edges."""

    members: tuple[Graph, ...]

    @property
    def cost(self) -> Cost:
        """The largest of each kind: members are called one after the other."""
        costs = [graph.cost for graph in self.members]
        return Cost(
            max(cost.atoms for cost in costs),
            max(cost.edges for cost in costs),
            max(cost.angles for cost in costs),
        )


class Committee(Potential):
    """The mean of several potentials, with their standard deviation; a potential like any other.

    It relaxes, runs dynamics and is benchmarked as its members are, in as much time as all of them
    together. Forces remain the gradient of the energy.

    Parameters
    ----------
    members
        Two models or more, on one device: of different seeds or labels, of different parents, or of
        different families.

    Raises
    ------
    UmlipBenchError
        If there are fewer than two, the same one twice, or no element that all of them know.

    Examples
    --------
    >>> from ase.build import bulk
    >>> import umlip_bench
    >>> from umlip_bench import finetune
    >>> models = [umlip_bench.potential(name) for name in ("chgnet-0.3.0", "m3gnet-mp-2021.2.8")]
    >>> committee = Committee(models)
    >>> atoms = bulk("MgO", "rocksalt", a=4.21)
    >>> umlip_bench.predict(committee, atoms)[0].forces_std.shape  # eV/Å
    (2, 3)
    >>> atoms.calc = finetune.CommitteeCalculator(committee)
    """

    def __init__(self, members: Sequence[Potential]) -> None:
        members = tuple(members)
        if len(members) < 2:
            raise UmlipBenchError(
                f"a committee of {len(members)} has no standard deviation; give two models or more"
            )
        digests = [member.weights.sha256 for member in members]
        names = [member.card.name for member in members]
        for k, digest in enumerate(digests):
            if digest in digests[:k]:
                raise UmlipBenchError(
                    f"{names[k]} is in the committee twice, as {names[digests.index(digest)]}; it would "
                    "agree with itself and hide how far the others are apart"
                )
        elements = _common_elements([member.card.elements for member in members])
        if elements is None:
            raise UmlipBenchError(f"no element is known to all of {', '.join(names)}")
        self.members = members
        self.card = _card(names, elements, [member.card.level_of_theory for member in members])
        digest = hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()
        self.weights = Weights(self.card, paths=(), origin=Origin.GIVEN, sha256=digest)
        self.device, self.dtype = members[0].device, members[0].dtype
        self.peak_over_saved = max(member.peak_over_saved for member in members)
        self.edges_per_cpu_batch = min(member.edges_per_cpu_batch for member in members)

    @cached_property
    def footprint(self) -> Footprint:  # type: ignore[override]
        """The largest of every term: members are called one after the other."""
        each = [vars(member.footprint) for member in self.members]
        return Footprint(**{name: max(terms[name] for terms in each) for name in each[0]})

    def use_compiled(self, mode: Compile) -> None:
        """As its members do."""
        for member in self.members:
            member.use_compiled(mode)

    def prepare(self, atoms: Atoms) -> CommitteeGraph:
        """Each member's graph.

        Raises
        ------
        StructureError
            If one of them refuses the structure.
        """
        graphs = tuple(member.prepare(atoms) for member in self.members)
        largest = max(graphs, key=lambda graph: graph.edges.shape[1])
        return CommitteeGraph(
            numbers=largest.numbers,
            positions=largest.positions,
            cell=largest.cell,
            edges=largest.edges,
            images=largest.images,
            n_angles=largest.n_angles,
            members=graphs,
        )

    def evaluate(self, graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
        """Each member evaluates all graphs; every answer is a `CommitteePrediction`."""
        ours = [graph for graph in graphs if isinstance(graph, CommitteeGraph)]
        by_member = [
            member.evaluate([graph.members[k] for graph in ours], stress=stress)
            for k, member in enumerate(self.members)
        ]
        return [_summary(predictions) for predictions in zip(*by_member, strict=True)]

    def element_references(self) -> np.ndarray:
        """The mean of the members'."""
        return np.asarray(np.mean([member.element_references() for member in self.members], axis=0))


def _summary(predictions: Sequence[Prediction]) -> Prediction:
    energies = [prediction.energy for prediction in predictions]
    forces = np.array([prediction.forces for prediction in predictions])
    stresses = _all([prediction.stress for prediction in predictions])
    magmoms = _all([prediction.magmoms for prediction in predictions])
    return CommitteePrediction(
        energy=math.fsum(energies) / len(energies),
        forces=forces.mean(axis=0),
        stress=None if stresses is None else stresses.mean(axis=0),
        magmoms=None if magmoms is None else magmoms.mean(axis=0),
        energy_std=float(np.std(energies, ddof=1)),
        forces_std=forces.std(axis=0, ddof=1),
        stress_std=None if stresses is None else stresses.std(axis=0, ddof=1),
        n_members=len(predictions),
    )


def _all(values: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """What all members give, or nothing."""
    given = [value for value in values if value is not None]
    return np.array(given) if len(given) == len(values) else None


def _common_elements(known: Sequence[tuple[str, ...]]) -> tuple[str, ...] | None:
    """Elements that all know; empty if none of them says, ``None`` if there is none."""
    stated = [elements for elements in known if elements]
    if not stated:
        return ()
    common = tuple(s for s in stated[0] if all(s in elements for elements in stated))
    return common or None


def _card(
    names: Sequence[str], elements: tuple[str, ...], levels: Sequence[LevelOfTheory]
) -> ModelCard:
    functionals = {level.functional for level in levels}
    # The mean of the members' energies holds their corrections as often as they do in the mean.
    factor = float(np.mean([level.corrections_factor for level in levels]))
    alike = {replace(level, corrections_factor=factor) for level in levels}
    common = LevelOfTheory(functionals.pop() if len(functionals) == 1 else "unknown")
    return ModelCard(
        name=f"committee of {', '.join(names)}",
        family=FAMILY,
        architecture=f"mean of {len(names)} models",
        level_of_theory=alike.pop() if len(alike) == 1 else common,
        training_set="the members'",
        elements=elements,
        licence="the members'",
        citation="the members'",
    )
