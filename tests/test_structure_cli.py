"""What the commands say to structures that nothing should be measured on."""

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from umlip_bench.cli import finetune, main

MODEL = "ase:ase.calculators.emt:EMT"
PARTIAL = """data_x
_cell_length_a 5.0
_cell_length_b 5.0
_cell_length_c 5.0
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
_symmetry_Int_Tables_number 225
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Cu1 Cu 0 0 0 0.6
Ni1 Ni 0 0 0 0.4
O1 O 0.5 0.5 0.5 1.0
"""


def partial(path: Path) -> None:
    path.write_text(PARTIAL)


def with_nan(path: Path) -> None:
    bulk("Cu", cubic=True).write(path)
    path.write_text(path.read_text().replace("3.61", "nan", 1))


def a_molecule(path: Path) -> None:
    ase.io.write(path, molecule("H2O"), format="xyz")


def near(path: Path) -> None:
    Atoms("Cu2", [[0, 0, 0], [0, 0, 0.4]], cell=[4] * 3, pbc=True).write(path)


def two(path: Path) -> None:
    ase.io.write(path, [bulk("Cu"), bulk("Ni")], format="extxyz")


def noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(500))


def huge(path: Path) -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.positions[1] = 1e308
    ase.io.write(path, atoms, format="extxyz")


REFUSED = {
    "partial.cif": (partial, "a site is occupied by Cu 0.6"),
    "nan.cif": (with_nan, "cell is not finite"),
    "molecule.xyz": (a_molecule, "not periodic, no cell"),
    "near.cif": (near, "nearer than any bond"),
    "two.xyz": (two, "2 structures where one is wanted"),
    "noise.dat": (noise, "cannot be read as a structure"),
    "huge.xyz": (huge, "must be finite"),
    "empty.cif": (lambda path: path.touch(), "is empty"),
    "missing.cif": (lambda path: None, "no such file"),
}


@pytest.mark.seconds
@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("command", ["run", "relax", "suggest"])
def test_every_command_refuses_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, command: str
) -> None:
    make, words = REFUSED[name]
    path = tmp_path / name
    make(path)
    common = ["--model", MODEL, "--out", str(tmp_path / "out.xyz")]
    if command == "suggest":
        code = finetune.main(["suggest", "--structure", str(path), *common])
    elif command == "run":
        code = main(["run", "eos", "--structure", str(path), *common])
    else:
        if name == "two.xyz":
            return  # relax takes any number
        code = main(["relax", str(path), *common])
    shown = capsys.readouterr().err
    assert code == 2
    assert words in shown
    assert name in shown
    assert not (tmp_path / "out.xyz").exists()


@pytest.mark.seconds
def test_a_frame_of_several_can_be_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two(tmp_path / "two.xyz")
    for k, symbol in enumerate(("Cu", "Ni")):
        arguments = ["--structure", f"{tmp_path}/two.xyz@{k}", "--model", MODEL]
        assert main(["run", "eos", *arguments, "--out", str(tmp_path / symbol)]) == 0
        assert f"two@{k}" in capsys.readouterr().out
        assert f'"case": "two@{k}"' in (tmp_path / symbol / "cases.jsonl").read_text()
