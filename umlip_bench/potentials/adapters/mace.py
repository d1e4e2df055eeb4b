"""MACE on flat batches: every published foundation model and any model trained with mace.

The batch is handed to the library's model in the form its own data classes collate to. Reading a
MACE file unpickles it, which runs code from the file: the store checks hashes before this module is
reached, and a file that a user names is the user's to trust.
"""

from __future__ import annotations

import contextlib
import copy
import io
import os
import pickle
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols
from torch import nn

from umlip_bench.ground.archives import DamagedArchive, check_archive
from umlip_bench.ground.errors import WeightsError
from umlip_bench.ground.structures import check_structure
from umlip_bench.potentials.adapters.collate import Concatenation, atoms_per_structure
from umlip_bench.potentials.adapters.neighbors import pair_graph
from umlip_bench.potentials.graph import Batch, Energies, Graph, by_atomic_number
from umlip_bench.potentials.trainable import TrainablePotential
from umlip_bench.potentials.weights import Weights

MODEL_FILE = "trained.model"
"""Name of a trained model's file."""

_UNSAFE_LOAD = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


@contextlib.contextmanager
def contained_mace_import() -> Iterator[None]:
    """Keep mace's import from changing `torch.load` for the whole process.

    Importing mace sets an environment variable that makes every later `torch.load` unpickle without
    restriction. Its dependency e3nn needs that while it is imported; nothing does afterwards. It also
    prints what it did not find, which would end up in the output of whoever imports this.
    """
    before = os.environ.get(_UNSAFE_LOAD)
    os.environ[_UNSAFE_LOAD] = "1"
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.filterwarnings("ignore", message=f".*{_UNSAFE_LOAD}.*")
            yield
    finally:
        if before is None:
            os.environ.pop(_UNSAFE_LOAD, None)
        else:
            os.environ[_UNSAFE_LOAD] = before


with contained_mace_import():
    import mace.modules


class MacePotential(TrainablePotential):
    """A MACE model.

    Parameters
    ----------
    weights
        Located weights; one ``.model`` file.
    module
        The library's model, on its device, frozen.
    """

    module: mace.modules.MACE
    peak_over_saved = 3.0  # where edges are many, the convolution holds more than it saves
    edges_per_cpu_batch = 1000  # a few small cells fill the cache
    head = ("readouts",)

    def __init__(self, weights: Weights, module: mace.modules.MACE) -> None:
        self.weights = weights
        self.module = module
        parameter = next(module.parameters())
        self.device, self.dtype = parameter.device, parameter.dtype
        self.cutoff = float(module.r_max)
        numbers = module.atomic_numbers.cpu().numpy()
        self.card = replace(
            weights.card,
            elements=tuple(chemical_symbols[z] for z in numbers),
            n_parameters=sum(p.numel() for p in module.parameters()),
        )
        self._column_of_number = np.full(numbers.max() + 1, -1)
        self._column_of_number[numbers] = np.arange(len(numbers))
        self._one_hot = torch.eye(len(numbers), device=self.device, dtype=self.dtype)
        self._head = _head_index(weights, list(getattr(module, "heads", ["Default"])))

    @classmethod
    def load(cls, weights: Weights, *, device: torch.device, dtype: torch.dtype) -> MacePotential:
        """Read a model saved by mace.

        Raises
        ------
        WeightsError
            If the file cannot be read, is not an energy model, or lacks the head of the card.
        """
        module = read_model(weights.paths[0]).to(device=device, dtype=dtype)
        module.eval().requires_grad_(False)
        return cls(weights, module)

    def element_references(self) -> np.ndarray:
        """The isolated-atom energies E0 of the model's head."""
        energies = self.module.atomic_energies_fn.atomic_energies.detach().double().cpu().numpy()
        # Older models have one row of elements, newer ones a row for each head.
        return by_atomic_number(self.card.elements, np.atleast_2d(energies)[self._head])

    def shift_references(self, shifts: np.ndarray) -> None:
        """Add to the isolated-atom energies of the model's head."""
        energies = self.module.atomic_energies_fn.atomic_energies
        row = energies[self._head] if energies.dim() == 2 else energies
        numbers = self.module.atomic_numbers.cpu().numpy()
        row += torch.as_tensor(shifts[numbers], dtype=row.dtype, device=row.device)

    def reinitialise(self, seed: int) -> None:
        """Draw all parameters as e3nn and mace do.

        They are standard normal, and divided by their number in the symmetric contractions, whose weights
        have shape (elements, parameters, features).
        """
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.trainable().items():
            drawn = torch.randn(parameter.shape, generator=generator)
            if "symmetric_contractions" in name:
                drawn /= parameter.shape[1]
            parameter.data.copy_(drawn)

    def save_weights(self, folder: Path) -> tuple[str, ...]:
        """The pickled module, as mace's training script writes it."""
        module = copy.deepcopy(self.module).cpu().requires_grad_(True)
        torch.save(module, folder / MODEL_FILE)
        return (MODEL_FILE,)

    def reference_calculator(self) -> Calculator:
        """Mace's own calculator."""
        with contained_mace_import():
            from mace.calculators import MACECalculator
        heads = getattr(self.module, "heads", ["Default"])
        return MACECalculator(
            models=self.module,
            device=str(self.device),
            default_dtype=str(self.dtype).removeprefix("torch."),
            head=heads[self._head],
        )

    def prepare(self, atoms: Atoms) -> Graph:
        """Neighbour list."""
        check_structure(atoms, self.card.elements)
        return pair_graph(atoms, self.cutoff)

    def collate(self, graphs: Sequence[Graph]) -> Batch:
        """One set of tensors; `numbers` holds the model's element column."""
        cat = Concatenation(graphs, self.device, self.dtype)
        numbers = np.concatenate([g.numbers for g in graphs])
        return replace(cat.batch(), numbers=cat.index(self._column_of_number[numbers]))

    def energies(self, batch: Batch) -> Energies:
        """Energies in eV with the model's isolated-atom energies."""
        positions, offsets = batch.strained()
        n_atoms = atoms_per_structure(batch)
        # Not `one_hot`, which looks at the numbers and waits for them.
        one_hot = self._one_hot.index_select(0, batch.numbers)
        out = self.module(
            {
                "positions": positions,
                "node_attrs": one_hot,
                "edge_index": batch.edges,
                "shifts": offsets,
                "unit_shifts": batch.images,
                "cell": batch.cells.reshape(-1, 3),
                "batch": batch.structure_of_atom,
                "ptr": nn.functional.pad(n_atoms.cumsum(0), (1, 0)),
                "head": torch.full_like(n_atoms, self._head),
            },
            compute_force=False,
        )
        return Energies(out["energy"].double(), descriptors=out["node_feats"])


def read_model(path: Path) -> mace.modules.MACE:
    """The library's model from a file that mace saved, on the CPU.

    Raises
    ------
    WeightsError
        If the file is not one, or its model has no energy.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_archive(path)
            module = torch.load(path, map_location="cpu", weights_only=False)
    except (OSError, EOFError, KeyError, TypeError, RuntimeError, ValueError) as error:
        raise _unreadable(path, error) from error
    except (DamagedArchive, pickle.UnpicklingError, AttributeError, ImportError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(module, mace.modules.MACE):
        raise WeightsError(
            f"{path} holds a {type(module).__name__}, not a MACE energy model; export it with mace as "
            "an uncompiled model (the *.model file, not *_compiled.model)"
        )
    return module


def _head_index(weights: Weights, heads: list[str]) -> int:
    """Index of the card's head or, where it names none, of the only one or mace's default."""
    head, name = weights.card.head, weights.card.name
    if head is None:
        defaults = [each for each in heads if each.lower() == "default"]
        if len(heads) > 1 and len(defaults) != 1:
            raise WeightsError(
                f"{name} has the heads {', '.join(heads)} and none that is the default; name one: "
                f"mace:{weights.paths[0]}#{heads[0]}"
            )
        return heads.index(defaults[0]) if defaults else 0
    if head not in heads:
        raise WeightsError(f"{name} has no head {head!r}; it has {', '.join(heads)}")
    return heads.index(head)


def _unreadable(path: Path, error: Exception) -> WeightsError:
    return WeightsError(
        f"{path} cannot be read as a MACE model ({type(error).__name__}: {error}); "
        "expected a *.model file saved by mace"
    )
