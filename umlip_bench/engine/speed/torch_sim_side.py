"""The same work by torch-sim, which batches too: all structures in one state.

It needs Python 3.12. Of the models here it runs MACE's, by the wrapper of the mace package.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from umlip_bench.engine.speed.ends import End
from umlip_bench.ground.errors import UmlipBenchError

if TYPE_CHECKING:
    from torch_sim.models.interface import ModelInterface
    from torch_sim.state import SimState


def static(calculator: Calculator, structures: Sequence[Atoms], *, stress: bool) -> list[End]:
    """Energies and forces of all structures in one call.

    Raises
    ------
    UmlipBenchError
        If the calculator runs no model that torch-sim knows.
    """
    import torch_sim

    model = _model(calculator, stress)
    found = torch_sim.static(list(structures), model)
    return [
        End(atoms, float(each["potential_energy"]), each["forces"].detach().cpu().numpy())
        for atoms, each in zip(structures, found, strict=True)
    ]


def relaxed(
    calculator: Calculator, structures: Sequence[Atoms], *, cell: bool, fmax: float, steps: int
) -> list[End]:
    """FIRE as ASE has it, all at once; whether a structure has converged is looked at after each step.

    Raises
    ------
    UmlipBenchError
        As of `static`.
    """
    import torch_sim

    state = torch_sim.optimize(
        list(structures),
        _model(calculator, stress=cell),
        optimizer=torch_sim.Optimizer.fire,
        convergence_fn=torch_sim.generate_force_convergence_fn(fmax, include_cell_forces=cell),
        max_steps=steps,
        steps_between_swaps=1,
        init_kwargs={"cell_filter": torch_sim.CellFilter.frechet} if cell else {},
    )
    return _ends(state)


def _model(calculator: Calculator, stress: bool) -> ModelInterface:
    from torch_sim.models.mace import MaceModel

    models = getattr(calculator, "models", None)
    if type(calculator).__name__ != "MACECalculator" or not models:
        raise UmlipBenchError(
            f"torch-sim has no model for {type(calculator).__name__}: give a MACE model, or leave out "
            "--torch-sim"
        )
    parameter = next(models[0].parameters())
    return MaceModel(
        models[0],
        device=parameter.device,
        dtype=parameter.dtype,
        compute_forces=True,
        compute_stress=stress,
    )


def _ends(state: SimState) -> list[End]:
    energies = state.energy.detach().cpu().numpy()
    forces = state.forces.detach().cpu().numpy()
    belongs_to = state.system_idx.cpu().numpy()
    return [
        End(atoms, float(energies[k]), np.array(forces[belongs_to == k]))
        for k, atoms in enumerate(state.to_atoms())
    ]
