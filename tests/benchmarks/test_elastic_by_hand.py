"""Elastic constants of five crystals in three orientations, by ASE, pymatgen and the models' own code."""

from collections.abc import Iterator

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.calculators.calculator import Calculator
from ase.optimize import BFGS
from ase.spacegroup import crystal
from ase.units import GPa
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from scipy.spatial.transform import Rotation

from tests.conftest import LoadModel
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.elastic.measure import ElasticMeasurement

from ..support.measuring import measured

SUITE = load_suite("elastic")
CRYSTALS = {
    "Cu": bulk("Cu", "fcc", a=3.6),
    "Si": bulk("Si", "diamond", a=5.46),
    "ZnS": bulk("ZnS", "zincblende", a=5.45),
    "Mg": bulk("Mg", "hcp", a=3.2, c=5.2),
    "anatase": crystal(
        ["Ti", "O"],
        [(0, 0, 0), (0, 0, 0.208)],
        spacegroup=141,
        cellpar=[3.8, 3.8, 9.7, 90, 90, 90],
        primitive_cell=True,
    ),
}
H = 0.005
ROOT = np.sqrt([1, 1, 1, 2, 2, 2])


def by_hand(atoms: Atoms, calculator: Calculator) -> np.ndarray:
    """Stress over strain along pymatgen's axes: six strains, and stretches along the diagonals between."""
    from pymatgen.analysis.elasticity import ElasticTensor

    structure = AseAtomsAdaptor.get_structure(atoms)
    atoms = atoms.copy()
    turn = np.array(ElasticTensor.get_ieee_rotation(structure))
    atoms.set_cell(atoms.cell.array @ turn.T, scale_atoms=True)
    atoms.calc = calculator
    relax(atoms)
    strains = []
    for i in range(3):
        for j in range(i, 3):
            unit = np.zeros((3, 3))
            unit[i, j] += 0.5
            unit[j, i] += 0.5
            strains.append(unit)
    for n in ([0, 1, 1], [0, 1, -1], [1, 0, 1], [1, 0, -1], [1, 1, 0], [1, -1, 0]):
        strains.append(np.outer(n, n) / 2)
    changes = []
    for strain in strains:
        stresses = []
        for h in (H, -H):
            cell = atoms.copy()
            cell.calc = calculator
            cell.set_cell(atoms.cell.array @ (np.eye(3) + h * strain), scale_atoms=True)
            relax(cell)
            stresses.append(cell.get_stress(voigt=False))
        changes.append((stresses[0] - stresses[1]) / (2 * H))
    return fitted(atoms, np.array(strains), np.array(changes)) / GPa


def relax(atoms: Atoms) -> None:
    with BFGS(atoms, logfile=None) as minimiser:
        assert minimiser.run(fmax=1e-4, steps=300)


def fitted(atoms: Atoms, strains: np.ndarray, stresses: np.ndarray) -> np.ndarray:
    """Least squares of all data turned by all operations, which gives the symmetry of the crystal."""
    structure = AseAtomsAdaptor.get_structure(atoms)
    operations = SpacegroupAnalyzer(structure, 1e-3).get_point_group_operations(cartesian=True)
    turns = np.array([each.rotation_matrix for each in operations])
    first, second = (
        np.array([vector(q @ each @ q.T) for q in turns for each in tensors])
        for tensors in (strains, stresses)
    )
    found, *_ = np.linalg.lstsq(first, second, rcond=None)
    constants = found.T / np.outer(ROOT, ROOT)
    return (constants + constants.T) / 2


def vector(tensor: np.ndarray) -> np.ndarray:
    return ROOT * tensor[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]


def orientations(atoms: Atoms) -> Iterator[tuple[str, Atoms]]:
    yield "as it is", atoms
    for k, change in enumerate(
        ([[0, 1, 0], [0, 0, 1], [1, 0, 0]], [[1, 1, 0], [0, 1, 0], [0, 1, 1]])
    ):
        other = make_supercell(atoms, change)
        turn = Rotation.random(random_state=k).as_matrix()
        other.set_cell(other.cell.array @ turn.T, scale_atoms=True)
        yield f"turned {k}", other


@pytest.mark.parametrize(
    "name", [*list(CRYSTALS)[:-1], pytest.param("anatase", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("model", ["chgnet-0.3.0", "m3gnet-mp-2021.2.8"])
def test_constants_by_hand(model: str, name: str, load_model: LoadModel) -> None:
    from pymatgen.analysis.elasticity import ElasticTensor

    potential = load_model(model)
    expected = by_hand(CRYSTALS[name], potential.reference_calculator())
    cases = [ElasticMeasurement(*each) for each in orientations(CRYSTALS[name])]
    for key, result in measured(SUITE, potential, cases).items():
        np.testing.assert_allclose(
            result.fixed / GPa, expected, rtol=0.01, atol=0.01 * abs(expected).max(), err_msg=key
        )
        averages = ElasticTensor.from_voigt(expected)
        assert SUITE.numbers(result)["fixed_shear_modulus"] == pytest.approx(
            averages.g_vrh, rel=0.01
        )
        assert SUITE.numbers(result)["fixed_bulk_modulus"] == pytest.approx(
            averages.k_vrh, rel=0.01
        )
