"""CHGNet on flat batches.

The trained modules are the library's; how they are run is ours: a whole batch is one graph, and gated
perceptrons multiply before they gather (`umlip_bench.potentials.adapters.gated`).

CHGNet's own units are eV/atom and GPa; here energies are totals in eV, and stress follows from the
strain derivative in eV/Å³.
"""

from __future__ import annotations

import contextlib
import copy
import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols
from chgnet.model.dynamics import CHGNetCalculator
from chgnet.model.functions import GatedMLP
from chgnet.model.layers import AngleUpdate, AtomConv, BondConv
from chgnet.model.model import CHGNet
from torch import Tensor

from umlip_bench.ground.archives import DamagedArchive, check_archive
from umlip_bench.ground.elements import SYMBOLS
from umlip_bench.ground.errors import WeightsError
from umlip_bench.ground.structures import check_structure
from umlip_bench.potentials.adapters.chgnet_bases import bessel, fourier
from umlip_bench.potentials.adapters.collate import Concatenation, sum_per_structure
from umlip_bench.potentials.adapters.gated import Branches
from umlip_bench.potentials.adapters.neighbors import angle_pairs, neighbors
from umlip_bench.potentials.graph import Batch, Energies, Graph, by_atomic_number
from umlip_bench.potentials.kernels.library import used as kernels_are_used
from umlip_bench.potentials.kernels.rows import gather_rows
from umlip_bench.potentials.trainable import TrainablePotential
from umlip_bench.potentials.weights import Weights

CHECKPOINT = "model.pth.tar"
"""Name of a trained model's file."""


@dataclass(frozen=True)
class ChgnetGraph(Graph):
    """A graph with undirected bonds and angles.

    Parameters
    ----------
    bond_of_edge
        Shape (E,): the undirected bond of each directed edge.
    edge_of_bond
        Shape (E/2,): one directed edge of each bond.
    angles
        Shape (2, A): pairs of edges with a common first atom, both within the bond-graph cutoff.
    """

    bond_of_edge: np.ndarray
    edge_of_bond: np.ndarray
    angles: np.ndarray


@dataclass
class ChgnetBatch(Batch):
    """A batch with the index arrays of `ChgnetGraph`, offset for the whole batch."""

    bond_of_edge: Tensor
    edge_of_bond: Tensor
    angles: Tensor


class ChgnetPotential(TrainablePotential):
    """CHGNet in any of its published versions, or a model saved in its format.

    Parameters
    ----------
    weights
        Located weights; one ``.pth.tar`` file.
    module
        The library's model, on its device, frozen.
    """

    module: CHGNet
    peak_over_saved = 1.2
    head = ("readout_norm", "mlp")
    apart = ("composition_model", "site_wise")

    def __init__(self, weights: Weights, module: CHGNet) -> None:
        parameter = next(module.parameters())
        self.weights = weights
        self.card = replace(weights.card, n_parameters=sum(p.numel() for p in module.parameters()))
        self.module = module
        self.device, self.dtype = parameter.device, parameter.dtype
        self.edge_cutoff = float(module.graph_converter.atom_graph_cutoff)
        self.angle_cutoff = float(module.graph_converter.bond_graph_cutoff)
        self._reference_energies = _references(module)

    @property
    def compiles(self) -> bool:
        """Where the kernels for a CPU do not run, which are as fast."""
        return not kernels_are_used(self.device, self.dtype)

    @classmethod
    def load(cls, weights: Weights, *, device: torch.device, dtype: torch.dtype) -> ChgnetPotential:
        """Read a checkpoint in CHGNet's format.

        Raises
        ------
        WeightsError
            If the file is not one.
        """
        module = read_checkpoint(weights.paths[0]).to(device=device, dtype=dtype)
        module.eval().requires_grad_(False)
        return cls(weights, module)

    def element_references(self) -> np.ndarray:
        """The composition model: a linear fit of CHGNet's training energies, not isolated atoms."""
        energies = self._reference_energies.cpu().numpy()
        known = by_atomic_number(SYMBOLS[: len(energies)], energies)
        # A file that is no listed model does not say which elements it was trained on.
        if self.card.elements:
            known[~np.isin(chemical_symbols, self.card.elements)] = np.nan
        return known

    def reference_calculator(self) -> Calculator:
        """CHGNet's own calculator, with its parameters as the library leaves them."""
        module = copy.deepcopy(self.module).requires_grad_(True)
        with contextlib.redirect_stdout(io.StringIO()):  # it prints
            return CHGNetCalculator(module, use_device=str(self.device))

    def shift_references(self, shifts: np.ndarray) -> None:
        """Add to the composition model."""
        weight = self.module.composition_model.fc.weight
        added = torch.as_tensor(shifts[1 : 1 + weight.numel()], device=weight.device)
        weight.data.copy_((self._reference_energies + added).reshape(weight.shape).float())
        self._reference_energies = _references(self.module)

    def reinitialise(self, seed: int) -> None:
        """Take the parameters of a newly made CHGNet; those `apart` stay."""
        with torch.random.fork_rng(devices=[]), contextlib.redirect_stdout(io.StringIO()):
            torch.manual_seed(seed)
            new = CHGNet(**self.module.model_args)
        drawn = {name: new.state_dict()[name] for name in self.trainable()}
        self.module.load_state_dict({**self.module.state_dict(), **drawn})

    def save_weights(self, folder: Path) -> tuple[str, ...]:
        """One checkpoint as CHGNet's trainer writes it, which ``CHGNet.from_file`` reads."""
        module = copy.deepcopy(self.module).cpu().requires_grad_(True)
        saved = module.as_dict()
        # The name of the published version would pass for it.
        saved["model_args"] = {**saved["model_args"], "version": None}
        torch.save({"model": saved}, folder / CHECKPOINT)
        return (CHECKPOINT,)

    def prepare(self, atoms: Atoms) -> ChgnetGraph:
        """Neighbour list, undirected bonds and angles."""
        check_structure(atoms, self.card.elements)
        pairs = neighbors(atoms, self.edge_cutoff)
        bond_of_edge, edge_of_bond = undirected_bonds(pairs.edges, pairs.images)
        short = np.flatnonzero(pairs.distances < self.angle_cutoff)
        angles = short[angle_pairs(pairs.edges[0, short])]
        return ChgnetGraph(
            numbers=atoms.numbers,
            positions=pairs.positions,
            cell=atoms.cell.array,
            edges=pairs.edges,
            images=pairs.images,
            n_angles=angles.shape[1],
            bond_of_edge=bond_of_edge,
            edge_of_bond=edge_of_bond,
            angles=angles,
        )

    def collate(self, graphs: Sequence[Graph]) -> ChgnetBatch:
        """One set of tensors for all graphs."""
        members = [g for g in graphs if isinstance(g, ChgnetGraph)]
        cat = Concatenation(members, self.device, self.dtype, torch.int32)
        n_bonds = np.array([len(g.edge_of_bond) for g in members])
        bond_offsets = np.cumsum(n_bonds) - n_bonds
        n_angles = np.array([g.n_angles for g in members])
        bond_of_edge = np.concatenate([g.bond_of_edge for g in members])
        edge_of_bond = np.concatenate([g.edge_of_bond for g in members])
        angles = np.concatenate([g.angles for g in members], axis=1)
        return ChgnetBatch(
            **vars(cat.batch()),
            bond_of_edge=cat.index(bond_of_edge + np.repeat(bond_offsets, cat.n_edges)),
            edge_of_bond=cat.index(edge_of_bond + np.repeat(cat.edge_offsets, n_bonds)),
            angles=cat.index(angles + np.repeat(cat.edge_offsets, n_angles)),
        )

    def energies(self, batch: Batch) -> Energies:
        """Energies in eV with CHGNet's element references, and magnetic moments in μB."""
        assert isinstance(batch, ChgnetBatch)
        module = self.module
        positions, offsets = batch.strained()
        first, second = batch.edges
        vectors = gather_rows(positions, first) - gather_rows(positions, second) - offsets
        lengths = torch.linalg.vector_norm(vectors, dim=1)

        bond_lengths = gather_rows(lengths, batch.edge_of_bond)
        encoder = module.bond_basis_expansion
        basis = bessel(encoder.rbf_expansion_ag, bond_lengths)
        bonds = module.bond_embedding(basis)
        atom_weights = module.bond_weights_ag(basis)
        bond_weights = module.bond_weights_bg(bessel(encoder.rbf_expansion_bg, bond_lengths))
        atoms = module.atom_embedding(batch.numbers - 1)

        first_edge, second_edge = batch.angles
        has_angles = first_edge.numel() > 0
        if has_angles:
            directions = vectors / lengths[:, None]
            cosines = (
                gather_rows(directions, first_edge) * gather_rows(directions, second_edge)
            ).sum(1)
            # As the library keeps the arc cosine from its ends.
            expansion = module.angle_basis_expansion.fourier_expansion
            angles = module.angle_embedding(fourier(expansion, torch.acos(cosines * (1 - 1e-6))))
            triplet = _Triplets(
                centre=first[first_edge],
                bond_i=batch.bond_of_edge[first_edge],
                bond_j=batch.bond_of_edge[second_edge],
            )

        last = module.angle_layers[-1]
        for atom_layer, bond_layer, angle_layer in zip(
            module.atom_conv_layers[:-1], module.bond_conv_layers, module.angle_layers, strict=True
        ):
            atoms = _atom_convolution(atom_layer, atoms, bonds, atom_weights, batch)
            if has_angles:
                bonds = _bond_convolution(bond_layer, atoms, bonds, bond_weights, angles, triplet)
            if has_angles and angle_layer is not last:  # the last one's angles are never read
                angles = _angle_update(angle_layer, atoms, bonds, angles, triplet)
        descriptors = atoms
        magmoms = module.site_wise(atoms).abs().reshape(-1)

        atoms = _atom_convolution(module.atom_conv_layers[-1], atoms, bonds, atom_weights, batch)
        if module.readout_norm is not None:
            atoms = module.readout_norm(atoms)
        site_energies = module.mlp(atoms).reshape(-1).double()
        site_energies = site_energies + self._reference_energies[batch.numbers - 1]
        return Energies(sum_per_structure(site_energies, batch), magmoms, descriptors)


def _references(module: CHGNet) -> Tensor:
    """Energies of the composition model in eV, shape (94,), float64, from hydrogen on."""
    return module.composition_model.fc.weight.detach().double().reshape(-1)


def read_checkpoint(path: Path) -> CHGNet:
    """The library's model from one of its checkpoints, on the CPU in float32.

    Raises
    ------
    WeightsError
        If the file is not a CHGNet checkpoint.
    """
    try:
        check_archive(path)
        saved = torch.load(path, map_location="cpu", weights_only=True)["model"]
        # 0.2.0 was trained with a bias that later versions dropped; the file does not say so.
        has_bias = "atom_conv_layers.0.mlp_out.layers.1.bias" in saved["state_dict"]
        arguments = {**saved["model_args"], "mlp_out_bias": has_bias}
        with contextlib.redirect_stdout(io.StringIO()):  # the constructor prints
            module = CHGNet.from_dict({**saved, "model_args": arguments})
    except (
        DamagedArchive,
        OSError,
        EOFError,
        KeyError,
        TypeError,
        RuntimeError,
        ValueError,
        pickle.UnpicklingError,
    ) as error:
        raise WeightsError(
            f"{path} cannot be read as a CHGNet checkpoint ({type(error).__name__}: {error}); "
            "expected a file saved by CHGNet's trainer (*.pth.tar)"
        ) from error
    if not (module.mlp_first and module.is_intensive and module.composition_model is not None):
        raise WeightsError(
            f"{path}: only CHGNet models that sum site energies (mlp_first), are intensive and carry "
            "element references can be evaluated here, as all published ones do"
        )
    return module


def undirected_bonds(edges: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair each directed edge with its reverse.

    Parameters
    ----------
    edges
        Shape (2, E), every pair in both directions.
    images
        Shape (E, 3), integers.

    Returns
    -------
    bond_of_edge
        Shape (E,).
    edge_of_bond
        Shape (E/2,).
    """
    first, second = edges
    # Of the two directions keep the one towards the higher atom, or, from an atom to its own image,
    # the one whose first non-zero translation is positive.
    sign = np.where(
        images[:, 0] != 0, images[:, 0], np.where(images[:, 1] != 0, images[:, 1], images[:, 2])
    )
    forward = (first < second) | ((first == second) & (sign > 0))
    flip = np.where(forward, 1, -1)[:, None]
    key = np.column_stack([edges.min(axis=0), edges.max(axis=0), flip * images])
    order = np.lexsort((forward, *key.T[::-1]))
    # Sorted by key with the reverse edge before the forward one, each bond is two rows in a row.
    bond_of_edge = np.empty(len(order), dtype=np.int64)
    bond_of_edge[order] = np.arange(len(order)) // 2
    return bond_of_edge, order[1::2]


@dataclass(frozen=True)
class _Triplets:
    """Index of the central atom and of both bonds of each angle, each of shape (A,)."""

    centre: Tensor
    bond_i: Tensor
    bond_j: Tensor


def _gated(gated: GatedMLP) -> Branches:
    norms = None if gated.norm is None else (gated.bn1, gated.bn2)
    return Branches.of(gated.mlp_core.layers, gated.mlp_gate.layers, norms)


def _atom_convolution(
    layer: AtomConv, atoms: Tensor, bonds: Tensor, weights: Tensor, batch: ChgnetBatch
) -> Tensor:
    first, second = batch.edges
    total = _gated(layer.twoBody_atom)(
        [(atoms, first), (bonds, batch.bond_of_edge), (atoms, second)],
        weights=[(weights, batch.bond_of_edge)],
        into=(first, len(atoms)),
    )
    return layer.mlp_out(total) + atoms


def _bond_convolution(
    layer: BondConv, atoms: Tensor, bonds: Tensor, weights: Tensor, angles: Tensor, at: _Triplets
) -> Tensor:
    total = _gated(layer.twoBody_bond)(
        [(bonds, at.bond_i), (bonds, at.bond_j), (angles, None), (atoms, at.centre)],
        weights=[(weights, at.bond_i), (weights, at.bond_j)],
        into=(at.bond_i, len(bonds)),
    )
    return layer.mlp_out(total) + bonds


def _angle_update(
    layer: AngleUpdate, atoms: Tensor, bonds: Tensor, angles: Tensor, at: _Triplets
) -> Tensor:
    return _gated(layer.twoBody_bond)(
        [(bonds, at.bond_i), (bonds, at.bond_j), (angles, None), (atoms, at.centre)],
        residual=True,
    )
