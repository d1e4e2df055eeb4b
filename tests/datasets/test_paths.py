"""A user's own migration paths: what is taken, what is mended, what is refused."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.geometry import find_mic

from tests.support.narrowing import as_a, each_as_a, some
from umlip_bench import datasets
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.migration.measure import Migration
from umlip_bench.benchmarks.suite import Mode
from umlip_bench.cli import main
from umlip_bench.datasets.cases import MigrationCase, PathMethod
from umlip_bench.datasets.dataset import Dataset
from umlip_bench.datasets.paths import N_IMAGES
from umlip_bench.ground.errors import DataError


def magnesia(n: int = 5) -> tuple[list[Atoms], int]:
    """A magnesium atom hops into a vacancy next to it along an arc, the lattice a little off its sites."""
    rng = np.random.default_rng(3)
    crystal = bulk("MgO", "rocksalt", a=4.21, cubic=True).repeat((2, 2, 2))
    crystal.rattle(0.05, rng=rng)
    vacant = crystal.positions[0].copy()
    del crystal[0]
    ways = find_mic(vacant - crystal.positions, crystal.cell)[0]
    ways[crystal.numbers != 12] = 99
    mover = int(np.linalg.norm(ways, axis=1).argmin())
    images = []
    for k, s in enumerate(np.linspace(0, 1, n)):
        atoms = crystal.copy()
        arc = np.sin(np.pi * s)
        atoms.positions[mover] += s * ways[mover] + [0, 0, 0.3 * arc]
        atoms.info = {"path": "hop", "image": k, "REF_energy": -300 + arc, "method": "neb"}
        atoms.arrays["REF_forces"] = rng.normal(size=(63, 3))
        images.append(atoms)
    return images, mover


def load(folder: Path, images: list[Atoms]) -> Dataset:
    ase.io.write(folder / "my.xyz", images, format="extxyz")
    return datasets.load(str(folder / "my.xyz"))


def only(folder: Path, images: list[Atoms]) -> MigrationCase:
    return migration(load(folder, images))


def migration(dataset: Dataset) -> MigrationCase:
    """Its only path."""
    (case,) = each_as_a(MigrationCase, dataset.of_task("migration"))
    return case


def same_path(found: MigrationCase, expected: MigrationCase) -> None:
    """The same ways of all atoms, wherever the first image is."""
    for a, b in zip(found.images, expected.images, strict=True):
        np.testing.assert_array_equal(a.numbers, b.numbers)
        np.testing.assert_allclose(a.positions, b.positions, atol=1e-6)
    np.testing.assert_allclose(found.energies, expected.energies)
    np.testing.assert_allclose(some(found.forces), some(expected.forces), atol=1e-6)
    assert found.moving_ion == expected.moving_ion


def test_a_sound_path_is_taken_as_it_is(tmp_path: Path) -> None:
    images, mover = magnesia()
    case = only(tmp_path, images)
    assert (case.name, case.system, case.moving_ion) == ("hop", "Mg31O32", mover)
    assert case.method is PathMethod.NEB
    assert case.notes == ()
    assert case.forward_barrier == pytest.approx(1.0)
    for found, given in zip(case.images, images, strict=True):
        np.testing.assert_allclose(found.positions, given.positions, atol=1e-7)
    data = datasets.load(str(tmp_path / "my.xyz"))
    (found_case,) = load_suite("migration").cases(data, Mode.STANDARD)
    ours = as_a(Migration, found_case)
    assert ours.barrier == pytest.approx(1.0)
    assert ours.prepared == "neb"


def test_several_paths_beside_labelled_frames(tmp_path: Path) -> None:
    images, _ = magnesia()
    for k, image in enumerate(others := [image.copy() for image in images[::-1]]):
        image.info |= {"path": 2, "image": k}
    frame = images[0].copy()
    frame.info = {"REF_energy": -1.0}
    dataset = load(tmp_path, [images[0], frame, *others, *images[1:]])
    assert dataset.tasks == ("high-energy", "migration")
    assert [case.name for case in dataset.of_task("migration")] == ["hop", "2"]
    assert len(dataset.frames) == 1


# ---- mended


def permuted(images: list[Atoms], rng: np.random.Generator) -> list[Atoms]:
    """Each image but the first with its atoms in an order of its own."""
    return [images[0], *(image[rng.permutation(len(image))] for image in images[1:])]


def swapped(images: list[Atoms], rng: np.random.Generator) -> list[Atoms]:
    """Two magnesium atoms that stay at home have changed places in the list of one image."""
    a, b = [k for k in range(63) if images[0].numbers[k] == 12][-2:]
    order = np.arange(63)
    order[[a, b]] = b, a
    return [image[order] if k == 2 else image for k, image in enumerate(images)]


def wrapped(images: list[Atoms], rng: np.random.Generator) -> list[Atoms]:
    moved = [image.copy() for image in images]
    for image in moved[1:]:
        image.positions += rng.integers(-2, 3, size=(63, 3)) @ image.cell
    return moved


def drifted(images: list[Atoms], rng: np.random.Generator) -> list[Atoms]:
    """Each image shifted farther, by more than half the way between neighbours in the end."""
    for k, image in enumerate(images):
        image.positions += k * np.array([0.35, 0.2, 0.1])
    return images


def drifted_and_permuted(images: list[Atoms], rng: np.random.Generator) -> list[Atoms]:
    return permuted(wrapped(drifted(images, rng), rng), rng)


def shuffled(images: list[Atoms], rng: np.random.Generator) -> list[Atoms]:
    """In another order in the file, numbered from 1."""
    for k, image in enumerate(images, start=1):
        image.info["image"] = k
    return images[::-1]


def unnumbered(images: list[Atoms], rng: np.random.Generator) -> list[Atoms]:
    for image in images:
        del image.info["image"]
    return images


def written_with_few_digits(images: list[Atoms], rng: np.random.Generator) -> list[Atoms]:
    for image in images[1:]:
        image.set_cell(image.cell.array + 4e-6)
    return images


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (permuted, "image 1, image 2, image 3, image 4: the atoms were in another order"),
        (swapped, "image 2: the atoms were in another order and are now in that of image 0"),
        (wrapped, "image 1, image 2, image 3, image 4: atoms had been wrapped"),
        (
            drifted,
            "image 1 by 0.42 Å, image 2 by 0.83 Å, image 3 by 1.25 Å, image 4 by 1.66 Å: all atoms",
        ),
        (shuffled, "the images are numbered from 1, and image 1 is taken for the first end point"),
        (unnumbered, "the images have no numbers: their order in the file is taken"),
        (written_with_few_digits, None),
    ],
)
def test_what_is_mended_gives_the_same_path_and_is_told(
    tmp_path: Path, spoil: Callable[..., Any], said: str
) -> None:
    sound = only(tmp_path, magnesia()[0])
    dataset = load(tmp_path, spoil(magnesia()[0], np.random.default_rng(1)))
    case = migration(dataset)
    same_path(case, sound)
    if said is None:
        assert case.notes == ()
    else:
        (note,) = case.notes
        assert note.startswith(said)
        assert dataset.manifest.caveats == (f"path hop: {note}.",)


def test_a_path_that_drifts_wrapped_and_in_another_order(tmp_path: Path) -> None:
    sound = only(tmp_path, magnesia()[0])
    case = only(tmp_path, drifted_and_permuted(magnesia()[0], np.random.default_rng(1)))
    same_path(case, sound)
    assert len(case.notes) == 3


def test_atoms_that_move_together_are_no_drift(tmp_path: Path) -> None:
    """Less than half of the atoms: a layer that slides."""
    images, mover = magnesia()
    layer = np.flatnonzero(images[0].positions[:, 2] < 3)
    layer = layer[layer != mover]
    assert 20 < len(layer) < 32
    for k, image in enumerate(images):
        image.positions[layer, 0] += 0.1 * k
    case = only(tmp_path, images)
    for found, given in zip(case.images, images, strict=True):
        np.testing.assert_allclose(found.positions, given.positions, atol=1e-7)


def test_a_gap_in_the_numbers_is_told(tmp_path: Path) -> None:
    images, _ = magnesia()
    case = only(tmp_path, images[:1] + images[2:])
    assert case.notes == ("no image 1; the others are taken",)
    assert len(case.images) == 4


def test_images_without_energy_are_left_out_if_the_barrier_can_do_without(tmp_path: Path) -> None:
    images, _ = magnesia()
    del images[1].info["REF_energy"]
    case = only(tmp_path, images)
    assert case.notes == ("image 1: left out, since there is no REF_energy",)
    assert len(case.images) == len(case.energies) == len(some(case.forces)) == 4
    del images[4].info["REF_energy"]
    case = only(tmp_path, images)
    assert len(case.images) == 5
    assert np.isnan(case.energies).sum() == 2
    assert case.notes == (
        "3 of 5 images have REF_energy: no barrier to compare with, which takes both end points and an "
        "image between them",
    )
    data = datasets.load(str(tmp_path / "my.xyz"))
    (found_case,) = load_suite("migration").cases(data, Mode.STANDARD)
    ours = as_a(Migration, found_case)
    assert np.isnan(ours.barrier)


@pytest.mark.seconds
def test_two_end_points_are_interpolated(tmp_path: Path) -> None:
    """No atom comes nearer than on the straight way, and the ion goes on all the time."""
    images, mover = magnesia()
    case = only(tmp_path, [images[0], images[-1]])
    assert len(case.images) == N_IMAGES + 2
    assert case.moving_ion == mover
    assert any("5 images were interpolated (IDPP)" in note for note in case.notes)
    np.testing.assert_allclose(case.energies[[0, -1]], -300, atol=1e-6)
    assert np.isnan(case.energies[1:-1]).all()
    ion = np.array([image.positions[mover] for image in case.images])
    way = ion[-1] - ion[0]
    assert (np.diff(ion @ way) > 0).all()
    straight = images[0].copy()
    straight.positions[mover] += 0.5 * way

    def nearest(atoms: Atoms) -> float:
        return np.sort(atoms.get_distances(mover, range(63), mic=True))[1]

    assert nearest(case.images[3]) > nearest(straight) + 0.05


def test_of_several_ions_the_farthest_is_taken_unless_named(tmp_path: Path) -> None:
    images, mover = magnesia()
    other = next(k for k in range(63) if images[0].numbers[k] == 8)
    for k, image in enumerate(images):
        image.positions[other] += [0, 0, 0.5 * k]
    case = only(tmp_path, images)
    assert case.moving_ion == mover
    (note,) = case.notes
    assert re.search(rf"atom {other} \(O\) by 2.0 Å", note)
    assert f"the farthest, atom {mover}, is taken" in note
    for image in images:
        image.info["moving"] = other
    case = only(tmp_path, images)
    assert case.moving_ion == other
    assert case.notes == ()


def test_ions_that_move_together_are_kept_apart_from_atoms_in_another_order(tmp_path: Path) -> None:
    """One pushes the next on: with images in between that is a path, from end points alone a guess."""
    images, mover = magnesia(n=7)
    at, vacant = images[0].positions.copy(), images[-1].positions[mover]
    ways = find_mic(at - at[mover], images[0].cell)[0]
    lengths = np.linalg.norm(ways, axis=1)
    lengths[(images[0].numbers != 12) | (lengths == 0)] = 99
    pushed = int(lengths.argmin())
    onwards = find_mic(vacant - at[pushed], images[0].cell)[0]
    for s, image in zip(np.linspace(0, 1, 7), images, strict=True):
        image.positions[mover] = at[mover] + s * ways[pushed]
        image.positions[pushed] = at[pushed] + s * onwards
    case = only(tmp_path, images)
    assert any("several atoms move" in note for note in case.notes)
    np.testing.assert_allclose(case.images[-1].positions, images[-1].positions, atol=1e-6)
    with pytest.raises(
        DataError, match="they may have moved together, or be listed in another order"
    ):
        only(tmp_path, [images[0], images[-1]])


# ---- refused


def other_cell(images: list[Atoms]) -> None:
    images[2].set_cell(images[2].cell * 1.001, scale_atoms=True)


def other_atoms(images: list[Atoms]) -> None:
    images[2].numbers[5] = 20


def one_atom_less(images: list[Atoms]) -> None:
    del images[3][5]


def no_first(images: list[Atoms]) -> None:
    del images[:2]


def one_image(images: list[Atoms]) -> None:
    del images[1:]


def numbered_twice(images: list[Atoms]) -> None:
    images[3].info["image"] = 2


def number_missing(images: list[Atoms]) -> None:
    del images[3].info["image"]


def number_no_integer(images: list[Atoms]) -> None:
    images[3].info["image"] = 2.5


def nothing_moves(images: list[Atoms]) -> None:
    for image in images:
        image.positions = images[0].positions


def no_last(images: list[Atoms]) -> None:
    del images[3:]


def two_methods(images: list[Atoms]) -> None:
    images[1].info["method"] = "fixed"


def unknown_method(images: list[Atoms]) -> None:
    images[1].info["method"] = "cineb"


def not_periodic(images: list[Atoms]) -> None:
    images[1].pbc = (True, True, False)


def two_ions_named(images: list[Atoms]) -> None:
    for k, image in enumerate(images):
        image.info["moving"] = 3 + k


def no_such_ion(images: list[Atoms]) -> None:
    images[0].info["moving"] = 63


def no_name(images: list[Atoms]) -> None:
    del images[0].info["path"]
    del images[0].arrays["REF_forces"]


def energy_in_words(images: list[Atoms]) -> None:
    images[0].info["REF_energy"] = "low"


def atoms_between_places(images: list[Atoms]) -> None:
    """All magnesium half-way between what were their places, and listed in another order."""
    magnesium = np.flatnonzero(images[2].numbers == 12)
    images[2].positions[magnesium] += [1.05, 1.05, 0]
    images[2].positions[magnesium] = images[2].positions[np.roll(magnesium, 7)]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (
            other_cell,
            r"the cell of image 2 differs from that of image 0 by 0.0084 Å, allowed are 1e-05 Å",
        ),
        (
            other_atoms,
            r"image 2 is CaMg30O32, image 0 Mg31O32; all images must have the same atoms",
        ),
        (one_atom_less, r"image 3 is .*all images must have the same atoms"),
        (no_first, r"begin with number 2: is the first end point missing\?"),
        (one_image, r"it has one image \(.*frame 0\); needed are the two end points"),
        (numbered_twice, r"image 2 is there twice, in .*frame 2 and .*frame 3"),
        (number_missing, r"frame 3 has no image, others have"),
        (number_no_integer, r"frame 3: image is 2.5; it must be an integer"),
        (
            nothing_moves,
            r"no atom migrates: the farthest, .*goes 0.00 Å from its place, needed are 0.5 Å",
        ),
        (
            no_last,
            r"the last image lies 0.29 eV above the one next to it.*Is an end point missing\?",
        ),
        (two_methods, r"method is fixed and neb; it must be the same for all images"),
        (unknown_method, r"method is 'cineb'; allowed: fixed, approx-neb, neb"),
        (not_periodic, r"periodicity is TTF"),
        (two_ions_named, r"moving is 3 and 4 and 5"),
        (no_such_ion, r"moving is 63; the atoms count from 0 to 62"),
        (no_name, r"frame 0 has image but no path; expected images of migration paths"),
        (energy_in_words, r"REF_energy is 'low'; it must be a number in eV"),
        (
            atoms_between_places,
            r"image 2: the Mg atoms are not where .*List the atoms in the same order",
        ),
    ],
)
def test_what_is_refused_says_why(tmp_path: Path, spoil: Callable[..., Any], reason: str) -> None:
    images, _ = magnesia()
    spoil(images)
    with pytest.raises(DataError, match=reason):
        load(tmp_path, images)


def test_all_paths_that_are_refused_are_named(tmp_path: Path) -> None:
    images, _ = magnesia()
    second = [image.copy() for image in images]
    for image in second:
        image.info["path"] = "other"
    nothing_moves(images)
    numbered_twice(second)
    with pytest.raises(DataError) as caught:
        load(tmp_path, images + second)
    assert re.search(
        r"path hop: no atom migrates.*\npath other: image 2 is there twice", str(caught.value)
    )


# ---- the commands


def test_the_check_tells_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images, _ = magnesia()
    file = str(tmp_path / "my.xyz")
    load(tmp_path, images)
    assert main(["data", "check", file]) == 0
    assert "1 migration path\nNothing looks suspicious" in capsys.readouterr().out
    load(tmp_path, swapped(images, np.random.default_rng(0)))
    assert main(["data", "check", file]) == 1
    assert "path hop: image 2: the atoms were in another order" in capsys.readouterr().out
    nothing_moves(images)
    ase.io.write(file, images, format="extxyz")
    assert main(["data", "check", file]) == 2
    assert "path hop: no atom migrates" in capsys.readouterr().err
