"""Squared errors of energy per atom, forces and stress, differentiable with respect to weights."""

from __future__ import annotations

from collections.abc import Sequence
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
    energy, force, stress
        Sums of absolute errors in eV/atom, eV/Å and GPa.
    """

    loss: Tensor
    energy: float
    force: float
    stress: float


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
        The loss is w_E sum((E - E')² / n²) / n_E + w_F sum((F - F')²) / n_F + w_S sum((S - S')²) / n_S, the
        sums being over the frames given and n_E, n_F, n_S those of `counts`.
    """
    batch = potential.collate([target.graph for target in targets])
    with_stress = settings.stress_weight > 0 and any(t.stress is not None for t in targets)
    leaves = [batch.positions.requires_grad_(True)]
    if with_stress:
        leaves.append(batch.strain.requires_grad_(True))
    energy = potential.energies(batch).energy
    gradients = torch.autograd.grad(
        energy.sum(), leaves, create_graph=True, allow_unused=True, materialize_grads=True
    )

    def real(values: object) -> Tensor:
        return torch.as_tensor(np.asarray(values, dtype=np.float64)).to(energy.device)

    sizes = real([len(target.graph.numbers) for target in targets])
    wanted = real([target.energy for target in targets])
    known = ~torch.isnan(wanted)
    energy_error = ((energy - wanted) / sizes)[known]
    force_error = gradients[0].double() + real(np.concatenate([t.forces for t in targets]))
    loss = settings.force_weight * _penalty(force_error, settings) / counts.forces
    if counts.energies:
        loss = loss + settings.energy_weight * _penalty(energy_error, settings) / counts.energies
    stress = 0.0
    if with_stress:
        rows = [k for k, target in enumerate(targets) if target.stress is not None]
        volumes = real([abs(np.linalg.det(targets[k].graph.cell)) for k in rows])
        found = gradients[1][rows].double() / (volumes[:, None, None] * GPa)
        stress_error = found - real([targets[k].stress for k in rows]) / GPa
        loss = loss + settings.stress_weight * _penalty(stress_error, settings) / counts.stresses
        stress = float(stress_error.detach().abs().sum())
    return Terms(
        loss,
        float(energy_error.detach().abs().sum()),
        float(force_error.detach().abs().sum()),
        stress,
    )


def _penalty(error: Tensor, settings: TrainingSettings) -> Tensor:
    if settings.huber is None:
        return error.square().sum()
    return functional.huber_loss(
        error, torch.zeros_like(error), reduction="sum", delta=settings.huber
    )
