"""Curvature along DFT's modes: closed forms, and what sorted squared frequencies would have said."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from phonopy.harmonic.force_constants import compact_fc_to_full_fc

from umlip_bench.analysis.softening import softening
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.phonons.crystal import Crystal
from umlip_bench.benchmarks.phonons.displacements import Displacements
from umlip_bench.benchmarks.phonons.measure import PhononMeasurement
from umlip_bench.benchmarks.phonons.modes import Modes
from umlip_bench.benchmarks.phonons.result import FIXED, RELAXED, signed_squares
from umlip_bench.datasets.cases import AmplitudeSeries

from ..support.measuring import by_variant, measured
from ..support.narrowing import some
from ..support.potentials import HarmonicLattice
from ..support.structures import cubic

SUITE = load_suite("phonons")
A, SCALE = 2.5, 0.8
EYE = np.eye(3)


def lattice(repeats: int = 3) -> Crystal:
    return Crystal(cubic(A, "Al"), repeats * np.eye(3, dtype=int), EYE)


def of_springs(crystal: Crystal, model: HarmonicLattice) -> np.ndarray:
    """Force constants of springs along and across the bonds, which no symmetry makes degenerate."""
    steps = crystal.displacements()
    cells = crystal.displaced(steps)
    forces = [model.evaluate([model.prepare(cell)])[0].forces for cell in cells]
    return crystal.force_constants(steps, np.array(forces))


def sorted_slope(crystal: Crystal, dft: np.ndarray, model: np.ndarray) -> float:
    q = crystal.commensurate()
    return softening(*(signed_squares(crystal.frequencies(each, q)) for each in (dft, model))).slope


def mode_slope(crystal: Crystal, dft: np.ndarray, model: np.ndarray) -> float:
    modes = Modes.of(crystal, dft)
    return softening(modes.curvatures, modes.along(crystal, model)).slope


def wurtzite(u: float) -> Crystal:
    return Crystal(bulk("ZnO", "wurtzite", a=3.25, c=5.2, u=u), np.diag([2, 2, 1]), EYE)


def noise(like: np.ndarray, size: float, seed: int) -> np.ndarray:
    return size * np.random.default_rng(seed).normal(size=like.shape)


@pytest.mark.seconds
@pytest.mark.parametrize("factor", [0.7, 1.3])
def test_a_scaled_model_has_the_scale_in_every_mode(factor: float) -> None:
    crystal = lattice()
    steps = crystal.displacements()
    truth = HarmonicLattice(A, 3.0, 0.7)
    cells = crystal.displaced(steps)
    forces = np.array([truth.evaluate([truth.prepare(cell)])[0].forces for cell in cells])
    case = PhononMeasurement(
        "x", cubic(A, "Al"), 3 * np.eye(3, dtype=int), EYE, displacements=steps, forces=forces
    )
    model = HarmonicLattice(A, 3.0, 0.7, factor=factor)
    result = measured(SUITE, model, [case])["x"]
    for variant in (FIXED, RELAXED):
        found = by_variant(SUITE, result)[variant]
        assert found.mode_scale == pytest.approx(factor, rel=1e-9)
        assert found.mode_inverse == pytest.approx(1 / factor, rel=1e-9)
        assert found.mode_r2 == pytest.approx(1, rel=1e-9)
    # A factor on the surface multiplies them, and leaves DFT's as they are.
    assert SUITE.numbers(SUITE.scaled(result, 2.0))["fixed_mode_scale"] == pytest.approx(2 * factor)
    again = SUITE.from_arrays(SUITE.to_arrays(result))
    np.testing.assert_array_equal(again.fixed.modes, result.fixed.modes)
    parity = {p.quantity.name: p for p in SUITE.parities(result, FIXED)}
    along = parity["curvature along DFT's modes"]
    np.testing.assert_allclose(along.model, factor * along.reference, atol=1e-9)
    # Results from before modes were kept have but the sorted comparison, and say so.
    old = replace(
        result,
        reference=replace(result.reference, modes=None),
        fixed=replace(result.fixed, modes=None),
    )
    said = {}
    for name, each in (("new", result), ("old", old)):
        rows = [row for row in SUITE.rows("toy", "data", [each], 0) if row.variant == FIXED]
        said[name] = SUITE.verdict(rows, "toy"), SUITE.caption(rows)
    assert f"curvature along DFT's modes is {factor:.2f} of DFT's" in said["new"][0]
    assert "<e|D|e>" in said["new"][1]
    assert f"sorted ω² are {factor:.2f} of DFT's" in said["old"][0]
    assert "compared sorted alone" in said["old"][1]


def test_noise_drives_sorted_frequencies_apart_but_no_mode() -> None:
    """Force constants 0.80 of DFT's with noise: sorted ω² have 0.84 of DFT's, modes 0.80."""
    crystal = lattice(4)
    dft = of_springs(crystal, HarmonicLattice(A, 3.0, 0.7))
    along, in_order = np.transpose(
        [
            (mode_slope(crystal, dft, model), sorted_slope(crystal, dft, model))
            for model in (SCALE * dft + noise(dft, 0.395, seed) for seed in range(60))
        ]
    )
    assert np.mean(in_order) == pytest.approx(0.838, abs=0.01)
    error = np.std(along) / np.sqrt(len(along))
    assert error < 0.01
    assert np.mean(along) == pytest.approx(SCALE, abs=3 * error)


def test_swapped_eigenvectors_show() -> None:
    """Motion along x as stiff as DFT has it along y, and the reverse: the same frequencies everywhere."""
    crystal = lattice(4)
    dft = of_springs(crystal, HarmonicLattice(A, 3.0, 0.2))
    swap = [1, 0, 2]
    model = dft[..., swap, :][..., swap]
    assert sorted_slope(crystal, dft, model) == pytest.approx(1.0, abs=1e-9)
    # Of springs k along and k' across, ω² = 2 / m Σ (k or k') (1 - cos q), and with c = 1 - cos q of a
    # closed ring <c> = 1 and <c²> = 3/2.
    k, across = 3.0, 0.2
    norm = 1.5 * (k**2 + 2 * across**2) + 2 * (2 * k * across + across**2)
    product = 1.5 * (2 * k * across + across**2) + (k**2 + 2 * k * across + 3 * across**2)
    expected = (norm + 2 * product) / (3 * norm)
    assert expected < 0.9
    assert mode_slope(crystal, dft, model) == pytest.approx(expected, rel=1e-6)


def test_the_slope_is_that_of_force_constants_by_mass() -> None:
    """tr(D_DFT D) / tr(D_DFT²), over all elements of the supercell's matrix."""
    crystal = wurtzite(0.38)
    n, total = len(crystal.primitive), len(crystal.unitcell) * 4
    full = []
    for seed in (0, 1):
        symmetric = compact_fc_to_full_fc(
            crystal._phonopy.primitive, noise(np.empty((n, total, 3, 3)), 1.0, seed)
        )
        full.append(0.5 * (symmetric + symmetric.transpose(1, 0, 3, 2)))
    first = crystal._phonopy.primitive.p2s_map
    dft, model = (each[first] for each in full)
    root = np.sqrt(crystal._phonopy.supercell.masses)
    by_mass = [each / (root[first][:, None] * root)[..., None, None] for each in (dft, model)]
    expected = softening(*(each.ravel() for each in by_mass)).slope
    # Of unlike models the second order of the tolerance of degeneracy is seen: 1e-3 of little.
    assert mode_slope(crystal, dft, model) == pytest.approx(expected, abs=1e-5)


def test_vectors_within_a_degenerate_subspace_do_not_matter() -> None:
    crystal = lattice()
    dft = of_springs(crystal, HarmonicLattice(A, 3.0, 0.7))
    model = SCALE * dft + noise(dft, 0.2, 0)
    modes = Modes.of(crystal, dft)
    expected = modes.along(crystal, model)
    rng = np.random.default_rng(1)
    vectors = modes.vectors.copy()
    turned = 0
    for of_q, values in zip(vectors, modes.curvatures, strict=True):
        for value in np.unique(values):
            own = np.flatnonzero(values == value)
            unitary, _ = np.linalg.qr(rng.normal(size=(2, len(own), len(own))).T @ [1, 1j])
            of_q[:, own] = of_q[:, own] @ unitary
            turned += len(own) > 1
    assert turned > 5
    found = replace(modes, vectors=vectors).along(crystal, model)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_atoms_that_moved_within_the_cell_keep_their_modes() -> None:
    """The phases of a wave at other places are others; the motion is the same."""
    before, after = wurtzite(0.37), wurtzite(0.39)
    constants = noise(np.empty((4, 16, 3, 3)), 1.0, 0)
    modes = Modes.of(before, constants)
    np.testing.assert_allclose(
        modes.along(after, constants), modes.along(before, constants), atol=1e-8
    )
    np.testing.assert_allclose(modes.along(before, constants), modes.curvatures, atol=2.0)


def test_dynamical_matrices_have_the_squares_of_the_frequencies() -> None:
    """In THz², at any q-point, against phonopy's own frequencies."""
    crystal = Crystal(Atoms("Al", cell=A * EYE, pbc=True), 3 * np.eye(3, dtype=int), EYE)
    constants = of_springs(crystal, HarmonicLattice(A, 3.0, -0.2))
    q = np.random.default_rng(0).uniform(-0.5, 0.5, size=(5, 3))
    found = np.linalg.eigvalsh(crystal.dynamical_matrices(constants, q))
    np.testing.assert_allclose(
        found, signed_squares(crystal.frequencies(constants, q)), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize(("third", "said"), [(0.0, "+0%"), (0.05, "+49%")])
def test_anharmonicity_is_told_apart_by_dft(third: float, said: str) -> None:
    """DFT on springs with a cubic force, k + k3 u²; the model on its springs without."""
    distances = np.array([0.01, 0.1])
    k = 3.0
    crystal = lattice()
    one = Displacements(np.zeros(2, dtype=int), np.outer(distances, [1.0, 0.0, 0.0]))
    cells = crystal.displaced(one)
    model = HarmonicLattice(A, k, 0.7)
    exact = np.array([model.evaluate([model.prepare(cell)])[0].forces for cell in cells])
    on_site = -exact[0, 0, 0] / distances[0]
    forces = exact.copy()
    forces[:, 0, 0] *= 1 + third * (distances / 0.1) ** 2 * 10
    series = AmplitudeSeries("x", tuple(cells), 0, one.vectors, forces)
    np.testing.assert_allclose(series.curvatures[0], on_site * (1 + 0.1 * third), rtol=1e-6)
    case = PhononMeasurement("x", cubic(A, "Al"), 3 * np.eye(3, dtype=int), EYE, series=series)
    result = measured(SUITE, model, [case])["x"]
    again = SUITE.from_arrays(SUITE.to_arrays(result))
    assert again.anharmonicity.of_model == pytest.approx(0.0, abs=1e-9)
    expected = np.log((1 + 10 * third) / (1 + 0.1 * third))
    assert again.anharmonicity.of_dft == pytest.approx(expected)
    assert SUITE.numbers(again)["fixed_reference_anharmonicity"] == pytest.approx(expected)
    # A factor on the surface changes neither.
    assert SUITE.scaled(result, 2.0).anharmonicity.of_model == pytest.approx(0.0, abs=1e-9)
    (note,) = [n for n in some(SUITE.case_table([again])).notes if "one displacement" in n]
    assert note.endswith(f"0.1 Å against 0.01 Å: +0%, DFT itself {said}")
