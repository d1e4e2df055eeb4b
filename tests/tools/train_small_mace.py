"""Train a small real MACE on the embedded PBE set, with mace's own modules.

The published MACE models are downloads, so the tests take this one through the same path: a file that
mace saves, read and evaluated as any MACE. It is no good as a potential and never goes by the name of
a published model. Seconds on one CPU core, a few hundred kB:

    python tests/tools/train_small_mace.py small.model
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from ase.data import atomic_numbers

from umlip_bench import datasets
from umlip_bench.potentials.adapters.mace import contained_mace_import

with contained_mace_import():
    from e3nn import o3
    from mace import data, modules, tools
    from mace.tools import torch_geometric

CUTOFF = 5.0
STEPS = 60
SEED = 0


def main(path: Path) -> None:
    """Train and save as mace does."""
    torch.manual_seed(SEED)
    frames = datasets.load("pbe-mini").frames
    symbols = {s for frame in frames for s in frame.atoms.get_chemical_symbols()}
    table = tools.AtomicNumberTable(sorted(atomic_numbers[s] for s in symbols))
    with tools.torch_tools.default_dtype("float64"):
        configurations = [
            data.Configuration(
                atomic_numbers=frame.atoms.numbers,
                positions=frame.atoms.positions,
                cell=frame.atoms.cell.array,
                pbc=(True, True, True),
                properties={"energy": frame.energy, "forces": frame.forces},
                property_weights={"energy": 1.0, "forces": 1.0},
            )
            for frame in frames
        ]
        energies = data.compute_average_E0s(configurations, table)
        atomic_data = [
            data.AtomicData.from_config(c, z_table=table, cutoff=CUTOFF) for c in configurations
        ]
        loader = torch_geometric.dataloader.DataLoader(atomic_data, batch_size=14, shuffle=True)
        mean, scale = modules.scaling_classes["rms_forces_scaling"](
            loader, np.array([energies[z] for z in table.zs])
        )
        model = modules.ScaleShiftMACE(
            r_max=CUTOFF,
            num_bessel=6,
            num_polynomial_cutoff=5,
            max_ell=2,
            interaction_cls=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
            interaction_cls_first=modules.interaction_classes["RealAgnosticInteractionBlock"],
            num_interactions=2,
            num_elements=len(table),
            hidden_irreps=o3.Irreps("8x0e + 8x1o"),
            MLP_irreps=o3.Irreps("8x0e"),
            gate=torch.nn.functional.silu,
            atomic_energies=np.array([energies[z] for z in table.zs]),
            avg_num_neighbors=modules.compute_avg_num_neighbors(loader),
            atomic_numbers=table.zs,
            correlation=2,
            radial_MLP=[16, 16],
            atomic_inter_scale=scale,
            atomic_inter_shift=mean,
        )
        train(model, loader)
    torch.save(model, path)


def train(model: torch.nn.Module, loader: torch_geometric.dataloader.DataLoader) -> None:
    """Minimise the weighted energy and force error with Adam."""
    loss_function = modules.WeightedEnergyForcesLoss(energy_weight=1.0, forces_weight=10.0)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    model.train()
    step = 0
    while step < STEPS:
        for batch in loader:
            optimiser.zero_grad()
            output = model(batch.to_dict(), training=True, compute_force=True)
            loss = loss_function(pred=output, ref=batch)
            loss.backward()
            optimiser.step()
            step += 1
            if step % 15 == 0 or step == 1:
                print(f"step {step}: loss {loss.item():.4f}", file=sys.stderr)
    model.eval()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: train_small_mace.py OUT.model")
    main(Path(sys.argv[1]))
