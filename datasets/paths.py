"""A user's own migration paths: images in extended XYZ, and the cases made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from umlip_bench.datasets.cases import MigrationCase, PathMethod, Preparation
from umlip_bench.datasets.labels import ENERGY, FORCES, SYSTEM, geometry_of
from umlip_bench.datasets.path_mending import interpolate, mend
from umlip_bench.ground.errors import DataError, UmlipBenchError
from umlip_bench.ground.level_of_theory import LevelOfTheory

PATH, IMAGE, METHOD, MOVING = "path", "image", "method", "moving"

PATH_FORMAT = (
    f"images of migration paths in extended XYZ, with {PATH} (name), {IMAGE} (number along the path, "
    f"from 0), and optionally {ENERGY} (eV, total), {METHOD} ({', '.join(PathMethod)}), {MOVING} (index of "
    f"the ion) and {SYSTEM} in the comment line"
)

N_IMAGES = 5
"""Images put between two end points."""
MOVES = 0.5
"""Å; an atom that goes no farther than this from its first place does not migrate."""
BESIDE = 0.5
"""Atoms that go at least this share of the farthest one's way migrate with it."""
ABOVE_NEIGHBOUR = 0.05
"""eV; an end point that lies higher than the image next to it by more is no minimum."""


@dataclass(frozen=True, eq=False)
class PathFrame:
    """One image as the user gave it.

    Parameters
    ----------
    where
        File and frame, for messages.
    path
        Name of the path.
    image
        Number along it; ``None`` if none was given.
    atoms
        The geometry.
    energy
        Total in eV; nan if none was given.
    forces
        Shape (N, 3), eV/Å, or ``None``.
    system
        The material.
    method
        How the images came about; ``None`` if it is not said.
    moving
        Index of the ion; ``None`` if it is not said.
    """

    where: str
    path: str
    image: int | None
    atoms: Atoms
    energy: float
    forces: np.ndarray | None
    system: str
    method: PathMethod | None
    moving: int | None


def is_image(atoms: Atoms) -> bool:
    """Whether a structure says that it is an image of a path."""
    if PATH in atoms.info:
        return isinstance(atoms.info[PATH], str | int | np.integer)
    return IMAGE in atoms.info and FORCES not in atoms.arrays


def path_frame(where: str, atoms: Atoms) -> PathFrame:
    """Check what an image says and take it out of the structure.

    Raises
    ------
    DataError
        If a label is not of its kind.
    """
    info = atoms.info
    if PATH not in info:
        raise DataError(f"{where} has {IMAGE} but no {PATH}; expected {PATH_FORMAT}")
    energy = info.get(ENERGY, np.nan)
    if not isinstance(energy, int | float | np.number) or np.isinf(energy):
        raise DataError(f"{where}: {ENERGY} is {energy!r}; it must be a number in eV, or left out")
    forces = atoms.arrays.get(FORCES)
    numbers = forces is None or (forces.shape == (len(atoms), 3) and forces.dtype.kind in "fi")
    if not numbers or not np.isfinite(0.0 if forces is None else forces).all():
        raise DataError(f"{where}: {FORCES} must be 3 columns of finite numbers, or left out")
    method = info.get(METHOD)
    if method is not None and method not in tuple(PathMethod):
        raise DataError(f"{where}: {METHOD} is {method!r}; allowed: {', '.join(PathMethod)}")
    moving = _integer(where, MOVING, info.get(MOVING))
    if moving is not None and not 0 <= moving < len(atoms):
        raise DataError(
            f"{where}: {MOVING} is {moving}; the atoms count from 0 to {len(atoms) - 1}"
        )
    geometry = geometry_of(atoms)
    formula = geometry.symbols.formula.reduce()[0].format("metal")
    return PathFrame(
        where=where,
        path=str(info[PATH]),
        image=_integer(where, IMAGE, info.get(IMAGE)),
        atoms=geometry,
        energy=float(energy),
        forces=None if forces is None else forces.astype(float),
        system=str(info.get(SYSTEM) or formula),
        method=None if method is None else PathMethod(method),
        moving=moving,
    )


def _integer(where: str, key: str, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise DataError(f"{where}: {key} is {value}; it must be an integer")
    return int(value)


def migration_cases(frames: Iterable[PathFrame], level: LevelOfTheory) -> tuple[MigrationCase, ...]:
    """One case for each path, in order of first appearance.

    Parameters
    ----------
    frames
        Of any number of paths, in any order.
    level
        Of the energies.

    Raises
    ------
    DataError
        If a path can neither be taken as it is nor be mended; names all of them with the reasons.
    """
    groups: dict[str, list[PathFrame]] = {}
    for frame in frames:
        groups.setdefault(frame.path, []).append(frame)
    numbers = [f.image for members in groups.values() for f in members if f.image is not None]
    start = min(numbers, default=0)
    cases: list[MigrationCase] = []
    refused: list[str] = []
    for name, members in groups.items():
        try:
            cases.append(_case(name, members, start, level))
        except UmlipBenchError as error:
            refused.append(f"path {name}: {error}")
    if refused:
        raise DataError("\n".join(refused))
    return tuple(cases)


def _case(
    name: str, members: Sequence[PathFrame], start: int, level: LevelOfTheory
) -> MigrationCase:
    frames, notes = _in_order(members, start)
    labels = [f"image {k if f.image is None else f.image}" for k, f in enumerate(frames)]
    for frame, label in zip(frames, labels, strict=True):
        frame.atoms.info["system"] = f"{name}, {label}"
    mended = mend([frame.atoms for frame in frames], labels)
    images, energies = mended.images, np.array([frame.energy for frame in frames])
    forces = [
        None if frame.forces is None else frame.forces[order]
        for frame, order in zip(frames, mended.orders, strict=True)
    ]
    notes += mended.notes
    moving, said = _moving(frames, images)
    notes += said
    kept, said = _kept(energies, labels)
    notes += said
    images, energies = tuple(images[k] for k in kept), energies[kept]
    forces = [forces[k] for k in kept]
    method, said = _method(frames, energies)
    notes += said
    if len(images) == 2:
        images = interpolate(*images, N_IMAGES)
        energies = np.array([energies[0], *[np.nan] * N_IMAGES, energies[1]])
        forces = [None]
        notes.append(f"{N_IMAGES} images were interpolated (IDPP) between the two end points")
    elif np.isfinite(energies).all():
        _check_ends(energies)
    known = [each for each in forces if each is not None]
    return MigrationCase(
        name=name,
        system=frames[0].system,
        level_of_theory=level,
        preparation=Preparation.AS_BUILT if method is PathMethod.FIXED else Preparation.RELAXED,
        images=images,
        energies=energies,
        forces=np.array(known) if len(known) == len(images) else None,
        moving_ion=moving,
        method=method,
        notes=tuple(notes),
    )


def _in_order(members: Sequence[PathFrame], start: int) -> tuple[list[PathFrame], list[str]]:
    """Frames by image number, and what must be said of the numbers."""
    if len(members) < 2:
        raise DataError(
            f"it has one image ({members[0].where}); needed are the two end points, and the images between "
            "them if there are any"
        )
    without = [frame.where for frame in members if frame.image is None]
    if len(without) == len(members):
        return list(members), ["the images have no numbers: their order in the file is taken"]
    if without:
        raise DataError(
            f"{without[0]} has no {IMAGE}, others have; number all images from 0 on, or none if they are in "
            "order in the file"
        )
    by_number: dict[int, PathFrame] = {}
    for frame in members:
        number = int(frame.image or 0)
        if number in by_number:
            raise DataError(
                f"image {number} is there twice, in {by_number[number].where} and {frame.where}; each number "
                f"must be unique within its {PATH}"
            )
        by_number[number] = frame
    numbers = sorted(by_number)
    if numbers[0] != start or start not in (0, 1):
        raise DataError(
            f"the images begin with number {numbers[0]}: is the first end point missing? Number the images "
            "of all paths from 0 on, or all from 1 on"
        )
    missing = sorted(set(range(numbers[0], numbers[-1])) - set(numbers))
    notes = [f"no image {', '.join(map(str, missing))}; the others are taken"] if missing else []
    if start == 1:
        notes.append(
            "the images are numbered from 1, and image 1 is taken for the first end point; if there should "
            f"be an {IMAGE} 0, the path lacks its end point, and its barriers are wrong"
        )
    return [by_number[number] for number in numbers], notes


def _moving(frames: Sequence[PathFrame], images: Sequence[Atoms]) -> tuple[int, list[str]]:
    """Index of the ion that migrates, and what must be said of it."""
    away = np.array([image.positions - images[0].positions for image in images])
    ways = np.linalg.norm(away, axis=2).max(axis=0)
    farthest = int(ways.argmax())
    if ways[farthest] < MOVES:
        raise DataError(
            f"no atom migrates: the farthest, {_atom(images[0], farthest)}, goes {ways[farthest]:.2f} Å from "
            f"its place, needed are {MOVES} Å; are the images all of one end point?"
        )
    named = {frame.moving for frame in frames if frame.moving is not None}
    if len(named) > 1:
        raise DataError(
            f"{MOVING} is {' and '.join(map(str, sorted(named)))}; it must be the same atom in all images"
        )
    if named:
        return named.pop(), []
    beside = np.flatnonzero(ways >= BESIDE * ways[farthest])
    if len(beside) == 1:
        return farthest, []
    moving = ", ".join(f"{_atom(images[0], k)} by {ways[k]:.1f} Å" for k in beside.tolist())
    return farthest, [
        f"several atoms move: {moving}; the farthest, atom {farthest}, is taken for the migrating ion, which "
        f"ApproxNEB holds; name another with {MOVING}="
    ]


def _atom(atoms: Atoms, index: int) -> str:
    return f"atom {index} ({atoms.symbols[index]})"


def _kept(energies: np.ndarray, labels: Sequence[str]) -> tuple[list[int], list[str]]:
    """Images that stay, and what must be said of energies that are missing."""
    everything = list(range(len(energies)))
    known = np.flatnonzero(np.isfinite(energies))
    if len(known) == len(energies) > 2:
        return everything, []
    if len(known) >= 3 and known[0] == 0 and known[-1] == everything[-1]:
        left_out = ", ".join(labels[k] for k in everything if k not in known)
        return known.tolist(), [f"{left_out}: left out, since there is no {ENERGY}"]
    return everything, [
        f"{len(known) or 'none'} of {len(energies)} images {'has' if len(known) < 2 else 'have'} {ENERGY}: "
        "no barrier to compare with, which takes both end points and an image between them"
    ]


def _method(frames: Sequence[PathFrame], energies: np.ndarray) -> tuple[PathMethod, list[str]]:
    """How DFT prepared the images, and what must be said if that is not known."""
    named = {frame.method for frame in frames if frame.method is not None}
    if len(named) > 1:
        raise DataError(
            f"{METHOD} is {' and '.join(sorted(named))}; it must be the same for all images"
        )
    if named:
        return named.pop(), []
    if not np.isfinite(energies).all():
        return PathMethod.FIXED, []
    return PathMethod.FIXED, [
        f"{METHOD} is not given ({', '.join(PathMethod)}): energies are compared at DFT's images alone"
    ]


def _check_ends(energies: np.ndarray) -> None:
    """Refuse a path that ends on a slope."""
    for name, end, beside in (("first", 0, 1), ("last", -1, -2)):
        above = energies[end] - energies[beside]
        if above > ABOVE_NEIGHBOUR:
            raise DataError(
                f"the {name} image lies {above:.2f} eV above the one next to it, allowed are "
                f"{ABOVE_NEIGHBOUR} eV: a path ends in minima. Is an end point missing? Add it, or cut "
                "the path at the minimum"
            )
