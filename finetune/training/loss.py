"""Squared errors of energy per atom, forces, stress and curvature, differentiable with respect to weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase.units import GPa
from torch import Tensor
from torch.nn import functional

from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.finetune.training.targets import Counts, Target
from umlip_bench.potentials.protocol import DifferentiablePotential


@dataclass
class Terms:
    """A loss, and the absolute errors beside it.

    Parameters
    ----------
    loss
        Differentiable, float64.
    energy, force, stress, curvature
        Sums of absolute errors in eV/atom, eV/Å, GPa and eV/Å².
    """

    loss: Tensor
    energy: float
    force: float
    stress: float
    curvature: float


def loss_terms(
    potential: DifferentiablePotential,
    targets: Sequence[Target],
    counts: Counts,
    settings: TrainingSettings,
) -> Terms:
    """The share of some frames in the loss of a batch.

    Parameters
    ----------
    potential
        The model; its graph of derivatives is kept for one more.
    targets
        The frames of one call to the model.
    counts
        Of the whole batch, which may take several calls.
    settings
        Weights of the terms.

    Returns
    -------
    Terms
        The loss is w_E sum((E - E')² / n²) / n_E + w_F sum((F - F')²) / n_F + w_S sum((S - S')²) / n_S +
        w_C sum((C - C')²) / n_C, the sums being over the frames given and n_E, n_F, n_S, n_C those of
        `counts`. C = (F(0) - F(u)) / |u| are rows of the Hessian, averaged from rest to u.
    """
    # Supercells at rest stand behind the targets, each once, however many displacements are from it.
    graphs = {id(target.graph): target.graph for target in targets}
    graphs |= {id(each.rest.graph): each.rest.graph for each in targets if each.rest is not None}
    batch = potential.collate(list(graphs.values()))
    with_stress = settings.stress_weight > 0 and any(t.stress is not None for t in targets)
    leaves = [batch.positions.requires_grad_(True)]
    if with_stress:
        leaves.append(batch.strain.requires_grad_(True))
    energy = potential.energies(batch).energy
    gradients = torch.autograd.grad(
        energy.sum(), leaves, create_graph=True, allow_unused=True, materialize_grads=True
    )

    def real(values: object) -> Tensor:
        return torch.as_tensor(np.array(values, dtype=np.float64)).to(energy.device)

    place = {graph: k for k, graph in enumerate(graphs)}
    own = [place[id(target.graph)] for target in targets]
    sizes = real([len(target.graph.numbers) for target in targets])
    wanted = real([target.energy for target in targets])
    known = ~torch.isnan(wanted)
    energy_error = ((energy[own] - wanted) / sizes)[known]
    of_each = torch.split(gradients[0].double(), [len(each.numbers) for each in graphs.values()])
    by_graph = dict(zip(graphs, of_each, strict=True))
    force_error, curvature_error = _force_errors(targets, by_graph, real)
    loss = energy.new_zeros(())
    if counts.forces:
        loss = loss + settings.force_weight * _penalty(force_error, settings) / counts.forces
    if counts.energies:
        loss = loss + settings.energy_weight * _penalty(energy_error, settings) / counts.energies
    if counts.curvatures:
        penalty = _penalty(curvature_error, settings)
        loss = loss + settings.curvature_weight * penalty / counts.curvatures
    stress = 0.0
    if with_stress:
        rows = [k for k, target in enumerate(targets) if target.stress is not None]
        volumes = real([abs(np.linalg.det(targets[k].graph.cell)) for k in rows])
        found = gradients[1][[own[k] for k in rows]].double() / (volumes[:, None, None] * GPa)
        stress_error = found - real([targets[k].stress for k in rows]) / GPa
        loss = loss + settings.stress_weight * _penalty(stress_error, settings) / counts.stresses
        stress = float(stress_error.detach().abs().sum())
    return Terms(
        loss,
        float(energy_error.detach().abs().sum()),
        float(force_error.detach().abs().sum()),
        stress,
        float(curvature_error.detach().abs().sum()),
    )


def _force_errors(
    targets: Sequence[Target], gradients: Mapping[int, Tensor], real: Callable[[object], Tensor]
) -> tuple[Tensor, Tensor]:
    """Errors of the forces of frames, and of the rows of the Hessian of displaced supercells.

    `gradients` are those of the energy by the identity of a graph, each of shape (N, 3), eV/Å.
    """
    nothing = next(iter(gradients.values()))[:0]
    forces, rows = [nothing], [nothing]
    for target in targets:
        error = gradients[id(target.graph)] + real(target.forces)
        if target.rest is None:
            forces.append(error)
        else:
            rows.append((error - gradients[id(target.rest.graph)]) / target.rest.length)
    return torch.cat(forces), torch.cat(rows)


def _penalty(error: Tensor, settings: TrainingSettings) -> Tensor:
    if settings.huber is None:
        return error.square().sum()
    return functional.huber_loss(
        error, torch.zeros_like(error), reduction="sum", delta=settings.huber
    )
