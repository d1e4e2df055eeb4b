"""Frames that occur more than once in a set, and frames that are nearly the same."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from umlip_bench.datasets.fingerprint import SAME_BELOW, distances, fingerprint
from umlip_bench.datasets.frame import composition
from umlip_bench.datasets.labels import ENERGY, FORCES
from umlip_bench.datasets.readers.result import ROLE

SAME_ENERGY, SAME_FORCE = 1e-3, 1e-2
"""eV per atom and eV/Å; labels that are this near are the same."""


@dataclass(frozen=True)
class Deduplication:
    """What was found of repeated frames.

    Parameters
    ----------
    kept
        Places of the structures that stay, in their order.
    removed
        Places of those that are the same geometry, to 1e-5 Å, with the same labels as an earlier one.
    contradicting
        Pairs of places with the same geometry and other labels; both stay.
    similar
        How many pairs of frames of a composition are nearer than `fingerprint.SAME_BELOW`, of those that
        stay.
    compared
        How many pairs were looked at for that.
    """

    kept: tuple[int, ...]
    removed: tuple[int, ...]
    contradicting: tuple[tuple[int, int], ...]
    similar: int
    compared: int


def geometry_digest(atoms: Atoms) -> str:
    """Digest of a geometry to 1e-5 Å."""
    digest = hashlib.sha256(atoms.numbers.tobytes())
    for array in (atoms.cell.array, atoms.positions):
        # Adding zero turns -0 into 0.
        digest.update((np.round(array, 5) + 0.0).tobytes())
    return digest.hexdigest()


def deduplicated(structures: Sequence[Atoms]) -> Deduplication:
    """Find repeated frames among structures in the standard form.

    Structures with a role (bulk, slab, and so on) stay as they are: a bulk may well be an end member too.

    Parameters
    ----------
    structures
        As `umlip_bench.datasets.standard_form.structures_of` gives them.
    """
    first: dict[str, int] = {}
    removed: list[int] = []
    contradicting: list[tuple[int, int]] = []
    frames = [k for k, atoms in enumerate(structures) if ROLE not in atoms.info]
    for k in frames:
        earlier = first.setdefault(geometry_digest(structures[k]), k)
        if earlier == k:
            continue
        if _same_labels(structures[earlier], structures[k]):
            removed.append(k)
        else:
            contradicting.append((earlier, k))
    gone = set(removed)
    similar, compared = _similar([structures[k] for k in frames if k not in gone])
    kept = tuple(k for k in range(len(structures)) if k not in gone)
    return Deduplication(kept, tuple(removed), tuple(contradicting), similar, compared)


def _same_labels(one: Atoms, other: Atoms) -> bool:
    apart = abs(one.info[ENERGY] - other.info[ENERGY]) / len(one)
    forces = np.abs(one.arrays[FORCES] - other.arrays[FORCES]).max()
    # Nothing is known of an energy that is not there: nan is equal to nan here.
    no_energy = np.isnan([one.info[ENERGY], other.info[ENERGY]])
    same_energy = no_energy.all() or apart <= SAME_ENERGY
    return bool(same_energy and forces <= SAME_FORCE)


def _similar(frames: Sequence[Atoms]) -> tuple[int, int]:
    groups = defaultdict(list)
    for atoms in frames:
        groups[composition(atoms)].append(fingerprint(atoms))
    similar = compared = 0
    for members in groups.values():
        for k in range(1, len(members)):
            similar += int((distances(members[k : k + 1], members[:k]) < SAME_BELOW).sum())
            compared += k
    return similar, compared
