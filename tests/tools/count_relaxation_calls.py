"""Count how often minimisers call the model on structures of published sets, from the same starts.

What docs/performance.md says of relaxations; one to ten minutes of a core for each kind of start:

    python tests/tools/count_relaxation_calls.py
    python tests/tools/count_relaxation_calls.py --kind slabs --rattle 0.1
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np
from ase import Atoms

import umlip_bench
from umlip_bench import datasets
from umlip_bench.datasets.cases import DefectCase, SurfaceCase
from umlip_bench.engine import Done, Relax, Relaxed, run_requests
from umlip_bench.running.relaxing import MINIMISERS

SEED = 1
EXPANSION = 0.02
FMAX = 0.05
OTHER_END = 1e-3
"""eV/atom."""
CRYSTALS = "matcalc-elasticity"


def crystals(smallest: int, largest: int, n: int) -> list[Atoms]:
    """Crystals chosen at random, expanded."""
    cells = [case.atoms for case in datasets.load(CRYSTALS).cases if hasattr(case, "atoms")]
    cells = [cell for cell in cells if smallest <= len(cell) <= largest]
    found = []
    for k in np.random.default_rng(SEED).choice(len(cells), n, replace=False):
        atoms = cells[k].copy()
        atoms.set_cell(atoms.cell.array * (1 + EXPANSION), scale_atoms=True)
        found.append(atoms)
    return found


def slabs() -> list[Atoms]:
    """Slabs of elements and compounds, as cut or as DFT relaxed them."""
    sets = [datasets.load(name) for name in ("pbe-mini", "mlearn", "monbtaw")]
    return [c.slab for s in sets for c in s.cases if isinstance(c, SurfaceCase)]


def defects() -> list[Atoms]:
    """Supercells with a vacancy or an interstitial."""
    found = [c.defective for c in datasets.load("pbe-mini").cases if isinstance(c, DefectCase)]
    frames = datasets.load("mlearn").by_system()
    for name, own in frames.items():
        if name.endswith("Vacancy"):
            found += [own[0].atoms, own[-1].atoms]
    return found


KINDS: dict[str, tuple[bool, Callable[[], list[Atoms]]]] = {
    "crystals": (True, lambda: crystals(2, 12, 200)),
    "larger": (True, lambda: crystals(13, 40, 60)),
    "slabs": (False, slabs),
    "defects": (False, defects),
}
"""Whether the cell is free, and where they start before atoms are displaced."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Relax with each, and compare with FIRE."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kind", choices=KINDS, default="crystals")
    parser.add_argument("--model", default="chgnet-0.3.0")
    parser.add_argument(
        "--rattle", type=float, default=0.05, help="of all atoms, Å (default: 0.05)"
    )
    parser.add_argument(
        "--minimiser", action="append", choices=MINIMISERS, help="beside fire (default: all)"
    )
    asked = parser.parse_args(arguments)
    model = umlip_bench.potential(asked.model, device="cpu")
    free, made = KINDS[asked.kind]
    starts = [atoms.copy() for atoms in made()]
    for seed, atoms in enumerate(starts):
        atoms.set_constraint()
        atoms.rattle(asked.rattle, seed=seed)
    ends: dict[str, dict[int, Relaxed]] = {}
    for name in dict.fromkeys(["fire", *(asked.minimiser or MINIMISERS)]):
        minimiser = MINIMISERS[name]
        requests = [Relax(a, cell=free, fmax=FMAX, minimiser=minimiser) for a in starts]
        outcomes = run_requests(model, requests, in_flight=32)
        ends[name] = {each.key: each.result for each in outcomes if isinstance(each, Done)}
        fire = ends["fire"]
        both = sorted(k for k in ends[name].keys() & fire.keys() if fire[k].converged)
        ratios = [(ends[name][k].steps + 1) / (fire[k].steps + 1) for k in both]
        apart = [(ends[name][k].energy - fire[k].energy) / len(fire[k].atoms) for k in both]
        print(
            f"{name}: {sum(each.steps + 1 for each in ends[name].values())} calls, "
            f"{len(starts) - len(ends[name])} of {len(starts)} failed, "
            f"{sum(not each.converged for each in ends[name].values())} not converged; of FIRE's "
            f"{np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}); "
            f"{sum(abs(each) > OTHER_END for each in apart)} elsewhere, "
            f"{sum(each > OTHER_END for each in apart)} of these higher "
            f"(the most {max(0.0, *apart) * 1000:.0f} meV/atom)",
            flush=True,
        )


if __name__ == "__main__":
    main()
