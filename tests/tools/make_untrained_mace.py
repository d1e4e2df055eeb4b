"""Make a MACE with random weights, of the size of the published MACE-MP-0 small, to time and count.

The published weights are a download; what a call costs depends on the size alone:

    python tests/tools/make_untrained_mace.py small.model
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from umlip_bench.potentials.adapters.mace import contained_mace_import

with contained_mace_import():
    from e3nn import o3
    from mace import modules

ELEMENTS = list(range(1, 90))
SEED = 0


def main(path: Path) -> None:
    """Make and save as mace does."""
    torch.manual_seed(SEED)
    model = modules.ScaleShiftMACE(
        r_max=6.0,
        num_bessel=10,
        num_polynomial_cutoff=5,
        max_ell=3,
        interaction_cls=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        interaction_cls_first=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        num_interactions=2,
        num_elements=len(ELEMENTS),
        hidden_irreps=o3.Irreps("128x0e"),
        MLP_irreps=o3.Irreps("16x0e"),
        atomic_energies=np.zeros(len(ELEMENTS)),
        avg_num_neighbors=61.96,
        atomic_numbers=ELEMENTS,
        correlation=3,
        gate=torch.nn.functional.silu,
        atomic_inter_scale=0.8,
        atomic_inter_shift=0.0,
    )
    torch.save(model, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
