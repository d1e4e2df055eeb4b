"""Count how often minimisers call the model on crystals of a published set, from the same starts.

What docs/performance.md says of relaxations; a minute of a core:

    python tests/tools/count_relaxation_calls.py
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ase import Atoms

import umlip_bench
from umlip_bench import datasets
from umlip_bench.engine import Done, Fire, Lbfgs, Relax, Relaxed, ScaledLbfgs, run_requests
from umlip_bench.engine.relaxation import Minimiser

MODEL = "chgnet-0.3.0"
SET = "matcalc-elasticity"
CRYSTALS, LARGEST, SEED = 200, 12, 1
EXPANSION, RATTLE = 0.02, 0.05
FMAX = 0.05
OTHER_END = 1e-3
"""eV/atom."""


def starts() -> list[Atoms]:
    """Crystals chosen at random, expanded and rattled."""
    cells = [case.atoms for case in datasets.load(SET).cases if hasattr(case, "atoms")]
    cells = [cell for cell in cells if 2 <= len(cell) <= LARGEST]
    chosen = np.random.default_rng(SEED).choice(len(cells), CRYSTALS, replace=False)
    found = []
    for seed, k in enumerate(chosen):
        atoms = cells[k].copy()
        atoms.set_cell(atoms.cell.array * (1 + EXPANSION), scale_atoms=True)
        atoms.rattle(RATTLE, seed=seed)
        found.append(atoms)
    return found


def main() -> None:
    """Relax with each, and compare with FIRE."""
    model = umlip_bench.potential(MODEL, device="cpu")
    minimisers: dict[str, Callable[[], Minimiser]] = {
        "fire": Fire,
        "lbfgs": Lbfgs,
        "scaled-lbfgs": ScaledLbfgs,
    }
    ends: dict[str, dict[int, Relaxed]] = {}
    for name, minimiser in minimisers.items():
        requests = [Relax(a, cell=True, fmax=FMAX, minimiser=minimiser) for a in starts()]
        outcomes = run_requests(model, requests, in_flight=32)
        ends[name] = {each.key: each.result for each in outcomes if isinstance(each, Done)}
        fire = ends["fire"]
        both = ends[name].keys() & fire.keys()
        ratios = [(ends[name][k].steps + 1) / (fire[k].steps + 1) for k in both]
        apart = [(ends[name][k].energy - fire[k].energy) / len(fire[k].atoms) for k in sorted(both)]
        print(
            f"{name}: {sum(each.steps + 1 for each in ends[name].values())} calls, "
            f"{CRYSTALS - len(ends[name])} failed, "
            f"{sum(not each.converged for each in ends[name].values())} not converged; of FIRE's "
            f"{np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}); "
            f"{sum(abs(each) > OTHER_END for each in apart)} elsewhere"
        )


if __name__ == "__main__":
    main()
