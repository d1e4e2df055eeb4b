"""Mistakes of labels, each planted in several crystals, are named; sound labels are not.

Labels are of ASE's EMT, whose energies, forces and stresses are derivatives of one another.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT

from tests.support.narrowing import some
from umlip_bench import datasets
from umlip_bench.cli import main
from umlip_bench.datasets.checks import check_frames
from umlip_bench.datasets.consistency import faults
from umlip_bench.datasets.frame import Frame

Mistake = Callable[[list[Frame]], list[Frame]]

SHARED = Path(__file__).parents[3] / "shared" / "inputs" / "xyz_mixed_label_mistakes" / "hi.xyz"


def alloy() -> Atoms:
    atoms = bulk("Cu", cubic=True, a=3.75)
    atoms.symbols[0] = "Au"
    return atoms


CRYSTALS = {
    "Cu": lambda: bulk("Cu", cubic=True),
    "Al": lambda: bulk("Al", cubic=True).repeat((2, 1, 1)),
    "Pt": lambda: bulk("Pt", cubic=True),
    "Cu3Au": alloy,
    "Ni": lambda: bulk("Ni").repeat((2, 2, 2)),
}
SHEAR = np.array([[0.0, 0.02, 0.01], [0.02, 0.0, -0.015], [0.01, -0.015, 0.0]])


def frames(name: str, n: int = 6, start: int = 0, sheared: bool = True) -> list[Frame]:
    """Displaced and strained states of a crystal, with EMT's labels."""
    rng = np.random.default_rng(7)
    found = []
    for k in range(n):
        atoms = CRYSTALS[name]()
        strain = rng.normal(0, 0.015, (3, 3)) + (SHEAR if sheared else 0)
        strain = 0.5 * (strain + strain.T)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        atoms.positions += rng.normal(0, 0.06, atoms.positions.shape)
        atoms.calc = EMT()
        labels = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(voigt=False)
        atoms.calc = None
        found.append(Frame(atoms, *labels, name, start + k))
    return found


def each(change: Callable[[Frame], Frame]) -> Mistake:
    return lambda found: [change(f) for f in found]


def times(**factors: float) -> Mistake:
    def change(f: Frame) -> Frame:
        return replace(f, **{key: factor * getattr(f, key) for key, factor in factors.items()})

    return each(change)


def vasp_order(f: Frame) -> Frame:
    xx, yy, zz, xy, yz, zx = some(f.stress)[[0, 1, 2, 0, 1, 0], [0, 1, 2, 1, 2, 2]]
    # Read as xx yy zz yz xz xy.
    return replace(f, stress=np.array([[xx, zx, yz], [zx, yy, xy], [yz, xy, zz]]))


MISTAKES = {
    "gradients": (times(forces=-1.0), "multiply REF_forces by -1"),
    "Hartree/bohr": (
        times(forces=units.Bohr / units.Hartree),
        "Hartree/bohr (multiply by 51.4221)",
    ),
    "Rydberg/bohr": (
        times(forces=2 * units.Bohr / units.Hartree),
        "Rydberg/bohr (multiply by 25.7110)",
    ),
    "too large": (times(forces=units.Hartree / units.Bohr), "too large for the energies"),
    "kbar": (times(stress=10 / units.GPa), "in kbar (multiply by 0.000624151)"),
    "kbar, VASP": (
        times(stress=-10 / units.GPa),
        "in kbar with VASP's sign (multiply by -0.000624151)",
    ),
    "GPa": (times(stress=1 / units.GPa), "in GPa (multiply by 0.00624151)"),
    "sign of stress": (times(stress=-1.0), "multiply REF_stress by -1"),
    "VASP's order": (each(vasp_order), "only in VASP's order"),
    "reversed atoms": (each(lambda f: replace(f, forces=f.forces[::-1])), "another order of atoms"),
    "rolled atoms": (
        each(lambda f: replace(f, forces=np.roll(f.forces, 1, 0))),
        "another order of atoms",
    ),
    "virials": (
        each(lambda f: replace(f, stress=-some(f.stress) * f.atoms.get_volume())),
        "virials in eV (take -virial/volume)",
    ),
}


@pytest.mark.seconds
@pytest.mark.parametrize("name", CRYSTALS)
def test_sound_labels_have_no_finding(name: str) -> None:
    assert faults(frames(name)) == []
    assert faults(frames(name, sheared=False)) == []


@pytest.mark.seconds
@pytest.mark.parametrize("crystal", CRYSTALS)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named(mistake: str, crystal: str) -> None:
    spoil, words = MISTAKES[mistake]
    found = faults(spoil(frames(crystal)))
    assert [fault.system for fault in found] == [crystal]
    assert words in found[0].message


def test_a_mistake_is_named_among_many_sound_materials() -> None:
    """The median over all materials would hide it."""
    spoil, words = MISTAKES["kbar"]
    everything = [*frames("Cu"), *frames("Pt", start=6), *spoil(frames("Al", start=12))]
    (finding,) = [f for f in check_frames(everything) if "stress" in f.message]
    assert finding.message.startswith("Al: ")
    assert words in finding.message
    assert finding.frames == tuple(range(12, 18))


@pytest.mark.parametrize("crystal", ["Al", "Ni"])
def test_energies_per_atom_by_the_work_of_forces(crystal: str) -> None:
    spoilt = [replace(f, energy=f.energy / len(f.atoms)) for f in frames(crystal)]
    (fault,) = faults(spoilt)
    assert "REF_energy is per atom" in fault.message


def displaced(symbol: str) -> Frame:
    """One atom of a supercell displaced along an axis: a structure with symmetry, and forces that have it."""
    atoms = bulk(symbol, cubic=True).repeat((2, 1, 1))
    atoms.positions[3] += [0.0, 0.0, 0.1]
    atoms.calc = EMT()
    return Frame(atoms, atoms.get_potential_energy(), atoms.get_forces(), None, symbol, 0)


@pytest.mark.parametrize("symbol", ["Cu", "Al", "Pd"])
def test_forces_of_a_single_frame_have_its_symmetry(symbol: str) -> None:
    frame = displaced(symbol)
    assert faults([frame]) == []
    shifted = replace(frame, forces=np.roll(frame.forces, 1, axis=0))
    (fault,) = faults([shifted])
    assert "another order of atoms" in fault.message


@pytest.mark.seconds
def test_published_labels_have_no_finding() -> None:
    assert faults(datasets.load("pbe-mini").frames) == []


@pytest.mark.seconds
def test_the_command_names_each_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from umlip_bench.datasets import extxyz

    everything = []
    for number, mistake in enumerate(MISTAKES):
        spoilt = MISTAKES[mistake][0](frames("Cu", start=6 * number))
        everything += [replace(f, system=mistake) for f in spoilt]
    everything += [replace(f, system="sound") for f in frames("Cu", start=1000)]
    extxyz.write_frames(tmp_path / "all.xyz", everything)
    assert main(["data", "check", str(tmp_path / "all.xyz")]) == 1
    said = capsys.readouterr().out.splitlines()
    for mistake, (_, words) in MISTAKES.items():
        assert any(mistake in line.split(": ")[0] and words in line for line in said), mistake
    assert not any("sound" in line.split(": ")[0] for line in said)


@pytest.mark.seconds
def test_the_shared_input_is_named_in_full() -> None:
    if not SHARED.exists():
        pytest.skip("the collection of inputs that went wrong is not beside this checkout")
    messages = [f.message for f in check_frames(datasets.load(str(SHARED)).frames)]
    expected = {
        "gradient": "multiply REF_forces by -1",
        "HaBohr": "Hartree/bohr",
        "vasp order": "VASP's order",
        "kbar": "kbar with VASP's sign",
        "forces other order": "another order of atoms",
        "zero forces": "no force at all",
    }
    for system, words in expected.items():
        assert any(m.startswith(f"{system}: ") and words in m for m in messages), system
    assert not any(m.startswith("truth") for m in messages)
