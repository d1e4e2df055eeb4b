"""How far from equilibrium the frames of a material are, by geometry and by DFT's energy.

What frames are sorted by must know nothing of the model's errors, nor of DFT's forces: among the largest of
those are more of the ones that happen to be large, so that any model's slope tilts with them.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.frames import FrameComparison, Geometry, MaterialComparison
from umlip_bench.ground.structures import brought_near

FloatArray = NDArray[np.float64]
NAN = float("nan")

AT_REST = 0.05
"""eV/Å; a frame without a larger force of DFT's is the relaxed structure."""
BOND_CUTOFF = 6.0
"""Å; an atom without another within has no bond."""


def energies_above(material: MaterialComparison) -> FloatArray:
    """DFT's energy of each frame above the lowest frame of its composition.

    Returns
    -------
    ndarray
        Shape (frames,), eV per atom; nan where it is not known, or the frame alone in its composition.
    """
    frames = material.frames
    energies = np.array([frame.energy_reference / frame.n_atoms for frame in frames])
    found = np.full(len(frames), NAN)
    for own in _alike([frame.composition for frame in frames]):
        if np.isfinite(energies[own]).sum() > 1:
            found[own] = energies[own] - np.nanmin(energies[own])
    return found


def displacements(material: MaterialComparison) -> FloatArray:
    """Root mean square displacement of each frame's atoms from their sites, homogeneous strain left out.

    Sites are those of the frame that DFT has at rest, where there is one, else the mean over all frames of
    the same atoms. To that n frames which know nothing of each other are nearer by the root of 1 - 1/n,
    which is taken off.

    Returns
    -------
    ndarray
        Shape (frames,), Å; nan where the geometry is not known, or no other frame has the same atoms.
    """
    frames = material.frames
    found = np.full(len(frames), NAN)
    of = [() if f.geometry is None else tuple(f.geometry.numbers.tolist()) for f in frames]
    for own in _alike(of):
        known = [(frames[k], g) for k in own if (g := frames[k].geometry) is not None]
        if len(known) > 1:
            found[own] = _from_sites(*zip(*known, strict=True))
    return found


def _from_sites(
    frames: tuple[FrameComparison, ...], geometries: tuple[Geometry, ...]
) -> FloatArray:
    """Of frames of the same atoms, Å."""
    scaled = np.array([g.positions @ np.linalg.inv(g.cell) for g in geometries])
    largest = [np.linalg.norm(frame.forces_reference, axis=1).max() for frame in frames]
    rest = int(np.argmin(largest))
    # Images next to those of one frame; a crystal that drifts as a whole is not displaced.
    moved = scaled - scaled[rest]
    moved -= np.rint(moved)
    moved -= moved.mean(axis=1, keepdims=True)
    spread = 1.0
    if largest[rest] > AT_REST:
        moved -= moved.mean(axis=0)
        spread = len(frames) / (len(frames) - 1)
    vectors = moved @ np.array([g.cell for g in geometries])
    return np.asarray(np.sqrt(spread * (vectors**2).sum(axis=-1).mean(axis=-1)))


def shortest_bonds(geometry: Geometry) -> FloatArray:
    """Each atom's shortest distance to another over the sum of their covalent radii.

    Radii: B. Cordero et al., Dalton Trans. 2832 (2008), as ASE has them.

    Returns
    -------
    ndarray
        Shape (n_atoms,), dimensionless; nan for an atom without another within 6 Å.
    """
    from ase.data import covalent_radii
    from pymatgen.optimization.neighbors import find_points_in_spheres

    positions = brought_near(geometry.positions, geometry.cell)
    centres, others, _, distances = find_points_in_spheres(
        positions,
        positions,
        r=BOND_CUTOFF,
        pbc=np.ones(3, dtype=np.int64),
        lattice=np.ascontiguousarray(geometry.cell, dtype=np.float64),
    )
    apart = distances > 1e-8
    radii = covalent_radii[geometry.numbers]
    ratios = distances[apart] / (radii[centres[apart]] + radii[others[apart]])
    found = np.full(len(positions), np.inf)
    np.minimum.at(found, centres[apart], ratios)
    return np.where(np.isfinite(found), found, NAN)


def _alike(keys: Sequence[Hashable]) -> list[list[int]]:
    """Indices of equal keys; none of an empty one."""
    groups: dict[Hashable, list[int]] = {}
    for k, key in enumerate(keys):
        if key:
            groups.setdefault(key, []).append(k)
    return list(groups.values())
