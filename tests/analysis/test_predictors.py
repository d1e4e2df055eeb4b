"""Softness by geometry and energy: trends come back, and a model without bias has none."""

from itertools import pairwise

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from tests.support.narrowing import some
from umlip_bench.analysis.frames import FrameComparison, Geometry, MaterialComparison
from umlip_bench.analysis.predictors import (
    BINS,
    Predictor,
    PredictorBin,
    predictors,
    quantile_bins,
)
from umlip_bench.analysis.registry import suite_of
from umlip_bench.analysis.runs import Run
from umlip_bench.analysis.softening import softening
from umlip_bench.analysis.states import displacements, energies_above, shortest_bonds

from ..support.runs import MODEL, material, run_of

ROCKSALT = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
STIFFNESS = 4.0


def run(*materials: MaterialComparison) -> Run:
    return run_of([("high-energy", ("Cl", "Na"), each) for each in materials])


def bins(of: Run, predictor: Predictor) -> list[PredictorBin]:
    return [each for each in predictors(of, MODEL) if each.predictor is predictor]


def geometry(atoms: Atoms) -> Geometry:
    return Geometry(atoms.numbers, atoms.positions, atoms.cell.array)


def vibrating(
    name: str, sizes: np.ndarray, seed: int, of_model: float = 0.0, of_dft: float = 0.0
) -> MaterialComparison:
    """Atoms on springs to their sites, frames of rising displacement; noise, eV/Å, of either side.

    The true forces are those of the springs. With noise `of_dft` the model is what least squares would find.
    """
    rng = np.random.default_rng(seed)
    frames = []
    for size in sizes:
        moved = rng.normal(scale=size, size=(len(ROCKSALT), 3))
        moved -= moved.mean(axis=0)
        atoms = ROCKSALT.copy()
        atoms.positions += moved
        energy = 0.5 * STIFFNESS * (moved**2).sum()
        true = -STIFFNESS * moved
        x, y = (true + s * rng.normal(size=true.shape) for s in (of_dft, of_model))
        frames.append(FrameComparison("NaCl", energy, energy, x, y, geometry=geometry(atoms)))
    return MaterialComparison(name, tuple(frames))


SIZES = np.linspace(0.02, 0.4, 12)


@pytest.mark.seconds
def test_a_model_without_bias_is_flat_in_bins_of_geometry() -> None:
    """DFT with noise: slope 1 in every bin. A model that DFT scatters about: inverse 1 in every bin."""
    noisy = run(*(vibrating(f"m{k}", SIZES, k, of_model=0.15) for k in range(10)))
    smooth = run(*(vibrating(f"m{k}", SIZES, k, of_dft=0.15) for k in range(10)))
    for predictor in (Predictor.ENERGY, Predictor.DISPLACEMENT, Predictor.BOND):
        first, second = bins(noisy, predictor), bins(smooth, predictor)
        assert len(first) == len(second) == BINS
        for estimate in (*(each.slope for each in first), *(each.inverse for each in second)):
            assert estimate.value == pytest.approx(1.0, abs=0.06)
            half = some(estimate.high) - some(estimate.value)
            # 95 %: of thirty intervals one or two may miss by a little.
            assert some(estimate.low) - 0.5 * half < 1.0 < some(estimate.high) + 0.5 * half


def test_bins_of_the_dft_force_would_tilt_a_model_without_bias() -> None:
    """Both slope and inverse, since the largest forces of DFT are those that the scatter made large."""
    materials = [vibrating(f"m{k}", SIZES, k, of_dft=0.5) for k in range(20)]
    x, y = (
        np.concatenate([getattr(f, side) for m in materials for f in m.frames])
        for side in ("forces_reference", "forces_model")
    )
    size = np.linalg.norm(x, axis=1)
    found = [
        softening(x[(size >= low) & (size <= high)], y[(size >= low) & (size <= high)])
        for low, high in quantile_bins(size)
    ]
    assert found[0].slope < 0.5 < 0.8 < found[-1].slope
    assert found[0].inverse < 0.5
    assert found[-1].inverse > 1.03


@pytest.mark.seconds
def test_softness_that_grows_with_displacement_is_seen() -> None:
    """A model on springs that soften: slope 1 - u / 2 Å."""
    materials = []
    for k in range(8):
        exact = vibrating(f"m{k}", SIZES, k)
        soft = tuple(
            FrameComparison(
                f.composition,
                f.energy_reference,
                f.energy_model,
                f.forces_reference,
                (1 - size) * f.forces_reference,
                geometry=f.geometry,
            )
            for f, size in zip(exact.frames, SIZES, strict=True)
        )
        materials.append(MaterialComparison(f"m{k}", soft))
    found = bins(run(*materials), Predictor.DISPLACEMENT)
    assert all(one.high < other.low for one, other in pairwise(found))
    assert all(one.slope.value > other.slope.value for one, other in pairwise(found))
    assert all(one.inverse.value < other.inverse.value for one, other in pairwise(found))
    assert found[0].n_materials == 8
    # rms over three directions.
    assert found[-1].high == pytest.approx(np.sqrt(3) * SIZES[-1], rel=0.2)
    rows = {row.metric: row for row in suite_of("high-energy").rows(MODEL, "by-hand", materials, 0)}
    assert rows["slope_displacement_below_0.1"].value == pytest.approx(0.96, abs=0.02)
    assert rows["slope_displacement_above_0.3"].value == pytest.approx(0.68, abs=0.03)
    assert rows["inverse_displacement_above_0.3"].value > 1.4
    assert rows["slope_displacement_above_0.3"].ci_low is not None
    assert rows["slope_energy_below_0.1"].value > rows["slope_energy_0.1_to_0.5"].value
    presentation = suite_of("high-energy").presentation
    labels = dict(presentation.labels)
    assert labels["slope_displacement_0.1_to_0.3"] == "slope, 0.1 to 0.3 Å"
    assert "displacement from the sites" in presentation.caption(list(rows.values()))


def test_strain_is_relative_to_the_materials_own_mean() -> None:
    """Materials of different volumes, strained alike, fall into the same bins."""
    strains = (-0.06, 0.0, 0.06)
    found = bins(
        run(
            material("Si", bulk("Si"), {"Si": 0.5}, strains=strains),
            material("Al", bulk("Al", cubic=True), {"Al": 0.9}, strains=strains),
        ),
        Predictor.STRAIN,
    )
    assert [(each.low, each.high) for each in found] == [
        pytest.approx((strain, strain), abs=1e-5) for strain in (-6.0, 0.0, 6.0)
    ]
    assert [each.n_components for each in found] == [18, 18, 18]
    assert {each.n_materials for each in found} == {2}


def test_one_value_makes_no_bins() -> None:
    assert bins(run(material("Si", bulk("Si"), {"Si": 0.5})), Predictor.STRAIN) == []
    # Neither energies nor displacements of one frame are known.
    alone = run(material("Si", bulk("Si"), {"Si": 0.5}, n_frames=1))
    assert bins(alone, Predictor.DISPLACEMENT) == bins(alone, Predictor.ENERGY) == []


def test_coordination_tells_crystals_apart() -> None:
    low, high = bins(
        run(
            material("Si", bulk("Si", cubic=True), {"Si": 0.5}),
            material("Al", bulk("Al", cubic=True).repeat((2, 1, 1)), {"Al": 0.9}),
        ),
        Predictor.COORDINATION,
    )
    assert (low.slope.value, high.slope.value) == pytest.approx((0.5, 0.9))
    assert low.high == pytest.approx(4.0, abs=0.05)
    assert high.low == pytest.approx(12.0, abs=0.05)
    assert low.slope.low is None


# ---- what they are


def moved(vectors: np.ndarray, force: float = 1.0, strain: float = 0.0) -> FrameComparison:
    atoms = ROCKSALT.copy()
    atoms.positions += vectors
    atoms.set_cell((1 + strain) * atoms.cell.array, scale_atoms=True)
    forces = np.full((len(atoms), 3), force)
    return FrameComparison("NaCl", force, 0.0, forces, forces, geometry=geometry(atoms))


def test_displacements_from_the_frame_at_rest() -> None:
    """Strain and drift are none, and an atom over the edge of the cell is where it was."""
    vectors = np.zeros((8, 3))
    vectors[:2, 0] = 0.2, -0.2
    wrapped = vectors.copy()
    wrapped[3] += ROCKSALT.cell.array[1]
    frames = (
        moved(0 * vectors, force=0.0),
        moved(vectors),
        moved(wrapped + np.array([0.5, 0, 0])),
        moved(0 * vectors, strain=0.05),
    )
    expected = np.sqrt(2 * 0.2**2 / 8)
    found = displacements(MaterialComparison("m", frames))
    np.testing.assert_allclose(found, [0, expected, expected, 0], atol=1e-9)


def test_displacements_from_mean_sites_are_those_from_the_true_ones() -> None:
    rng = np.random.default_rng(0)
    for n in (2, 5, 40):
        found = []
        for _ in range(60 // n + 2):
            frames = []
            for _ in range(n):
                vectors = rng.normal(scale=0.1, size=(8, 3))
                frames.append(moved(vectors - vectors.mean(axis=0)))
            found += [displacements(MaterialComparison("m", tuple(frames)))]
        expected = np.sqrt(3 * 7 / 8) * 0.1
        assert np.sqrt(np.mean(np.square(found))) == pytest.approx(expected, rel=0.06)


def test_frames_of_other_atoms_have_no_common_sites() -> None:
    other = bulk("Al", cubic=True)
    forces = np.ones((4, 3))
    frames = (
        moved(np.zeros((8, 3))),
        FrameComparison("Al", 1.0, 1.0, forces, forces, geometry=geometry(other)),
        FrameComparison("Al", 1.0, 1.0, forces, forces),
    )
    assert np.isnan(displacements(MaterialComparison("m", frames))).all()


def test_energies_are_above_the_lowest_of_a_composition() -> None:
    def frame(composition: str, energy: float) -> FrameComparison:
        return FrameComparison(composition, energy, 0.0, np.ones((2, 3)), np.ones((2, 3)))

    frames = (
        frame("A", -10.0),
        frame("A", -9.0),
        frame("B", -3.0),
        frame("A", np.nan),
    )
    found = energies_above(MaterialComparison("m", frames))
    np.testing.assert_array_equal(found, [0.0, 0.5, np.nan, np.nan])


def test_shortest_bonds_are_over_covalent_radii() -> None:
    found = shortest_bonds(geometry(bulk("Si", a=5.431)))
    np.testing.assert_allclose(found, 5.431 * np.sqrt(3) / 4 / (2 * 1.11), rtol=1e-9)
    assert np.isnan(shortest_bonds(geometry(Atoms("He", cell=20 * np.eye(3), pbc=True)))).all()
