"""A model's energies by ``torch.compile``: fewer, fused kernels, for runs that are long enough.

One graph serves calls of every size: shapes are symbols in it, so that nothing is padded. torch makes a graph
of its own where a size is 0 or 1, which a crystal beside the structures of such a call prevents. Compiling
takes a minute or more; what comes of it is kept in the user's cache, and takes a fraction of that again.

Derivatives of derivatives, as training needs them, are always by the model's own operations.
"""

from __future__ import annotations

import json
import logging
import os
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import Protocol

import torch
from ase import Atoms
from ase.build import bulk
from torch import Tensor

from umlip_bench.ground.errors import StructureError, UmlipBenchError
from umlip_bench.ground.identity import identity
from umlip_bench.ground.model_card import ModelCard
from umlip_bench.ground.store.store import cache_folder
from umlip_bench.potentials.agreement import TOLERANCES
from umlip_bench.potentials.compile_mode import Compile
from umlip_bench.potentials.denormals import flushed
from umlip_bench.potentials.graph import Batch, Energies, Graph

logger = logging.getLogger(__name__)

TORCHS_FOLDER = "TORCHINDUCTOR_CACHE_DIR"

GAIN = 1 / 3
"""Share of a call's time that compiling saves, as measured on a CPU (docs/performance.md)."""
FIRST_SECONDS = 150.0
"""That compiling is expected to take where it was never done."""


class Compilable(Protocol):
    """What of a potential is needed to compile it."""

    card: ModelCard
    device: torch.device
    dtype: torch.dtype

    def prepare(self, atoms: Atoms) -> Graph:
        """Turn a structure into flat arrays."""
        ...

    def collate(self, graphs: Sequence[Graph]) -> Batch:
        """One set of tensors for all graphs."""
        ...

    def energies(self, batch: Batch) -> Energies:
        """Energies of a batch, one graph to ``torch.compile``."""
        ...


@dataclass(frozen=True, eq=False)
class Ready:
    """What a call needs.

    Parameters
    ----------
    energies
        Gives the energies of a batch.
    batch
        Of the graphs; where `energies` is compiled it may end with a crystal that nobody asked for.
    compiled
        Whether it is; then positions and strain must both be differentiated with respect to, as it is one
        graph for all calls.
    """

    energies: Callable[[Batch], Energies]
    batch: Batch
    compiled: bool


class Compilation:
    """When a model is compiled, and what then takes the place of its `energies`.

    Parameters
    ----------
    potential
        The model; its ``compiles`` says that all of its energies is one graph.
    mode
        ``always`` compiles before the first call, ``auto`` once the time that calls have taken so far, spent
        once more, would save what compiling takes: a run that has lasted so long is taken to last as long
        again.
    """

    def __init__(self, potential: Compilable, mode: Compile) -> None:
        # A copy of the potential has other weights, and gets a compilation of its own.
        self._owner = weakref.ref(potential)
        self._mode = mode
        self._spent = 0.0
        self._energies: Callable[[Batch], Energies] | None = None

    def is_of(self, potential: Compilable) -> bool:
        """Whether it was made for this very object."""
        return self._owner() is potential

    def ready(self, graphs: Sequence[Graph]) -> Ready:
        """What gives the energies of these graphs, and their batch."""
        potential = self._potential()
        if self._energies is None and self._mode != "never" and self._spent >= self._patience:
            self._mode = "never"  # one try, however it ends
            self._energies = self._compiled()
        batch = potential.collate(graphs)
        if self._energies is None:
            return Ready(potential.energies, batch, compiled=False)
        if _smallest(batch) < 2:
            batch = potential.collate([*graphs, self._crystals[0]])
        return Ready(self._energies, batch, compiled=True)

    def took(self, seconds: float) -> None:
        """Count the time of a call."""
        self._spent += seconds

    def _potential(self) -> Compilable:
        potential = self._owner()
        assert potential is not None
        return potential

    @cached_property
    def _patience(self) -> float:
        """Seconds of calls after which compiling pays."""
        if self._mode == "always":
            return 0.0
        try:
            seconds = float(json.loads(self._file.read_text(encoding="utf-8")))
        except (UmlipBenchError, OSError, ValueError, TypeError):
            seconds = FIRST_SECONDS
        return seconds / GAIN

    @property
    def _file(self) -> Path:
        """Keeps how long compiling took the last time."""
        potential = self._potential()
        card = potential.card
        name = identity(
            "compiled",
            card.family,
            card.n_parameters,
            str(potential.dtype),
            potential.device.type,
            torch.__version__,
        )
        return cache_folder("compiled") / f"{name}.json"

    @cached_property
    def _crystals(self) -> tuple[Graph, ...]:
        """Silicon, at rest and not; none for a model that does not know it.

        Of different sizes, and more than there are axes: torch takes sizes for one and the same symbol if
        they are equal where it first sees them. The first has neighbours, bonds and angles.
        """
        shapes = ((1, 1, 1), (1, 1, 2), (1, 2, 2), (1, 1, 3), (1, 2, 3))
        found = []
        for seed, shape in enumerate(shapes):
            atoms = bulk("Si").repeat(shape)
            atoms.rattle(0.05 if seed else 0.0, seed=seed)
            try:
                found.append(self._potential().prepare(atoms))
            except StructureError:
                return ()
        return tuple(found)

    def _compiled(self) -> Callable[[Batch], Energies] | None:
        """Compile and compare; ``None``, with a warning, where that fails or gives other numbers."""
        potential = self._potential()
        if not self._crystals:
            logger.warning(
                "%s is not compiled: it knows no silicon to try it on", potential.card.name
            )
            return None
        compiled: Callable[[Batch], Energies] = torch.compile(
            type(potential).energies.__get__(potential), dynamic=True
        )
        start = monotonic()
        try:
            _keep_in_cache()
            found = self._tried(compiled)
        # The cache cannot be written, or torch or its compiler fails.
        except (UmlipBenchError, OSError, RuntimeError) as error:
            logger.warning("%s is not compiled: %s", potential.card.name, str(error).split("\n")[0])
            return None
        seconds = monotonic() - start
        tolerance = TOLERANCES[potential.dtype]
        own = self._tried(potential.energies)
        for (what, most), mine, theirs in zip(
            (("energies", tolerance.energy * 2), ("forces", tolerance.forces)),
            own,
            found,
            strict=True,
        ):
            off = float((mine - theirs).abs().max())
            if not off <= most:
                logger.warning(
                    "%s is not compiled: its %s would change by %.1e",
                    potential.card.name,
                    what,
                    off,
                )
                return None
        logger.info("%s was compiled in %.0f s", potential.card.name, seconds)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps(seconds), encoding="utf-8")
        except OSError as error:
            logger.info("%s cannot be written (%s)", self._file, error.strerror)
        return compiled

    def _tried(self, energies: Callable[[Batch], Energies]) -> tuple[Tensor, Tensor]:
        """Energies of the crystals and their derivatives with respect to positions."""
        potential = self._potential()
        batch = potential.collate(self._crystals)
        leaves = [batch.positions.requires_grad_(True), batch.strain.requires_grad_(True)]
        with torch.enable_grad(), flushed(potential.device, potential.dtype):
            energy = energies(batch).energy
            gradient, _ = torch.autograd.grad(energy.sum(), leaves)
        return energy.detach(), gradient


def _keep_in_cache() -> None:
    """Have torch keep compiled code in the user's cache, unless the user says where."""
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    # Importing torch._dynamo sets the variable to a folder of temporary files, which others can write.
    if os.environ.get(TORCHS_FOLDER) in (None, default_cache_dir()):
        os.environ[TORCHS_FOLDER] = str(cache_folder("compiled"))


def _smallest(batch: Batch) -> int:
    """The smallest number of rows of its arrays."""
    found = [getattr(batch, field.name) for field in fields(batch)]
    return min(
        size
        for each in found
        if isinstance(each, Tensor)
        for size in (each.shape[0], each.shape[-1])
        if each.dim()
    )
