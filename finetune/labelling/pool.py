"""Which frames of one's own trajectories to label.

States of use ask for the factor that their force components ask for together, in which a frame counts by its
squared forces. So the pool is ordered by the model's forces and cut into n parts of equal squared force; of
each part the middle frame is taken. One label is then of the amplitude that counts, neither the mildest nor
the wildest; several span the amplitudes of the pool.

Measured against random choice and other rules on sets with DFT labels: docs/howto/labels.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from umlip_bench.datasets.frame import composition
from umlip_bench.engine import Failed, Static, run_requests
from umlip_bench.finetune.labelling.proposal import Proposal
from umlip_bench.ground.errors import LabelError
from umlip_bench.potentials.protocol import Potential

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PoolFrame:
    """A frame worth labelling.

    Parameters
    ----------
    index
        Its place in the pool, from 0.
    atoms
        The frame.
    rms_force, max_force
        Root mean square and largest norm of the model's forces, eV/Å.
    weaker
        Share of the pool's squared forces that frames with smaller forces have.
    """

    index: int
    atoms: Atoms
    rms_force: float
    max_force: float
    weaker: float


@dataclass(frozen=True, eq=False)
class PoolSuggestion(Proposal):
    """Frames of a pool worth labelling, in the order in which to label them.

    Parameters
    ----------
    system
        Name of the material.
    model
        Whose forces decided.
    n_pool
        Frames to choose from.
    failures
        Frames that the model could not evaluate, and why.
    rms_forces
        Smallest, median and largest root mean square force of a frame of the pool, eV/Å.
    frames
        The choice.
    """

    system: str
    model: str
    n_pool: int
    failures: tuple[str, ...]
    rms_forces: tuple[float, float, float]
    frames: tuple[PoolFrame, ...]

    def structures(self) -> list[Atoms]:
        """As of `Proposal`."""
        found = []
        for each in self.frames:
            atoms = Atoms(
                numbers=each.atoms.numbers,
                positions=each.atoms.positions,
                cell=each.atoms.cell,
                pbc=each.atoms.pbc,
            )
            atoms.info = {"system": self.system, "pool_frame": each.index}
            found.append(atoms)
        return found

    def record(self) -> dict[str, object]:
        """As of `Proposal`."""
        return {
            "system": self.system,
            "model": self.model,
            "n_pool": self.n_pool,
            "failures": self.failures,
            "rms_forces": self.rms_forces,
            "frames": [
                {name: value for name, value in vars(each).items() if name != "atoms"}
                for each in self.frames
            ],
        }


def suggest_from_pool(
    potential: Potential, pool: Sequence[Atoms], n: int = 5, *, system: str | None = None
) -> PoolSuggestion:
    """Choose frames of a pool to label.

    Parameters
    ----------
    potential
        The model to correct.
    pool
        Frames of one material, e.g. of one's own dynamics; labels are not read.
    n
        How many frames.
    system
        Name of the material; by default the ``system`` of the first frame, else the reduced formula.

    Returns
    -------
    PoolSuggestion
        From the part with the middling forces outwards, so that a user who stops early has the frames that
        count most.

    Raises
    ------
    LabelError
        If the pool holds fewer frames with forces than are asked for, or several materials.
    """
    _check(pool, n)
    outcomes = run_requests(potential, [Static(atoms) for atoms in pool])
    failures: dict[int, str] = {}
    forces: dict[int, FloatArray] = {}
    for outcome in outcomes:
        if isinstance(outcome, Failed):
            failures[outcome.key] = f"frame {outcome.key}: {outcome.error}"
        else:
            prediction = outcome.result
            if prediction.forces.any():
                forces[outcome.key] = prediction.forces
    if len(forces) < n:
        first = f"; {failures[min(failures)]}" if failures else ""
        raise LabelError(
            f"{n} frames cannot be chosen of {len(forces)} with forces in the model ({len(pool)} in the "
            f"pool, {len(failures)} of them failed{first})"
        )
    places = sorted(forces)
    rms = np.array([np.sqrt((forces[k] ** 2).sum(axis=1).mean()) for k in places])
    weaker = shares(rms)
    picked = [
        PoolFrame(
            index=places[k],
            atoms=pool[places[k]],
            rms_force=float(rms[k]),
            max_force=float(np.linalg.norm(forces[places[k]], axis=1).max()),
            weaker=float(weaker[k]),
        )
        for k in middles(weaker, n)
    ]
    return PoolSuggestion(
        system=system or str(pool[0].info.get("system") or composition(pool[0])),
        model=potential.card.name,
        n_pool=len(pool),
        failures=tuple(failures[k] for k in sorted(failures)),
        rms_forces=(float(rms.min()), float(np.median(rms)), float(rms.max())),
        frames=tuple(sorted(picked, key=lambda each: abs(each.weaker - 0.5))),
    )


def shares(rms: FloatArray) -> FloatArray:
    """Share of all squared forces that weaker frames have, half of its own included; shape (m,)."""
    squares = rms**2
    order = np.argsort(rms, kind="stable")
    below = np.cumsum(squares[order]) - 0.5 * squares[order]
    found = np.empty_like(below)
    found[order] = below / squares.sum()
    return found


def middles(weaker: FloatArray, n: int) -> list[int]:
    """For each of n equal parts of the share the frame nearest to its middle that is not taken yet."""
    taken: list[int] = []
    for part in range(n):
        distance = np.abs(weaker - (part + 0.5) / n)
        distance[taken] = np.inf
        taken.append(int(distance.argmin()))
    return taken


def _check(pool: Sequence[Atoms], n: int) -> None:
    if n < 1:
        raise LabelError(f"{n} frames make no sense; ask for at least 1")
    if not pool:
        raise LabelError("the pool has no frames")
    materials = dict.fromkeys(map(composition, pool))
    if len(materials) > 1:
        raise LabelError(
            f"the pool holds several materials ({', '.join(materials)}), each of which needs labels of its "
            "own; give the frames of one"
        )
