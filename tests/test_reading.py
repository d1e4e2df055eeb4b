"""Structures as files bring them: what is read, and what is refused with which words."""

import contextlib
import gzip
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from umlip_bench.ground.errors import DataError, StructureError, UmlipBenchError
from umlip_bench.ground.structures import (
    RefusedStructure,
    brought_near,
    check_distances,
    check_input,
    read_structure,
    read_structures,
    scan_structures,
)

INPUTS = Path(__file__).parents[2] / "shared" / "inputs"
CIF = """data_x
_cell_length_a {a}
_cell_length_b {b}
_cell_length_c {c}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma {gamma}
_symmetry_Int_Tables_number {number}
_symmetry_space_group_name_H-M '{group}'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
{sites}
"""


def cif(
    path: Path,
    sites: str,
    a: float | str = 5.0,
    b: float | None = None,
    c: float | None = None,
    gamma: float = 90,
    group: str = "P 1",
    number: int = 1,
) -> Path:
    lengths = {"a": a, "b": a if b is None else b, "c": a if c is None else c}
    path.write_text(CIF.format(**lengths, gamma=gamma, group=group, number=number, sites=sites))
    return path


def refusal(path: Path | str, kind: type[UmlipBenchError] = UmlipBenchError) -> str:
    with pytest.raises(kind) as caught:
        read_structure(path)
    return str(caught.value)


# ---- occupancy

PARTIAL = {
    "two metals on one site": (
        "Mg1 Mg 0 0 0 0.6\nCa1 Ca 0 0 0 0.4\nO1 O 0.5 0.5 0.5 1.0",
        "Mg 0.6",
    ),
    "vacancies": ("Li1 Li 0 0 0 0.75\nF1 F 0.5 0.5 0.5 1.0", "Li 0.75"),
    "with an uncertainty": ("Na1 Na 0 0 0 0.91(2)\nCl1 Cl 0.5 0.5 0.5 1", "Na 0.91"),
    "the second site": ("Ti1 Ti 0 0 0 1\nO1 O 0.5 0.5 0.5 0.5", "O 0.5"),
}


@pytest.mark.parametrize("name", PARTIAL)
def test_partial_occupancy_is_refused(tmp_path: Path, name: str) -> None:
    sites, named = PARTIAL[name]
    message = refusal(cif(tmp_path / "p.cif", sites, number=225, group="F m -3 m"), StructureError)
    assert f"occupied by {named}" in message
    assert "choose one ordering" in message


def test_full_occupancy_and_none_stated_are_read(tmp_path: Path) -> None:
    path = cif(
        tmp_path / "f.cif",
        "Mg1 Mg 0 0 0 1.0\nO1 O 0.5 0.5 0.5 .",
        4.2,
        number=225,
        group="F m -3 m",
    )
    assert len(read_structure(path)) == 8


def test_occupancy_of_pdb_and_pymatgen(tmp_path: Path) -> None:
    from pymatgen.core import Lattice, Structure

    ase.io.write(tmp_path / "s.pdb", bulk("Cu", cubic=True))
    text = (tmp_path / "s.pdb").read_text()
    assert len(read_structure(tmp_path / "s.pdb")) == 4
    (tmp_path / "s.pdb").write_text(text.replace("  1.00  0.00", "  0.50  0.00", 1))
    assert "Cu 0.5" in refusal(tmp_path / "s.pdb", StructureError)
    lattice = Lattice.cubic(4.0)
    Structure(lattice, ["Cs", "Cl"], [[0, 0, 0], [0.5] * 3]).to(str(tmp_path / "o.json"))
    assert read_structure(tmp_path / "o.json").get_chemical_formula() == "ClCs"
    mixed = Structure(lattice, [{"Cs": 0.5, "Rb": 0.5}, "Cl"], [[0, 0, 0], [0.5] * 3])
    mixed.to(str(tmp_path / "d.json"))
    assert "Cs 0.5" in refusal(tmp_path / "d.json", StructureError)


# ---- distances


def test_rounded_thirds(tmp_path: Path) -> None:
    path = cif(
        tmp_path / "h.cif",
        "Cu1 Cu 0.333 0.667 0.25 1.0",
        2.5,
        c=4.08,
        gamma=120,
        number=194,
        group="P 63/m m c",
    )
    message = refusal(path, StructureError)
    assert "nearer than any bond" in message
    assert "0.0025 Å apart" in message
    assert "0.333 for 1/3" in message
    exact = "Cu1 Cu 0.3333333333 0.6666666667 0.25 1.0"
    path = cif(tmp_path / "h.cif", exact, 2.5, c=4.08, gamma=120, number=194, group="P 63/m m c")
    assert len(read_structure(path)) == 2


@pytest.mark.parametrize(
    ("pair", "distance"),
    [
        ("H2", 0.4),
        ("CuCu", 0.4),
        ("OH", 0.4),
        ("Si2", 0.85),
        ("Cs2", 1.5),
        ("C2", 0.002),
        ("NaCl", 0.0),
    ],
)
def test_atoms_nearer_than_any_bond(pair: str, distance: float) -> None:
    atoms = Atoms(pair, [[0, 0, 0], [0, 0, distance]], cell=[9] * 3, pbc=True)
    with pytest.raises(StructureError, match=r"atoms 0 \(.* nearer than any bond: .* apart"):
        check_distances(atoms)
    across = Atoms(pair, [[0, 0, 0.1], [0, 0, 9.1 - distance]], cell=[9] * 3, pbc=True)
    with pytest.raises(StructureError, match="nearer than any bond"):
        check_distances(across)


@pytest.mark.parametrize(
    ("pair", "distance"),
    [
        ("H2", 0.74),
        ("H2", 0.70),
        ("N2", 1.098),
        ("OH", 0.96),
        ("CH", 1.06),
        ("Cs2", 2.9),
        ("Fe2", 1.9),
        ("C2", 1.2),
        ("Na2", 1.9),
    ],
)
def test_real_bonds_pass_compressed_ones_too(pair: str, distance: float) -> None:
    """Cs: 200 GPa; Fe: the Earth's core and more; Na: 320 GPa; the rest are molecules."""
    check_distances(Atoms(pair, [[0, 0, 0], [0, 0, distance]], cell=[9] * 3, pbc=True))


def test_an_atom_on_its_own_image() -> None:
    for cell in ([0.3, 5, 5], [[0.3, 0, 0], [0, 5, 0], [50, 0, 5]], [1e-3] * 3):
        with pytest.raises(StructureError, match=r"its own periodic image"):
            check_input(Atoms("Cu", cell=cell, pbc=True))


def test_distances_of_a_skewed_and_of_an_unwrapped_cell() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    atoms.positions += np.arange(24).reshape(8, 3) * 1e3 @ atoms.cell.array
    skewed = atoms.copy()
    skewed.set_cell(np.array([[1, 0, 0], [40, 1, 0], [-70, 30, 1]]) @ atoms.cell.array)
    check_input(atoms)
    check_input(skewed)
    skewed.positions[3] = skewed.positions[5] + [0.01, 0, 0] + 7 * skewed.cell.array[1]
    with pytest.raises(StructureError, match=r"atoms 3 \(.*\) and 5 \("):
        check_input(skewed)


# ---- numbers


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e308", "1e7"])
def test_numbers_that_are_none(tmp_path: Path, value: str) -> None:
    path = cif(tmp_path / "n.cif", "Cu1 Cu 0 0 0 1.0", a=value, b=3.6, c=3.6)
    message = refusal(path)
    assert "n.cif" in message
    assert "cell" in message
    ase.io.write(tmp_path / "n.xyz", bulk("Cu"), format="extxyz")
    text = (tmp_path / "n.xyz").read_text().replace("0.00000000", value, 1)
    head, line = text.rstrip().rsplit("\n", 1)
    line = line.replace("0.00000000", value, 1) if value not in line else line
    (tmp_path / "n.xyz").write_text(f"{head}\n{line}\n")
    assert "position" in refusal(tmp_path / "n.xyz", StructureError) or "cell" in refusal(
        tmp_path / "n.xyz"
    )


def test_a_molecule_names_the_remedy(tmp_path: Path) -> None:
    for k, name in enumerate(("H2O", "CH4", "C6H6")):
        ase.io.write(tmp_path / f"{k}.xyz", molecule(name), format="xyz")
        message = refusal(tmp_path / f"{k}.xyz", StructureError)
        assert "not periodic, no cell" in message
        assert "make_periodic" in message


# ---- files

DAMAGED = {
    "empty.xyz": b"",
    "blank.cif": b"\n\n",
    "noformat.dat": b"hello\n",
    "noise.bin": bytes(range(256)) * 8,
    "half.xyz": b'8\nLattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3\nNa 0 0 0\nCl 1 1\n',
    "notraj.traj": b"- of UlmASE-Trajectory" + b"\xff" * 200,
    "broken.json": b'{"1": {"numbers": [1, 2',
    "broken.db": b"SQLite format 3\x00" + b"\xff" * 300,
    "POSCAR": b"title\n1.0\n1 0 0\n0 1\n",
    "broken.xml": b"<modeling><generator>",
    "vasprun.xml": b"<modeling><generator>",
    "broken.cif": b"data_x\nloop_\n_atom_site_label\n_atom_site_fract_x\nCu1\n",
    "broken.mcif": b"data_x\n",
    "broken.gz.xyz.gz": b"\x1f\x8b\x08\x00" + b"\x00" * 20,
    "pw.out": b"     Program PWSCF v.6.7 starts\n",
    "x.pdb": b"ATOM\n",
    "x.res": b"CELL 1 a b\nEND\n",
    "unknown.xyz": b"1\n\nXx 0 0 zero\n",
    "pymatgen.json": b'{"@module": "pymatgen.core.structure", "@class": "Structure"}',
}


@pytest.mark.parametrize("name", DAMAGED)
def test_files_that_are_no_structures(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(DAMAGED[name])
    message = refusal(tmp_path / name, DataError)
    assert str(tmp_path / name) in message


@pytest.mark.seconds
def test_cut_off_at_any_byte(tmp_path: Path) -> None:
    """No kind of file ends in anything but an error of ours, wherever it is cut."""
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    for name in ("a.traj", "a.cif", "a.json", "POSCAR", "a.xsf", "a.xyz", "a.cfg", "a.db"):
        ase.io.write(tmp_path / name, atoms)
        whole = (tmp_path / name).read_bytes()
        for n in np.linspace(0, len(whole) - 1, 40).astype(int):
            (tmp_path / name).write_bytes(whole[:n])
            with contextlib.suppress(UmlipBenchError):
                read_structure(tmp_path / name)


def test_nothing_there(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "no.cif", DataError)
    assert "cannot be read" in refusal(tmp_path, DataError)


def test_damage_further_on_leaves_what_was_before(tmp_path: Path) -> None:
    path = tmp_path / "m.xyz"
    ase.io.write(path, [bulk("Cu"), bulk("Ni")], format="extxyz")
    path.write_text(path.read_text() + "7\nnothing\nCu 0\n")
    *good, bad = scan_structures(path)
    assert [a if isinstance(a, RefusedStructure) else str(a.symbols) for a in good] == ["Cu", "Ni"]
    assert isinstance(bad, RefusedStructure)
    assert "structure 2" in bad.where
    with pytest.raises(StructureError, match="structure 2"):
        read_structures(path)


# ---- frames


@pytest.fixture
def three(tmp_path: Path) -> Path:
    path = tmp_path / "three.xyz"
    ase.io.write(path, [bulk("Cu"), bulk("Ni"), bulk("Pd")], format="extxyz")
    return path


def test_several_frames_are_not_cut_to_one(three: Path, tmp_path: Path) -> None:
    message = refusal(three, DataError)
    assert "holds 3 structures where one is wanted" in message
    assert f"{three}@0" in message
    for k, symbol in ((0, "Cu"), (2, "Pd"), (-1, "Pd"), (-3, "Cu")):
        assert str(read_structure(f"{three}@{k}").symbols) == symbol
    assert [str(a.symbols) for a in read_structures(f"{three}@1:")] == ["Ni", "Pd"]
    assert [str(a.symbols) for a in read_structures(f"{three}@::2")] == ["Cu", "Pd"]
    assert len(read_structures(three)) == 3
    for kind in ("traj", "db"):
        ase.io.write(tmp_path / f"three.{kind}", read_structures(three))
        assert "3 structures" in refusal(tmp_path / f"three.{kind}")
    blocks = "".join(
        cif(tmp_path / "b.cif", f"{s}1 {s} 0 0 0 1").read_text().replace("data_x", f"data_{s}")
        for s in ("Cu", "Ni")
    )
    (tmp_path / "b.cif").write_text(blocks)
    assert "2 structures" in refusal(tmp_path / "b.cif")


def test_frames_that_are_not_there(three: Path) -> None:
    for chosen in ("@3", "@-4"):
        assert "cannot be read" in refusal(f"{three}{chosen}", DataError)
    assert "holds no structure 5:" in refusal(f"{three}@5:", DataError)


def test_a_name_with_an_at_sign_is_a_name(tmp_path: Path) -> None:
    ase.io.write(tmp_path / "a@1", bulk("Cu"), format="extxyz")
    assert str(read_structure(tmp_path / "a@1").symbols) == "Cu"


# ---- masses, wrapping


def test_masses_of_the_input_survive(tmp_path: Path) -> None:
    atoms = bulk("LiH", "rocksalt", a=4.0)
    atoms.set_masses([6.94, 2.014])
    for name in ("a.traj", "a.xyz", "a.json", "a.db"):
        ase.io.write(
            tmp_path / name,
            atoms,
            **(
                {"format": "extxyz", "columns": ["symbols", "positions", "masses"]}
                if name == "a.xyz"
                else {}
            ),
        )
        np.testing.assert_allclose(
            read_structure(tmp_path / name).get_masses(), [6.94, 2.014], rtol=1e-6
        )
    path = cif(tmp_path / "d.cif", "Li1 Li 0 0 0 1\nD1 D 0.5 0.5 0.5 1", 4.0)
    assert read_structure(path).get_masses()[1] == pytest.approx(2.014, abs=1e-3)


def test_atoms_are_brought_near_only_from_far() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    atoms.positions[2] += [-5.0, 5.0, 0.0]
    near = brought_near(atoms.positions, atoms.cell.array)
    np.testing.assert_array_equal(near, atoms.positions)
    home = atoms.positions[3].copy()
    atoms.positions[3] += np.array([300, -2, 40]) @ atoms.cell.array
    near = brought_near(atoms.positions, atoms.cell.array)
    np.testing.assert_array_equal(
        near[[0, 1, 2, 4, 5, 6, 7]], atoms.positions[[0, 1, 2, 4, 5, 6, 7]]
    )
    np.testing.assert_allclose(near[3], home, atol=1e-9)


# ---- the inputs that went wrong

SHARED = {
    "cif_partial_occupancy/partial.cif": "Mg 0.6, Ca 0.4",
    "cif_rounded_thirds/hcp_rounded.cif": "nearer than any bond",
    "structure_molecule/mol.xyz": "not periodic, no cell",
    "structure_nan/nan.cif": "cell is not finite",
    "structure_unreadable/noformat.dat": "cannot be read as a structure",
    "hostile/cells.xyz": "structures where one is wanted",
}


@pytest.mark.parametrize("name", SHARED)
def test_shared_inputs_are_refused(name: str) -> None:
    if not (INPUTS / name).exists():
        pytest.skip("the collection of inputs that went wrong is not beside this checkout")
    assert SHARED[name] in refusal(INPUTS / name)


def test_shared_inputs_that_are_sound() -> None:
    if not INPUTS.exists():
        pytest.skip("the collection of inputs that went wrong is not beside this checkout")
    masses = {
        name: read_structure(INPUTS / f"structure_isotopes/{name}.traj").get_masses()
        for name in ("lih", "lid")
    }
    assert masses["lid"][1] / masses["lih"][1] == pytest.approx(2.0, abs=0.01)
    assert len(read_structure(INPUTS / "elastic_primitive_cif/cu_prim.cif")) == 1


def test_compressed_files(tmp_path: Path) -> None:
    ase.io.write(tmp_path / "a.cif", bulk("Cu"))
    (tmp_path / "a.cif.gz").write_bytes(gzip.compress((tmp_path / "a.cif").read_bytes()))
    assert len(read_structure(tmp_path / "a.cif.gz")) == 1
