"""Curvature at several amplitudes: closed forms, and an independent script with phonopy and ASE alone.

The latter takes minutes: ``pytest -m slow tests/benchmarks/test_amplitudes.py``.
"""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.units import GPa
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.amplitudes import HARMONIC, AmplitudeScan, remark
from umlip_bench.benchmarks.elastic.measure import ElasticMeasurement
from umlip_bench.benchmarks.eos.measure import EosMeasurement
from umlip_bench.benchmarks.phonons.measure import PhononMeasurement
from umlip_bench.benchmarks.phonons.result import AMPLITUDES, RIPPLE
from umlip_bench.potentials.protocol import DifferentiablePotential

from ..conftest import LoadModel
from ..support.measuring import measured
from ..support.potentials import Springs

PHONONS, EOS, ELASTIC = map(load_suite, ("phonons", "eos", "elastic"))
A, STIFFNESS = 4.0, 2.0


def test_ripple_and_flag() -> None:
    amplitudes = np.array(AMPLITUDES)
    scan = AmplitudeScan(amplitudes, np.array([0.23, 0.57, 0.93, 2.67]), np.full(4, np.nan))
    assert scan.ripple(*RIPPLE) == pytest.approx(np.log(0.93 / 0.23))
    assert scan.not_harmonic == AMPLITUDES[1:]
    said = remark(scan, "mean ω²", "THz²", RIPPLE, "Å")
    assert said.endswith("ripple 1.40; not harmonic at 0.01, 0.03")
    smooth = AmplitudeScan(amplitudes, np.array([1, 1.02, 1.09, 1.5]), np.full(4, np.nan))
    assert smooth.not_harmonic == (0.1,)
    assert "not harmonic" not in remark(smooth, "mean ω²", "THz²", RIPPLE, "Å")
    # Without a logarithm where a curvature is not positive, and not harmonic for sure.
    saddle = AmplitudeScan(amplitudes, np.array([-1.0, -0.5, 0.5, 1.0]), np.full(4, np.nan))
    assert np.isnan(saddle.ripple(*RIPPLE))
    assert saddle.not_harmonic == AMPLITUDES[1:]


def test_springs_are_harmonic_at_small_amplitudes() -> None:
    """A spring's length is no linear function of a displacement: what is left is of its square."""
    fcc = bulk("Al", "fcc", a=A)
    case = PhononMeasurement("fcc", fcc, amplitudes=AMPLITUDES)
    result = measured(PHONONS, Springs(A / np.sqrt(2), STIFFNESS), [case])["fcc"]
    scan = PHONONS.from_arrays(PHONONS.to_arrays(result)).scan
    # On-site force constant of twelve neighbours 4 k; ω² = 4 k / m on the mean over the zone.
    mean = 4 * STIFFNESS / fcc.get_masses()[0] * 9648.5 / (2 * np.pi) ** 2  # THz²
    np.testing.assert_allclose(scan.curvatures[:3], mean, rtol=2e-3)
    assert abs(scan.ripple(*RIPPLE)) < 2e-3
    numbers = PHONONS.numbers(result)
    assert numbers["fixed_not_harmonic"] == 0
    assert numbers["fixed_curvature_at_0.01"] == pytest.approx(scan.curvatures[1])


def test_bulk_modulus_of_springs() -> None:
    """K = 4 k / 3 a at rest."""
    case = EosMeasurement("fcc", bulk("Al", "fcc", a=A))
    scan = measured(EOS, Springs(A / np.sqrt(2), STIFFNESS), [case])["fcc"].scan
    np.testing.assert_allclose(scan.curvatures, 4 / 3 * STIFFNESS / A / GPa, rtol=5e-3)


def test_shear_modulus_of_springs() -> None:
    """Voigt's (C11 - C12 + 3 C44) / 5 = 4 k / 5 a; at larger strains a spring turns, which is no ripple."""
    case = ElasticMeasurement("fcc", bulk("Al", "fcc", a=A), scanned=True)
    result = measured(ELASTIC, Springs(A / np.sqrt(2), STIFFNESS), [case])["fcc"]
    scan = ELASTIC.from_arrays(ELASTIC.to_arrays(result)).scan
    np.testing.assert_allclose(scan.curvatures, 4 / 5 * STIFFNESS / A / GPa, rtol=2e-3)
    assert abs(ELASTIC.numbers(result)["fixed_ripple"]) < 2e-3


@pytest.mark.model
def test_ripple_of_zincblende_under_strain(load_model: LoadModel) -> None:
    """CHGNet's shear modulus of ZnS is 9.6 GPa at 0.1 % and 24.5 at 1.5 %; M3GNet's is the same."""
    case = ElasticMeasurement("ZnS", bulk("ZnS", "zincblende", a=5.45), scanned=True)
    rippled, smooth = (
        measured(ELASTIC, load_model(name), [case])["ZnS"].scan
        for name in ("chgnet-0.3.0", "m3gnet-mp-2021.2.8")
    )
    np.testing.assert_allclose(rippled.curvatures, [9.58, 16.52, 24.52], rtol=0.01)
    assert rippled.ripple(0.001, 0.015) == pytest.approx(0.94, abs=0.02)
    assert rippled.not_harmonic == (0.005, 0.015)
    assert abs(smooth.ripple(0.001, 0.015)) < 0.02
    assert smooth.not_harmonic == ()


CRYSTALS = {
    "GaAs": bulk("GaAs", "zincblende", a=5.75, cubic=True),
    "MgO": bulk("MgO", "rocksalt", a=4.25, cubic=True),
    "Al": bulk("Al", "fcc", a=4.04, cubic=True),
    "Si": bulk("Si", "diamond", a=5.47, cubic=True),
}


def mean_square_by_hand(atoms: Atoms, calculator: Calculator, amplitude: float) -> float:
    """Mean ω² over the zone, THz²: trace of the on-site force constants over masses, by phonopy."""
    phonopy = Phonopy(
        PhonopyAtoms(
            symbols=atoms.get_chemical_symbols(),
            cell=atoms.cell.array,
            scaled_positions=atoms.get_scaled_positions(),
        ),
        supercell_matrix=2 * np.eye(3, dtype=int),
        primitive_matrix="auto",
    )
    phonopy.generate_displacements(distance=amplitude, is_plusminus=True)
    forces = []
    for cell in phonopy.supercells_with_displacements:
        displaced = Atoms(
            numbers=cell.numbers, cell=cell.cell, scaled_positions=cell.scaled_positions, pbc=True
        )
        displaced.calc = calculator
        forces.append(displaced.get_forces())
    phonopy.forces = forces
    phonopy.produce_force_constants()
    phonopy.symmetrize_force_constants()
    phonopy.run_mesh([8, 8, 8], is_mesh_symmetry=False)
    frequencies = phonopy.get_mesh_dict()["frequencies"]
    return float(np.mean(frequencies * np.abs(frequencies)))


@pytest.mark.slow
@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("model", ["chgnet-0.3.0", "m3gnet-mp-2021.2.8"])
def test_an_independent_script_gives_the_same(model: str, name: str, load_model: LoadModel) -> None:
    """To 1 %, with the library's own calculator, in single precision as it is."""
    potential = load_model(model)
    assert isinstance(potential, DifferentiablePotential)
    calculator = potential.reference_calculator()
    case = PhononMeasurement(name, CRYSTALS[name], 2 * np.eye(3, dtype=int), amplitudes=AMPLITUDES)
    scan = measured(PHONONS, potential, [case])[name].scan
    expected = [mean_square_by_hand(CRYSTALS[name], calculator, a) for a in AMPLITUDES]
    np.testing.assert_allclose(scan.curvatures, expected, rtol=0.01)
    ripple = scan.ripple(*RIPPLE)
    by_hand = dict(zip(AMPLITUDES, expected, strict=True))
    assert ripple == pytest.approx(np.log(by_hand[RIPPLE[1]] / by_hand[RIPPLE[0]]), abs=0.02)
    if model.startswith("m3gnet"):
        assert abs(ripple) < 0.02
    else:
        # What is beyond the bound of the flag; 0.19 for Si, 1.2 for GaAs.
        assert abs(ripple) > np.log(1 + HARMONIC)
        assert scan.not_harmonic
