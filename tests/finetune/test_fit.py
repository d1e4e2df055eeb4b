"""Fitting one factor to labels: what comes out, what is reported, what is refused."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from rich.console import Console

from tests.conftest import LoadModel
from tests.support.narrowing import some
from umlip_bench import datasets
from umlip_bench.datasets import Frame
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune import Estimator, fit_scalar
from umlip_bench.finetune.comparison import fingerprint
from umlip_bench.finetune.printing.scalar import explanations, print_scalar
from umlip_bench.finetune.retention import REFERENCE_SET
from umlip_bench.finetune.scalar_fit import LEAVE_ONE_OUT, ONE_FRAME, UNDEFINED, ScalarFit
from umlip_bench.ground.errors import CorrectionError, StructureError
from umlip_bench.potentials.corrections.folder import ScalarCorrection
from umlip_bench.potentials.corrections.scaled import ScaledPotential, scaled
from umlip_bench.potentials.protocol import Potential
from umlip_bench.testing.structures import rattled

from ..conftest import FOREIGN

S = 0.8


@pytest.fixture(scope="module")
def chgnet(request: pytest.FixtureRequest) -> Potential:
    return request.getfixturevalue("load_model")("chgnet-0.3.0", dtype="float64")


def labelled(
    potential: Potential, structures: list[Atoms], factor: float = 1.0, system: str | None = None
) -> list[Frame]:
    """Frames whose labels are the potential's own, forces times a factor."""
    return [
        Frame(
            atoms,
            p.energy,
            factor * p.forces,
            factor * some(p.stress),
            system or atoms.symbols.formula.reduce()[0].format("metal"),
            k,
        )
        for k, (atoms, p) in enumerate(zip(structures, predict(potential, structures), strict=True))
    ]


def cells(n: int, seed: int = 0) -> list[Atoms]:
    return [rattled(bulk("CaO", "rocksalt", a=4.8, cubic=True), seed=seed + k) for k in range(n)]


def soft(potential: Potential, factor: float = S) -> ScaledPotential:
    return scaled(potential.weights, potential, ScalarCorrection(factor))


def words(fit: ScalarFit) -> str:
    return "\n".join(explanations(fit))


# ---- the factor


@pytest.mark.parametrize(("estimator", "n"), [("rotate", 1), ("rotate", 3), ("mse", 1), ("mse", 3)])
def test_a_model_that_is_soft_throughout_gets_one_over_its_softness(
    chgnet: Potential, estimator: str, n: int
) -> None:
    fit = fit_scalar(soft(chgnet), labelled(chgnet, cells(n)), estimator=Estimator(estimator))
    assert fit.factor == pytest.approx(1 / S, rel=1e-9)
    assert fit.label_weight == pytest.approx(1.0, abs=1e-9)
    assert fit.r2 == pytest.approx(1.0)
    assert fit.resolved
    assert fit.forces.slope.before == pytest.approx(S)
    assert fit.forces.slope.after == pytest.approx(1.0)
    assert fit.forces.mae.after < 1e-9
    assert some(fit.stress).slope.after == pytest.approx(1.0)
    assert some(fit.stress).mae.after < 1e-9
    if n == 1:
        assert (fit.forces.split, fit.energies) == (ONE_FRAME, None)
    else:
        assert fit.forces.split == LEAVE_ONE_OUT
        assert some(fit.energies).mae.after < 1e-9 < 1e-4 < some(fit.energies).mae.before


def test_frames_held_out_are_measured_before_and_after(chgnet: Potential) -> None:
    """On the corrected model itself: its forces, energy differences and stress are c times the parent's."""
    model, frames = soft(chgnet), labelled(chgnet, cells(3))
    fit = fit_scalar(model, frames[:1], estimator=Estimator.MSE, held_out=frames[1:])
    check = some(fit.held_out)
    assert (check.before.n_frames, check.after.n_frames) == (2, 2)
    assert (check.before.force_slope, check.after.force_slope) == pytest.approx((S, 1.0))
    assert check.after.force_mae < 1e-6 < 1e-2 < check.before.force_mae
    assert check.after.difference_mae < 1e-8 < 1e-4 < check.before.difference_mae
    assert check.after.stress_mae < 1e-8 < 1e-5 < check.before.stress_mae
    out = io.StringIO()
    print_scalar(fit, "soft", Console(file=out, width=160))
    assert out.getvalue().count("held out, 2 frames") == 4
    assert fit_scalar(model, frames[:1], estimator=Estimator.MSE).held_out is None


def test_the_default_trusts_a_label_that_a_factor_mends(chgnet: Potential) -> None:
    fit = fit_scalar(soft(chgnet), labelled(chgnet, cells(1)))
    assert fit.estimator == Estimator.SHRUNK
    assert fit.factor == pytest.approx(1 / S, rel=5e-3)
    assert fit.label_factor == pytest.approx(1 / S)
    assert fit.label_weight > 0.98
    assert fit.resolved
    assert fit.refusal is None


def test_a_label_is_carried_to_the_states_of_use(load_model: LoadModel) -> None:
    """CHGNet is the softer the smaller the forces; on DFT, judged by frames that were no labels."""
    chgnet = load_model("chgnet-0.3.0")
    frames = datasets.load("pbe-mini").by_system()["Li2O"]
    by_size = sorted(frames, key=lambda f: float(np.abs(f.forces).mean()))
    label, states = by_size[0], by_size[2:]
    asked = fit_scalar(chgnet, states, estimator=Estimator.MSE).factor
    untold = fit_scalar(chgnet, [label])
    told = fit_scalar(chgnet, [label], states=[f.atoms for f in states])
    assert untold.states is None
    assert some(told.states).n == 3
    assert told.label_factor / untold.label_factor < 1.0
    assert abs(np.log(told.factor / asked)) < abs(np.log(untold.factor / asked))
    widths = [np.log(f.interval[1] / f.interval[0]) for f in (told, untold)]
    assert widths[0] < 0.7 * widths[1]
    assert told.interval[0] < asked < told.interval[1]
    assert "Carried to 3 states of use" in words(told)
    assert "is not told" in words(untold)
    # States just like the label do not move it.
    same = fit_scalar(chgnet, [label], states=[label.atoms])
    assert same.label_factor == pytest.approx(untold.label_factor, rel=1e-4)


def test_the_zero_of_energy_of_the_labels_does_not_matter(chgnet: Potential) -> None:
    """Raw DFT beside corrected energies, or another code's totals."""
    frames = labelled(chgnet, cells(3))
    moved = [replace(f, energy=f.energy + 1234.5 * len(f.atoms)) for f in frames]
    fits = [fit_scalar(soft(chgnet), f, estimator=Estimator.MSE) for f in (frames, moved)]
    assert fits[0].factor == fits[1].factor
    assert some(fits[1].energies).mae.before == pytest.approx(
        some(fits[0].energies).mae.before, abs=1e-9
    )
    assert some(fits[1].energies).mae.after < 1e-9


def test_energies_and_stresses_do_not_decide(chgnet: Potential) -> None:
    frames = labelled(chgnet, cells(2))
    other = [replace(f, energy=0.0, stress=None) for f in frames]
    fit = fit_scalar(soft(chgnet), other, estimator=Estimator.MSE)
    assert fit.factor == pytest.approx(1 / S)
    assert fit.stress is None


def test_on_dft(load_model: LoadModel) -> None:
    """Against sums written out here."""
    chgnet = load_model("chgnet-0.3.0")
    frames = datasets.load("pbe-mini").by_system()["SiC"]
    fit = fit_scalar(chgnet, frames, estimator=Estimator.SHRUNK)
    x = np.array([f.forces.ravel() for f in frames])
    predictions = predict(chgnet, [f.atoms for f in frames])
    y = np.array([p.forces.ravel() for p in predictions])
    assert fit.slope == pytest.approx((x * y).sum() / (x * x).sum())
    assert fit.inverse == pytest.approx((x * y).sum() / (y * y).sum())
    assert fit.label_factor == pytest.approx(fit.inverse)
    # Drawn towards the usual factor, which is smaller than SiC's, in the logarithm.
    assert some(fit.usual).factor < fit.factor < fit.label_factor
    w = fit.label_weight
    expected = w * np.log(fit.label_factor) + (1 - w) * some(fit.usual).log_mean
    assert np.log(fit.factor) == pytest.approx(expected)
    assert fit.interval[0] < fit.factor < fit.interval[1]
    # SiC itself is left out of what is usual.
    materials = datasets.load(REFERENCE_SET).by_system()
    assert some(fit.usual).n_materials == len(materials) - 1
    assert some(fit.retention).n_materials == len(materials) - 1
    assert "SiC" not in some(fit.retention).worse
    assert fit.forces.mae.after < fit.forces.mae.before
    # Held out: worse than in-sample.
    assert fit.forces.mae.after >= np.abs(fit.inverse * y - x).mean() * 0.99
    de = np.array([f.energy for f in frames]) / 8
    dm = np.array([p.energy for p in predictions]) / 8
    de, dm = de - de.mean(), dm - dm.mean()
    assert some(fit.energies).mae.before == pytest.approx(np.abs(dm - de).mean())
    assert some(fit.energies).mae.after == pytest.approx(np.abs(fit.factor * dm - de).mean())


def test_frames_at_rest_are_set_aside(chgnet: Potential) -> None:
    moving = labelled(chgnet, cells(2))
    rest = labelled(chgnet, [bulk("CaO", "rocksalt", a=4.8)])
    fit = fit_scalar(soft(chgnet), moving + rest, estimator=Estimator.MSE)
    assert (fit.labels.n_frames, fit.labels.n_at_rest) == (2, 1)
    assert some(fit.energies).n_frames == 3
    assert "1 frame without forces set aside" in words(fit)


def test_labels_that_cannot_spare_a_frame(chgnet: Potential) -> None:
    good, bad = labelled(chgnet, cells(2))
    bad = replace(bad, forces=-0.6 * bad.forces)
    fit = fit_scalar(chgnet, [good, bad], estimator=Estimator.MSE)
    assert fit.forces.split == UNDEFINED
    assert fit.forces.slope.after == pytest.approx(fit.factor * fit.slope)


def test_several_materials_get_one_factor_and_are_listed(chgnet: Potential) -> None:
    frames = [
        *labelled(chgnet, cells(2), factor=1.1),
        *labelled(chgnet, [rattled(bulk("Al", cubic=True), seed=k) for k in range(2)], factor=1.4),
    ]
    fit = fit_scalar(chgnet, frames, estimator=Estimator.MSE)
    assert [m.name for m in fit.materials] == ["CaO", "Al"]
    assert [m.inverse for m in fit.materials] == pytest.approx([1.1, 1.4])
    assert 1.1 < fit.factor < 1.4
    # Two materials that differ: the interval says so although each is sure.
    low, high = fit.interval
    assert high / low > 1.1
    assert "All materials get the one factor" in words(fit)


def test_the_digest_of_labels(chgnet: Potential) -> None:
    frames = labelled(chgnet, cells(2))
    assert fingerprint(frames) == fingerprint(list(frames))
    other = [frames[0], replace(frames[1], forces=frames[1].forces * 1.0000001)]
    assert fingerprint(other) != fingerprint(frames)
    assert fingerprint(frames[:1]) != fingerprint(frames)


# ---- what it says


def test_noise_is_called_noise(chgnet: Potential) -> None:
    """A model that is calibrated, but noisy: x = y + e."""
    rng = np.random.default_rng(0)
    frames = labelled(chgnet, cells(8))
    noise = 0.5 * np.std([f.forces for f in frames])
    noisy = [replace(f, forces=f.forces + noise * rng.normal(size=f.forces.shape)) for f in frames]
    fit = fit_scalar(chgnet, noisy, estimator=Estimator.MSE)
    assert not fit.resolved
    assert fit.slope < 0.9
    assert fit.inverse == pytest.approx(1.0, abs=0.1)
    assert "Not resolved" in words(fit)
    assert f"would show slope {fit.r2:.3f} and inverse 1" in words(fit)
    rotate = fit_scalar(chgnet, noisy, estimator=Estimator.ROTATE)
    assert rotate.factor > 1.1
    assert "rotate takes noise for softness" in words(rotate)


def test_a_stress_that_was_not_soft_gets_worse_and_is_said_to(chgnet: Potential) -> None:
    frames = labelled(chgnet, cells(2))
    frames = [replace(f, stress=S * some(f.stress)) for f in frames]
    fit = fit_scalar(soft(chgnet), frames, estimator=Estimator.MSE)
    assert some(fit.stress).mae.before < 1e-9 < some(fit.stress).mae.after
    assert "Stress gets worse" in words(fit)


def test_what_is_always_said(chgnet: Potential) -> None:
    fit = fit_scalar(soft(chgnet), labelled(chgnet, cells(1)), estimator=Estimator.MSE)
    assert "formation energies included" in words(fit)
    assert "compared as differences only" in words(fit)
    assert "One label speaks for states like it" in words(fit)
    stream = io.StringIO()
    print_scalar(fit, "chgnet-0.3.0", Console(width=120, file=stream))
    text = stream.getvalue()
    assert re.search(r"c = 1\.250 \[1\.[12]\d\d, 1\.[23]\d\d\], mse", text)
    assert "in-sample" in text


# ---- what is refused


def test_a_label_of_chance_gets_no_factor(load_model: LoadModel) -> None:
    """Forces of another structure: they point along the model's by chance."""
    chgnet = load_model("chgnet-0.3.0")
    (frame,) = datasets.load("pbe-mini").by_system()["SiC"][:1]
    rng = np.random.default_rng(2)
    noise = np.abs(frame.forces).max() * rng.normal(size=frame.forces.shape)
    found = predict(chgnet, [frame.atoms])[0].forces
    noise += 0.25 * found * np.abs(noise).sum() / np.abs(found).sum()
    fit = fit_scalar(chgnet, [replace(frame, forces=noise)])
    assert 0 < fit.r2 < 0.2
    assert fit.factor == 1.0
    assert fit.correction == ScalarCorrection(1.0, None)
    assert fit.forces.mae.after == fit.forces.mae.before
    assert "nothing to do with DFT's" in some(fit.refusal)
    assert "Refused, c = 1 is written" in words(fit)
    assert "Supported" not in words(fit)


def test_a_factor_that_would_make_its_own_label_worse_is_refused(chgnet: Potential) -> None:
    """Most components are right, one is far too small in the model: squares ask for a factor."""
    (frame,) = labelled(chgnet, cells(1))
    forces = frame.forces.copy()
    forces[0] *= 4.0
    fit = fit_scalar(chgnet, [replace(frame, forces=forces)])
    assert fit.label_factor > 1.2
    assert fit.factor == 1.0
    assert "the labels' own forces worse" in some(fit.refusal)
    # Who asks for the closed form gets it.
    assert fit_scalar(chgnet, [replace(frame, forces=forces)], estimator=Estimator.MSE).factor > 1.2


def test_labels_without_forces(chgnet: Potential) -> None:
    with pytest.raises(CorrectionError, match="no forces to fit a factor to") as caught:
        fit_scalar(
            chgnet, labelled(chgnet, [bulk("CaO", "rocksalt", a=4.8)]), estimator=Estimator.MSE
        )
    assert "0.02 eV/Å" in str(caught.value)
    assert "molecular dynamics" in str(caught.value)


def test_labels_of_the_wrong_sign(chgnet: Potential) -> None:
    with pytest.raises(CorrectionError, match="do not point along"):
        fit_scalar(chgnet, labelled(chgnet, cells(1), factor=-1.0), estimator=Estimator.MSE)


def test_an_element_that_the_model_does_not_know(chgnet: Potential) -> None:
    frames = labelled(chgnet, cells(1))
    (frame,) = frames
    atoms = frame.atoms.copy()
    atoms.symbols[:] = "Po"
    with pytest.raises(StructureError, match="not trained on Po"):
        fit_scalar(chgnet, [replace(frame, atoms=atoms)], estimator=Estimator.MSE)


def test_another_functional_has_no_usual_factor(load_model: LoadModel) -> None:
    model = load_model("chgnet-r2scan")
    frames = datasets.load("pbe-mini").by_system()["MgO"][:1]
    with pytest.raises(CorrectionError, match=r"trained on r2SCAN.*use the estimator mse"):
        fit_scalar(model, frames)
    assert fit_scalar(model, frames, estimator=Estimator.MSE).usual is None


def test_a_calculator_that_knows_too_few_materials(load_model: LoadModel) -> None:
    emt = load_model("ase:ase.calculators.emt:EMT")
    frames = datasets.load("pbe-mini").by_system()["Al"]
    with pytest.raises(CorrectionError, match=r"usable forces for .* use the estimator mse"):
        fit_scalar(emt, frames)
    assert fit_scalar(emt, frames, estimator=Estimator.MSE).factor > 0


def test_references_of_some_elements_only(load_model: LoadModel) -> None:
    frames = datasets.load("pbe-mini").by_system()["MgO"]
    with pytest.raises(CorrectionError, match="also hold O; give all elements or none"):
        fit_scalar(load_model(FOREIGN), frames, references={"Mg": -1.0})
