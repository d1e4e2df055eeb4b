import hashlib
from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from umlip_bench import datasets
from umlip_bench.ground.errors import DataError

STRESS = np.array([[0.11, 0.04, 0.05], [0.04, 0.22, 0.06], [0.05, 0.06, 0.33]])


def labelled(
    seed: int = 0,
    system: str | None = "rock salt",
    stress: np.ndarray | float | str | None = STRESS,
) -> Atoms:
    rng = np.random.default_rng(seed)
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    atoms.positions += rng.normal(size=(2, 3)) / 3
    atoms.set_cell(atoms.cell.array + rng.normal(size=(3, 3)) / 30)
    atoms.info["REF_energy"] = rng.normal() / 3
    atoms.arrays["REF_forces"] = rng.normal(size=(2, 3)) / 3
    if system is not None:
        atoms.info["system"] = system
    if stress is not None:
        atoms.info["REF_stress"] = stress
    return atoms


def write(tmp_path: Path, *frames: Sequence[Atoms]) -> Path:
    path = tmp_path / "data.xyz"
    ase.io.write(path, frames, format="extxyz")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        datasets.load(str(path))
    message = str(caught.value)
    assert str(path) in message
    return message


def left_out(path: Path, n_kept: int = 1) -> str:
    """What is said of the frames that were left out; the others are there."""
    dataset = datasets.load(str(path))
    assert [f.index for f in dataset.frames] == list(range(n_kept))
    (message,) = dataset.manifest.caveats
    assert f"were left out, {n_kept} labels are used: " in message
    assert str(path) in message
    return message


# ---- what is read


def test_what_ase_writes_is_read_back_exactly(tmp_path: Path) -> None:
    originals = [labelled(0), labelled(1, "other"), labelled(2)]
    path = write(tmp_path, *originals)
    dataset = datasets.load(str(path))
    assert dataset.manifest.id == "data.xyz"
    assert dataset.manifest.level_of_theory.functional == "unknown"
    assert dataset.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    stored = ase.io.read(path, index=":")  # the file holds 8 decimals of positions and forces
    for k, (frame, file, atoms) in enumerate(zip(dataset.frames, stored, originals, strict=True)):
        assert frame.index == k
        assert frame.system == atoms.info["system"]
        assert frame.energy == atoms.info["REF_energy"]
        np.testing.assert_array_equal(frame.atoms.positions, file.positions)
        np.testing.assert_array_equal(frame.forces, file.arrays["REF_forces"])
        np.testing.assert_allclose(frame.forces, atoms.arrays["REF_forces"], atol=1e-8)
        np.testing.assert_array_equal(frame.stress, STRESS)
        np.testing.assert_array_equal(frame.atoms.numbers, atoms.numbers)
        np.testing.assert_allclose(frame.atoms.positions, atoms.positions, atol=1e-8)
        np.testing.assert_array_equal(frame.atoms.cell, atoms.cell)
        assert frame.atoms.pbc.all()


def test_labels_do_not_stay_with_the_geometry(tmp_path: Path) -> None:
    (frame,) = datasets.load(str(write(tmp_path, labelled()))).frames
    assert frame.atoms.calc is None
    assert set(frame.atoms.arrays) == {"numbers", "positions"}
    assert not any(key.startswith("REF_") for key in frame.atoms.info)


def test_frames_are_grouped_by_material(tmp_path: Path) -> None:
    names = ["b", "a", "b", "c", "a"]
    path = write(tmp_path, *(labelled(k, name) for k, name in enumerate(names)))
    groups = datasets.load(str(path)).by_system()
    assert {name: [f.index for f in frames] for name, frames in groups.items()} == {
        "b": [0, 2],
        "a": [1, 4],
        "c": [3],
    }
    assert list(groups) == ["b", "a", "c"]


def test_without_a_name_the_reduced_formula_is_the_material(tmp_path: Path) -> None:
    large = labelled(1, None).repeat((2, 1, 1))
    path = write(tmp_path, labelled(0, None), large, labelled(2, "named"))
    dataset = datasets.load(str(path))
    assert [frame.system for frame in dataset.frames] == ["NaCl", "NaCl", "named"]
    assert {frame.composition for frame in dataset.frames} == {"NaCl"}


@pytest.mark.parametrize("separator", [" ", "  ", ","])
def test_stress_in_any_of_three_forms_is_the_same(tmp_path: Path, separator: str) -> None:
    forms = {
        "3x3": STRESS.ravel(),
        "six": full_3x3_to_voigt_6_stress(STRESS),
    }
    for name, numbers in forms.items():
        path = write(tmp_path, labelled(stress=None))
        count, comment, *rest = path.read_text().splitlines()
        text = separator.join(map(repr, map(float, numbers)))
        path.write_text("\n".join([count, f'{comment} REF_stress="{text}"', *rest]) + "\n")
        (frame,) = datasets.load(str(path)).frames
        np.testing.assert_array_equal(frame.stress, STRESS, err_msg=name)
    for form in (STRESS, STRESS.ravel(), full_3x3_to_voigt_6_stress(STRESS)):
        (frame,) = datasets.load(str(write(tmp_path, labelled(stress=form)))).frames
        np.testing.assert_array_equal(frame.stress, STRESS)


def test_stress_may_be_absent_from_some_frames(tmp_path: Path) -> None:
    path = write(tmp_path, labelled(0), labelled(1, stress=None))
    first, second = datasets.load(str(path)).frames
    assert first.stress is not None
    assert second.stress is None


def test_integers_are_numbers(tmp_path: Path) -> None:
    atoms = labelled()
    atoms.info["REF_energy"] = -7
    atoms.arrays["REF_forces"] = np.array([[0, 1, 2], [3, 4, 5]])
    (frame,) = datasets.load(str(write(tmp_path, atoms))).frames
    assert isinstance(frame.energy, float)
    assert frame.forces.dtype == float


def test_structures_that_cannot_be_evaluated_are_named_and_the_others_stand(tmp_path: Path) -> None:
    slab, broken, near, huge = (labelled(k) for k in range(1, 5))
    slab.pbc = (True, True, False)
    broken.positions[0, 0] = np.nan
    near.positions[1] = near.positions[0] + [0, 0, 0.4]
    huge.positions[1, 1] = 1e308
    message = left_out(write(tmp_path, labelled(0), slab, broken, near, huge))
    assert "4 entries of 1 file" in message
    for k, words in enumerate(("TTF", "nan", "nearer than any bond", "e+308"), 1):
        assert words in message.split(f"frame {k}: ")[1].split(f"frame {k + 1}: ")[0]


# ---- what is refused


@pytest.mark.parametrize("key", ["REF_energy", "REF_forces"])
def test_a_missing_label_is_named_with_its_frame_and_what_is_there(
    tmp_path: Path, key: str
) -> None:
    second = labelled(1)
    second.info.pop(key, None)
    second.arrays.pop(key, None)
    second.info["dft_energy"] = -1.0
    message = left_out(write(tmp_path, labelled(0), second))
    assert f"frame 1: {key} is missing" in message
    assert "dft_energy" in message
    assert "expected extended XYZ with REF_energy (eV, total)" in message


def test_labels_under_the_keys_of_ase_are_read(tmp_path: Path) -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    forces = np.array([[0.1, 0, 0], [-0.1, 0, 0]])
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=forces)
    (frame,) = datasets.load(str(write(tmp_path, atoms))).frames
    assert frame.energy == -1.0
    np.testing.assert_array_equal(frame.forces, forces)


def test_results_of_ase_do_not_stand_in_for_a_missing_label(tmp_path: Path) -> None:
    """A frame with some labels of ours and a model's results keeps the two apart."""
    atoms = labelled()
    del atoms.info["REF_energy"]
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.zeros((len(atoms), 3)))
    message = refusal(write(tmp_path, atoms))
    assert "REF_energy is missing" in message
    present = message.split("the frame has ")[1].split(";")[0]
    assert "energy" in present.split(", ")


@pytest.mark.parametrize("value", [np.nan, np.inf, "much", np.array([1.0, 2.0])])
def test_an_energy_that_is_no_finite_number(
    tmp_path: Path, value: float | str | np.ndarray
) -> None:
    bad = labelled(1)
    bad.info["REF_energy"] = value
    assert "frame 1: REF_energy is" in left_out(write(tmp_path, labelled(0), bad))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_forces_that_are_not_finite(tmp_path: Path, value: float) -> None:
    bad = labelled(1)
    bad.arrays["REF_forces"][1, 2] = value
    assert "frame 1: REF_forces of atom 1 is" in left_out(write(tmp_path, labelled(0), bad))


@pytest.mark.parametrize("forces", [np.zeros(2), np.zeros((2, 6)), np.array([["a"] * 3] * 2)])
def test_forces_of_a_wrong_shape_or_kind(tmp_path: Path, forces: np.ndarray) -> None:
    bad = labelled(1)
    bad.arrays["REF_forces"] = forces
    message = left_out(write(tmp_path, labelled(0), bad))
    assert "frame 1: REF_forces has" in message
    assert "3 columns of numbers" in message


@pytest.mark.parametrize(
    "stress", [np.zeros(5), np.zeros((2, 2)), 0.1, "none", np.diag([0.1, 0.1, np.nan])]
)
def test_a_stress_of_a_wrong_shape_or_kind(
    tmp_path: Path, stress: np.ndarray | float | str
) -> None:
    assert "frame 1: REF_stress" in left_out(
        write(tmp_path, labelled(0), labelled(1, stress=stress))
    )


@pytest.mark.parametrize("content", [b"", b"\n", b" \n\n\t\n"])
def test_an_empty_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.xyz"
    path.write_bytes(content)
    assert "empty" in refusal(path)


@pytest.mark.parametrize(
    "content",
    [
        b"hello world\n",
        b"energy,forces\n1,2\n",
        b'{"energy": 1}\n',
        b"\x80\x04\x95garbage\x00\xff" * 50,
        b"PK\x03\x04" + bytes(500),
        b"2\n",
        b"2\ncomment\nNa 0 0 0\n",
        b"-1\n\n",
        b"0\n\n",
        b"2\ncomment\nNa 0 0 0\nCl a b c\n",
        b"2\ncomment\nNa 0 0 0\nQq 1 1 1\n",
        b'1\nLattice="1 2 3" Properties=species:S:1:pos:R:3\nNa 0 0 0\n',
        b'1\nLattice="1 0 0 0 1 0 0 0 x" Properties=species:S:1:pos:R:3\nNa 0 0 0\n',
        b"1\nProperties=species:S:1:pos\nNa 0 0 0\n",
        b"1\nProperties=species:S:1:pos:R:3:REF_forces:R:3\nNa 0 0 0 1\n",
        b"1\nProperties=species:S:1:pos:R:3:REF_forces:Q:3 REF_energy=1\nNa 0 0 0 1 1 1\n",
    ],
)
def test_what_is_not_extended_xyz(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.xyz"
    path.write_bytes(content)
    assert "expected extended XYZ" in refusal(path)


def test_a_file_cut_short(tmp_path: Path) -> None:
    path = write(tmp_path, labelled(0), labelled(1))
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"Cl")])
    assert "frame 1" in left_out(path)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "absent.xyz")
    assert "pbe-mini" in refusal(tmp_path / "absent")
    assert "holds no file to read" in refusal(tmp_path)


def test_a_molecule_without_a_cell_is_refused(tmp_path: Path) -> None:
    atoms = molecule("H2O")
    atoms.info["REF_energy"] = -14.0
    atoms.arrays["REF_forces"] = np.zeros((3, 3))
    assert "not periodic, no cell" in refusal(write(tmp_path, atoms))
