"""A potential that lives in another Python: `Potential.evaluate` is one request to its worker."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator

from umlip_bench.environments.process import (
    Answer,
    WorkerDied,
    WorkerError,
    WorkerOutOfMemory,
    WorkerProcess,
    is_out_of_memory,
)
from umlip_bench.ground.content import as_list
from umlip_bench.ground.elements import SYMBOLS
from umlip_bench.ground.errors import StructureError, UmlipBenchError, WeightsError
from umlip_bench.ground.limits import Limits
from umlip_bench.ground.structures import describe
from umlip_bench.potentials.adapters.neighbors import bare_graph
from umlip_bench.potentials.adapters.worker_reference import WorkerReference
from umlip_bench.potentials.agreement import TOLERANCES, deviation
from umlip_bench.potentials.devices import DTYPES
from umlip_bench.potentials.environment_weights import EnvironmentWeights
from umlip_bench.potentials.graph import Cost, Footprint, Graph, Prediction
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.small_structures import small_structures
from umlip_bench.potentials.weights import Weights

logger = logging.getLogger(__name__)

SECONDS_VARIABLE = "UMLIP_BENCH_WORKER_SECONDS"
"""Environment variable: seconds that a worker has for a request."""
SECONDS = 600.0
SECONDS_PER_ATOM = 1.0
"""Beyond `SECONDS`, since a single structure may have thousands."""
USUAL_CUTOFF = 6.0
"""Å; within which the neighbours are counted that fill a call. The model's own are not known here."""
BYTES_PER_EDGE = 2e4
"""On a GPU, a guess: a call that does not fit is halved."""
LARGEST_LOOP = 20_000
"""Edges of a call on a GPU to a calculator that takes one structure at a time."""


@dataclass(frozen=True)
class WorkerGraph(Graph):
    """A structure whose graph is made elsewhere.

    Parameters
    ----------
    expected_edges
        How many it would have at the structure's mean density.
    """

    expected_edges: int

    @property
    def cost(self) -> Cost:
        """Atoms, and the edges that are expected."""
        return Cost(len(self.numbers), self.expected_edges, 0)


class WorkerPotential(Potential):
    """A checkpoint that a worker evaluates, by an ASE calculator or a torch-sim model.

    Parameters
    ----------
    weights
        The checkpoint and its environment.
    worker
        The process.
    device, dtype
        As asked for; `dtype` becomes the worker's own where that takes no wishes.

    Attributes
    ----------
    seconds
        That the worker has for a request, and `SECONDS_PER_ATOM` more.

    Raises
    ------
    UmlipBenchError
        If the worker cannot load the model, or its batches are not what it gives one by one.
    """

    weights: EnvironmentWeights

    def __init__(
        self,
        weights: EnvironmentWeights,
        worker: WorkerProcess,
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.seconds = _seconds()
        self.weights = weights
        self.worker = worker
        self.device, self.dtype = device, dtype
        hello = worker.hello()
        weights.check_loaded(_digests(hello))
        self.batched = hello.get("mode") == "batch"
        self._has_reference = hello.get("reference") is True
        elements = weights.card.elements or _elements(hello)
        self.card = replace(weights.card, elements=elements)
        on_gpu = device.type == "cuda"
        # On a CPU the system's own word is better than a guess: a worker that it ends is started again.
        self.footprint = Footprint(1.0, BYTES_PER_EDGE if on_gpu else 0.0, 0.0)
        if on_gpu and not self.batched:
            self.memory_limit = self.peak_over_saved * BYTES_PER_EDGE * LARGEST_LOOP
        self._try_out("dtype" in as_list(hello.get("takes") or []))

    @classmethod
    def load(cls, weights: Weights, *, device: torch.device, dtype: torch.dtype) -> WorkerPotential:
        """Start the worker and have it load the model.

        Raises
        ------
        UmlipBenchError
            As the class; and `WeightsError` if `weights` are of no environment.
        """
        if not isinstance(weights, EnvironmentWeights):
            raise WeightsError(f"{weights.card.name} is no checkpoint of an environment")
        worker = WorkerProcess(
            weights.environment,
            weights.loaded,
            name=weights.card.name,
            device=str(device),
            dtype=str(dtype).removeprefix("torch."),
        )
        return cls(weights, worker, device=device, dtype=dtype)

    def reference_calculator(self) -> Calculator:
        """The package's own ASE calculator, run in its environment by a script that is no worker.

        Raises
        ------
        UmlipBenchError
            If the environment file loads a torch-sim model and has no ``reference``.
        """
        if not self._has_reference:
            raise UmlipBenchError(
                f"{self.card.name}: the environment file has no reference(checkpoint, device), which gives "
                "the package's own ASE calculator"
            )
        return WorkerReference(
            self.weights.environment,
            self.weights.loaded,
            device=str(self.device),
            dtype=str(self.dtype).removeprefix("torch."),
        )

    def save_weights(self, folder: Path) -> tuple[str, ...]:
        """Copy the file of weights that it was loaded from, and return its name.

        Raises
        ------
        WeightsError
            If the weights are the package's.
        """
        path = Path(self.weights.checkpoint)
        if not path.is_file():
            raise WeightsError(f"{self.card.name}: its weights are no file of one's own")
        shutil.copy2(path, folder)
        return (path.name,)

    def prepare(self, atoms: Atoms) -> WorkerGraph:
        """Check the structure; the worker does the rest."""
        graph = bare_graph(atoms, self.card.elements)
        n = len(atoms)
        sphere = 4 / 3 * np.pi * USUAL_CUTOFF**3
        edges = round(n * n * sphere / abs(np.linalg.det(graph.cell)))
        return WorkerGraph(**vars(graph), expected_edges=edges)

    def evaluate(self, graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
        """Have the worker evaluate all graphs.

        Raises
        ------
        StructureError
            Of the first structure that the model failed on.
        WorkerError
            As `WorkerProcess.ask`; a worker that died is asked once more.
        """
        if not graphs:
            return []
        return self._read(self._ask(graphs, stress), graphs)

    def _ask(self, graphs: Sequence[Graph], stress: bool) -> Answer:
        counts = [len(graph.numbers) for graph in graphs]
        arrays = {
            "counts": np.array(counts),
            "numbers": np.concatenate([graph.numbers for graph in graphs]),
            "positions": np.concatenate([graph.positions for graph in graphs]).astype(float),
            "cells": np.array([graph.cell for graph in graphs], dtype=float),
            "pbc": np.ones((len(graphs), 3), dtype=np.int64),
        }
        seconds = self.seconds + SECONDS_PER_ATOM * sum(counts)
        try:
            return self.worker.ask("evaluate", {"stress": stress}, arrays, seconds)
        except WorkerDied as death:
            # The system may have wanted its memory for something else: one death says nothing of the call.
            logger.warning("%s\nIt is started again and asked once more", death)
            return self.worker.ask("evaluate", {"stress": stress}, arrays, seconds)

    def _read(self, answer: Answer, graphs: Sequence[Graph]) -> list[Prediction]:
        """Predictions of an answer that is what it has to be."""
        n, n_atoms = len(graphs), sum(len(graph.numbers) for graph in graphs)
        shapes = {"energies": (n,), "forces": (n_atoms, 3), "stresses": (n, 3, 3)}
        errors, with_stress = answer.header.get("errors"), answer.header.get("with_stress")
        if (
            {name: array.shape for name, array in answer.arrays.items()} != shapes
            or any(array.dtype != np.float64 for array in answer.arrays.values())
            or not isinstance(errors, list)
            or not isinstance(with_stress, list)
        ):
            raise WorkerError(f"{self.card.name}: the worker's answer is not one to its request")
        if errors:
            raise self._failure(errors[0], graphs)
        ends = np.cumsum([len(graph.numbers) for graph in graphs])
        forces = np.split(answer.arrays["forces"], ends[:-1])
        return [
            Prediction(
                energy=float(answer.arrays["energies"][k]),
                forces=forces[k].copy(),
                stress=answer.arrays["stresses"][k].copy() if k in with_stress else None,
                magmoms=None,
            )
            for k in range(n)
        ]

    def _failure(self, error: object, graphs: Sequence[Graph]) -> UmlipBenchError:
        """What the worker says of a structure that it failed on."""
        found: Mapping[str, object] = error if isinstance(error, dict) else {}
        kind, text, index = (found.get(key) for key in ("type", "text", "index"))
        reason = f"{self.card.name} failed with {kind}: {text}"
        if is_out_of_memory(str(kind)):
            return WorkerOutOfMemory(reason)
        if not isinstance(index, int) or not 0 <= index < len(graphs):
            return WorkerError(reason)
        return StructureError(f"{describe(Atoms(graphs[index].numbers))}: {reason}")

    def _try_out(self, takes_dtype: bool) -> None:
        """Learn the number format, and hold batches against what the worker gives one by one."""
        alone: list[tuple[WorkerGraph, Prediction]] = []
        formats: set[str] = set()
        for atoms in trial_structures(self.card.elements):
            graph = self.prepare(atoms)
            answer = self._ask([graph], True)
            if not answer.header.get("errors"):
                alone.append((graph, self._read(answer, [graph])[0]))
                formats.update(map(str, as_list(answer.header.get("formats") or [])))
            if alone and not self.batched:
                break
        if not takes_dtype and len(formats & DTYPES.keys()) == 1:
            (own,) = formats & DTYPES.keys()
            if torch.finfo(DTYPES[own]).eps > torch.finfo(self.dtype).eps:
                logger.warning("%s computes in %s and takes no other", self.card.name, own)
            self.dtype = DTYPES[own]
        if self.batched:
            self._check_batch(alone)

    def _check_batch(self, alone: Sequence[tuple[WorkerGraph, Prediction]]) -> None:
        if len(alone) < 2:
            logger.warning(
                "%s: its batches could not be checked, since it failed on the structures for that; have "
                "the environment file name its ELEMENTS",
                self.card.name,
            )
            return
        together = self.evaluate([graph for graph, _ in alone])
        found = [deviation(one, other) for (_, one), other in zip(alone, together, strict=True)]
        tolerance = TOLERANCES[self.dtype]
        if not all(each.within(tolerance) for each in found):
            # max() would pass over a nan.
            energy, forces, stress = (
                float(np.max([getattr(each, name) for each in found]))
                for name in ("energy", "forces", "stress")
            )
            self.worker.close()
            raise WorkerError(
                f"{self.card.name}: a batch of {len(alone)} structures gives other numbers than one "
                f"structure at a time: they differ by {energy:.2g} eV/atom, {forces:.2g} eV/Å and "
                f"{stress:.2g} eV/Å³, of at most {tolerance.energy:g}, {tolerance.forces:g} and "
                f"{tolerance.stress:g}; have setup return the package's ASE calculator instead"
            )


def _seconds() -> float:
    try:
        return Limits(above=0.0).read(os.environ.get(SECONDS_VARIABLE, str(SECONDS)))
    except ValueError as error:
        raise UmlipBenchError(
            f"{SECONDS_VARIABLE} is {str(error).replace(' is not ', '; it must be ')}: the seconds that a "
            "worker has for a request"
        ) from None


def _digests(hello: Mapping[str, object]) -> dict[str, str]:
    """sha256 of the files of weights that the worker loaded, by their paths."""
    found = hello.get("weights")
    items = found.items() if isinstance(found, dict) else ()
    return {path: digest for path, digest in items if isinstance(digest, str)}


def _elements(hello: Mapping[str, object]) -> tuple[str, ...]:
    """Chemical symbols that the worker names."""
    named = hello.get("elements")
    return tuple(symbol for symbol in named if symbol in SYMBOLS) if isinstance(named, list) else ()


def trial_structures(elements: Sequence[str]) -> Iterator[Atoms]:
    """Structures of different sizes to try a model out on."""
    if elements:
        for k, atoms in enumerate(small_structures(elements)):
            yield atoms.repeat((1, 1, k + 1))
        return
    for atoms in (
        bulk("Si"),
        bulk("Al", cubic=True),
        bulk("MgO", "rocksalt", a=4.2),
        bulk("Cu").repeat((2, 1, 1)),
        bulk("CO", "rocksalt", a=3.6),
        Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.8]], cell=[4, 4, 4], pbc=True),
    ):
        atoms.positions[0] += 0.05
        yield atoms
