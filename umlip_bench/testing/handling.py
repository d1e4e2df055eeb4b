"""What the engine relies on: batches, graphs that travel, inputs left alone, structures refused."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import chemical_symbols

from umlip_bench.engine.prediction import predict
from umlip_bench.ground.errors import StructureError, UmlipBenchError
from umlip_bench.potentials.agreement import call_calculator
from umlip_bench.testing.report import Fault, Refusal
from umlip_bench.testing.subject import Finding, Subject, agreement


class NothingToCheck(Exception):
    """The potential has nothing that the check is about; the message says what it lacks."""


def reference_calculator(subject: Subject) -> Iterator[Finding]:
    """Energies, forces and stress are those of the library's own calculator of the same weights."""
    try:
        calculator = subject.model.reference_calculator()
    except UmlipBenchError as error:
        raise NothingToCheck(str(error)) from error
    atoms = subject.mixed(16, largest=40)
    expected = [call_calculator(calculator, each) for each in atoms]
    pairs = list(zip(expected, subject.predict(atoms), strict=True))
    yield from agreement("against the library", subject.tolerance, pairs)


def batches(subject: Subject) -> Iterator[Finding]:
    """A structure's results do not depend on what else is in the call, nor on the order."""
    model, tolerance = subject.model, subject.tolerance
    atoms = subject.mixed(64)
    graphs = [model.prepare(each) for each in atoms]
    alone = [model.evaluate([graph])[0] for graph in graphs]
    for what in ("in order", "reversed"):
        if what == "reversed":
            atoms, graphs, alone = atoms[::-1], graphs[::-1], alone[::-1]
        planned = list(zip(alone, subject.predict(atoms), strict=True))
        yield from agreement(f"planned batches {what}", tolerance, planned)
        small = [k for k, each in enumerate(atoms) if len(each) <= 16]
        together = model.evaluate([graphs[k] for k in small])
        pairs = list(zip([alone[k] for k in small], together, strict=True))
        yield from agreement(f"one batch {what}", tolerance, pairs)


def results(subject: Subject) -> Iterator[Finding]:
    """Energies are floats, arrays float64 of their shapes, and the stress is there only if asked for."""
    atoms = subject.known(bulk("Al", cubic=True))
    (found,) = subject.predict([atoms])
    if not isinstance(found.energy, float):
        yield Fault(f"the energy is a {type(found.energy).__name__}, not a float")
    arrays = [("forces", found.forces, (len(atoms), 3))]
    if found.stress is not None:
        arrays.append(("stress", found.stress, (3, 3)))
    for what, array, shape in arrays:
        if (array.shape, array.dtype) != (shape, np.float64):
            yield Fault(f"{what}: {array.dtype} of shape {array.shape}, not float64 of {shape}")
    if predict(subject.model, atoms, stress=False)[0].stress is not None:
        yield Fault("a stress was computed that nobody asked for")
    if subject.predict([]) != []:
        yield Fault("no structures have predictions")


def graphs(subject: Subject) -> Iterator[Finding]:
    """Graphs are flat arrays that travel between processes."""
    graph = subject.model.prepare(subject.known(bulk("Al")))
    copy = pickle.loads(pickle.dumps(graph))
    if copy.cost != graph.cost:
        yield Fault(f"a graph of {graph.cost} arrives as one of {copy.cost}")
    here, there = subject.model.evaluate([graph]), subject.model.evaluate([copy])
    yield from agreement("of a pickled graph", subject.tolerance, [(here[0], there[0])])


def inputs(subject: Subject) -> Iterator[Finding]:
    """Structures are left as they were."""
    atoms = subject.known(bulk("Al"))
    before = atoms.copy()
    subject.predict([atoms])
    if atoms != before:
        yield Fault("the structure was changed")
    if atoms.calc is not None:
        yield Fault("the structure was given a calculator")


@dataclass(frozen=True)
class Spoiled:
    """What is done to a sound structure of four atoms, and what the refusal must name."""

    what: str
    spoil: Callable[[Atoms], object]
    names: str


SPOILED = (
    Spoiled(
        "position that is not a number",
        lambda atoms: atoms.positions.__setitem__((1, 2), np.nan),
        r"\b1\b",
    ),
    Spoiled("slab", lambda atoms: atoms.set_pbc((True, True, False)), "make_periodic"),
    Spoiled("molecule", lambda atoms: atoms.set_pbc(False), "make_periodic"),
    Spoiled("no cell", lambda atoms: atoms.set_cell([0, 0, 0]), "volume"),
    Spoiled(
        "coincident atoms",
        lambda atoms: atoms.positions.__setitem__(1, atoms.positions[0] + atoms.cell.array[0]),
        r"\b0\b.*\b1\b",
    ),
)
"""All that nobody should evaluate, whatever the elements."""


def refusals(subject: Subject) -> Iterator[Finding]:
    """What nobody should evaluate is refused with a `StructureError` that names what is wrong.

    `umlip_bench.ground.structures.check_structure` and `umlip_bench.potentials.adapters.neighbors`
    raise such errors.
    """
    for spoiled in SPOILED:
        yield _refusal(subject, spoiled)


def unknown_elements(subject: Subject) -> Iterator[Finding]:
    """An element that the model was not trained on is refused by name."""
    elements = subject.model.card.elements
    unknown = [symbol for symbol in ("Po", *chemical_symbols[1:]) if symbol not in elements]
    if not elements or not unknown:
        raise NothingToCheck("the card names no elements, or all: none is unknown")
    symbol = unknown[0]
    yield _refusal(
        subject,
        Spoiled(
            "unknown element", lambda atoms: atoms.symbols.__setitem__(2, symbol), rf"\b{symbol}\b"
        ),
    )


def _refusal(subject: Subject, spoiled: Spoiled) -> Finding:
    sound = subject.known(bulk("Al", cubic=True))
    atoms = sound.copy()
    spoiled.spoil(atoms)
    try:
        subject.predict([sound, atoms])
    except StructureError as error:
        if re.search(spoiled.names, str(error)) is None:
            return Fault(
                f"{spoiled.what}: the message does not name it ({spoiled.names!r}): {error}"
            )
        return Refusal(spoiled.what, str(error))
    return Fault(f"{spoiled.what}: not refused")
