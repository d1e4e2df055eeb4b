"""The training loop: its loss, its derivatives, and that it ends where it should, however often."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase.units import GPa
from torch import nn

from tests.conftest import LoadModel
from tests.support.narrowing import as_a, some
from umlip_bench.datasets.frame import Frame
from umlip_bench.engine.packing import Packer
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.method import Surroundings
from umlip_bench.finetune.method import method as named
from umlip_bench.finetune.methods.trained import TrainingMethod
from umlip_bench.finetune.training import checkpoint
from umlip_bench.finetune.training.alignment import EnergyUse, align
from umlip_bench.finetune.training.fit import Training, targets_on_zero_of
from umlip_bench.finetune.training.labels import split_labels
from umlip_bench.finetune.training.loop import add_gradients
from umlip_bench.finetune.training.loss import loss_terms
from umlip_bench.finetune.training.parameters import unfreeze
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.finetune.training.targets import Target, count, targets_of_labels
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.potentials.graph import Batch, Graph
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.trainable import TrainablePotential

from ..conftest import FOREIGN, SMALL_MACE
from ..support.labels import labelled, stiffer
from ..support.structures import distorted

CHGNET, M3GNET = "chgnet-0.3.0", "m3gnet-mp-2021.2.8"
FAMILIES = [CHGNET, M3GNET, SMALL_MACE]
SHORT = TrainingSettings(epochs=3, batch_size=2)


@pytest.fixture(scope="module")
def chgnet(load_model: LoadModel) -> TrainablePotential:
    return as_a(TrainablePotential, load_model(CHGNET))


@pytest.fixture(scope="module")
def labels(chgnet: TrainablePotential) -> list[Frame]:
    """Four frames of silicon as a stiffer CHGNet has them."""
    return labelled(stiffer(chgnet, 1.25), distorted(4))


def weights_of(potential: TrainablePotential) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in potential.module.state_dict().items()}


def equal(one: TrainablePotential, other: TrainablePotential) -> bool:
    first, second = weights_of(one), weights_of(other)
    return all(torch.equal(first[name], second[name]) for name in first)


def changed(one: TrainablePotential, other: TrainablePotential) -> set[str]:
    first, second = dict(one.module.named_parameters()), dict(other.module.named_parameters())
    return {name for name in first if not torch.equal(first[name], second[name])}


def chosen(
    model: TrainablePotential, method: str, settings: TrainingSettings
) -> Mapping[str, nn.Parameter]:
    """What a method trains, by name, of a model that is changed in place."""
    parameters = as_a(TrainingMethod, named(method)).choose(model, settings)
    unfreeze(model, parameters)
    return parameters


def quick(
    potential: Potential,
    frames: Sequence[Frame],
    method: str = "full",
    settings: TrainingSettings = SHORT,
    **more: Any,
) -> Training:
    around = Surroundings(others={}, **more)
    return as_a(Training, named(method).fit(potential, frames, settings, around))


def loss_of(
    potential: TrainablePotential, targets: list[Target], settings: TrainingSettings
) -> float:
    return float(loss_terms(potential, targets, count(targets), settings).loss.detach())


class TestLoss:
    def test_is_the_weighted_mean_of_squared_errors(self, load_model: LoadModel) -> None:
        model = as_a(TrainablePotential, load_model(CHGNET, dtype="float64"))
        frames = labelled(stiffer(model, 1.3), [*distorted(2), *distorted(1, "SiC")])
        frames[1] = dataclasses.replace(frames[1], stress=None)
        settings = TrainingSettings(energy_weight=0.3, force_weight=7.0, stress_weight=0.2)
        targets = targets_of_labels(model, frames, [f.energy for f in frames])
        found = predict(model, [f.atoms for f in frames])
        energy = [(p.energy - f.energy) / len(f.atoms) for p, f in zip(found, frames, strict=True)]
        forces = np.concatenate([p.forces - f.forces for p, f in zip(found, frames, strict=True)])
        stress = [
            (p.stress - f.stress) / GPa
            for p, f in zip(found, frames, strict=True)
            if f.stress is not None
        ]
        expected = (
            0.3 * np.square(energy).mean()
            + 7.0 * np.square(forces).mean()
            + 0.2 * np.square(stress).mean()
        )
        terms = loss_terms(model, targets, count(targets), settings)
        assert float(terms.loss.detach()) == pytest.approx(expected, rel=1e-9)
        assert terms.energy == pytest.approx(np.abs(energy).sum())
        assert terms.force == pytest.approx(np.abs(forces).sum())
        assert terms.stress == pytest.approx(np.abs(stress).sum())

    def test_defaults_are_the_paper_s(self) -> None:
        settings = TrainingSettings()
        weights = (settings.energy_weight, settings.force_weight, settings.stress_weight)
        assert weights == (0.1, 100.0, 0.1)
        assert (settings.epochs, settings.validation_share) == (100, 0.1)
        assert settings.rate(0, 500) == 1e-3
        assert settings.rate(250, 500) == pytest.approx(0.5 * (1e-3 + 1e-5))
        assert settings.rate(500, 500) == pytest.approx(1e-5)

    def test_huber_grows_linearly(self, chgnet: TrainablePotential, labels: list[Frame]) -> None:
        targets = targets_on_zero_of(chgnet, labels)
        wide, narrow = (loss_of(chgnet, targets, TrainingSettings(huber=h)) for h in (1e3, 1e-3))
        squared = loss_of(chgnet, targets, TrainingSettings())
        assert wide == pytest.approx(0.5 * squared)
        assert narrow < 0.1 * wide

    def test_a_batch_in_several_calls_has_the_same_gradient(self, load_model: LoadModel) -> None:
        model = as_a(TrainablePotential, load_model(CHGNET, dtype="float64")).copy()
        frames = labelled(stiffer(model, 1.3), [*distorted(2), *distorted(1, "SiC")])
        targets = targets_of_labels(model, frames, [f.energy for f in frames])
        parameters = list(chosen(model, "head", SHORT).values())
        gradients = []
        for edges in (1, 10**6):
            packer = Packer(model)
            packer.budget = edges
            for parameter in parameters:
                parameter.grad = None
            calls = list(add_gradients(model, parameters, targets, SHORT, packer))
            assert len(calls) == (3 if edges == 1 else 1)
            gradients.append(torch.cat([some(p.grad).ravel() for p in parameters]))
        torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize("name", FAMILIES)
    @pytest.mark.parametrize("method", ["full", "lora"])
    def test_gradient_is_that_of_finite_differences(
        self, load_model: LoadModel, name: str, method: str
    ) -> None:
        if (name, method) == (SMALL_MACE, "lora"):
            pytest.skip("MACE has no plain matrices")
        model = as_a(TrainablePotential, load_model(name, dtype="float64")).copy()
        frames = labelled(stiffer(model, 1.3), distorted(1))
        targets = targets_of_labels(model, frames, [frames[0].energy + 0.5])
        parameters = list(chosen(model, method, SHORT).values())
        generator = torch.Generator().manual_seed(1)
        directions = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in parameters]
        if method == "lora":  # away from zero, where the derivative to A vanishes
            for parameter, direction in zip(parameters, directions, strict=True):
                parameter.data += 0.02 * direction
        list(add_gradients(model, parameters, targets, SHORT, Packer(model)))
        slope = sum(
            float((p.grad * d).sum())
            for p, d in zip(parameters, directions, strict=True)
            if p.grad is not None
        )
        losses = []
        h = 1e-6
        for sign in (1, -2):
            for parameter, direction in zip(parameters, directions, strict=True):
                parameter.data += sign * h * direction
            losses.append(loss_of(model, targets, SHORT))
        assert slope == pytest.approx((losses[0] - losses[1]) / (2 * h), rel=1e-5, abs=1e-7)


class TestLearning:
    def test_the_surface_of_a_stiffer_model_is_learnt(
        self, chgnet: TrainablePotential, labels: list[Frame]
    ) -> None:
        held_out = labelled(stiffer(chgnet, 1.25), distorted(7)[4:])
        settings = TrainingSettings(epochs=20, batch_size=4)
        result = quick(chgnet, labels, settings=settings, held_out=held_out)
        held = result.fit.checks[-1]
        assert held.group == "held out"
        assert held.before.force_slope == pytest.approx(0.8, abs=1e-4)
        assert abs(held.after.force_slope - 1) < 0.08
        assert held.after.force_mae < 0.5 * held.before.force_mae
        assert held.after.stress_mae < held.before.stress_mae
        # Nothing happened to the model that was given.
        (again,) = predict(chgnet, labels[0].atoms)
        np.testing.assert_allclose(again.forces * 1.25, labels[0].forces, atol=1e-5)

    @pytest.mark.parametrize(
        ("name", "method"),
        [*((name, "head") for name in FAMILIES), (CHGNET, "full"), (M3GNET, "scratch")]
        + [pytest.param(n, "scratch", marks=pytest.mark.slow) for n in (CHGNET, SMALL_MACE)],
    )
    def test_trains_what_the_method_says(
        self, load_model: LoadModel, name: str, method: str
    ) -> None:
        model = as_a(TrainablePotential, load_model(name))
        frames = labelled(stiffer(model, 1.25), distorted(1))
        result = quick(model, frames, method, TrainingSettings(epochs=1))
        allowed = set(model.head_parameters() if method == "head" else model.trainable())
        # Element references, which keep the energies of the labels, are not trained.
        found = changed(model, result.potential) - {"composition_model.fc.weight"}
        assert found
        assert found <= allowed
        assert result.fit.n_parameters == sum(
            p.numel() for n, p in model.module.named_parameters() if n in allowed
        )
        assert not any(p.requires_grad for p in result.potential.module.parameters())

    @pytest.mark.parametrize("name", [CHGNET, M3GNET])
    def test_low_rank_updates_merged_are_those_trained(
        self, load_model: LoadModel, name: str
    ) -> None:
        model = as_a(TrainablePotential, load_model(name, dtype="float64")).copy()
        parameters = chosen(model, "lora", TrainingSettings(rank=2))
        structures = distorted(2)
        before = predict(model, structures)
        start = predict(load_model(name, dtype="float64"), structures)
        for one, other in zip(before, start, strict=True):
            np.testing.assert_allclose(one.forces, other.forces, atol=1e-12)
        for parameter in parameters.values():
            parameter.data += 0.01
        unmerged = predict(model, structures)
        as_a(TrainingMethod, named("lora")).finish(model)
        assert abs(unmerged[0].energy - before[0].energy) > 1e-3
        for one, other in zip(unmerged, predict(model, structures), strict=True):
            assert one.energy == pytest.approx(other.energy, abs=1e-10)
            np.testing.assert_allclose(one.forces, other.forces, atol=1e-10)
        names = {name for name, _ in model.module.named_parameters()}
        reloaded = as_a(TrainablePotential, load_model(name, dtype="float64"))
        assert names == {n for n, _ in reloaded.module.named_parameters()}

    def test_replay_holds_the_model_to_its_parent(
        self, chgnet: TrainablePotential, labels: list[Frame]
    ) -> None:
        others = {
            name: tuple(
                dataclasses.replace(frame, system=name)
                for frame in labelled(chgnet, distorted(2, "SiC"))
            )
            for name in ("a", "b", "c")
        }
        drift = []
        for replay in (None, 10.0):
            settings = TrainingSettings(epochs=6, batch_size=4, replay=replay)
            result = named("full").fit(chgnet, labels, settings, Surroundings(others=others))
            kept = some(as_a(Training, result).fit.retention)
            assert kept.mae.before == pytest.approx(0.0, abs=1e-6)
            drift.append(kept.mae.after)
        assert kept.replayed == ("a", "c")
        assert kept.materials == ("b",)
        assert drift[1] < 0.5 * drift[0]

    def test_a_moving_average_is_what_is_kept(
        self, chgnet: TrainablePotential, labels: list[Frame]
    ) -> None:
        plain = quick(chgnet, labels)
        averaged = quick(chgnet, labels, settings=dataclasses.replace(SHORT, ema=0.99))
        start, end = (dict(m.module.named_parameters()) for m in (chgnet, plain.potential))
        middle = dict(averaged.potential.module.named_parameters())
        way = sum(float((end[n] - start[n]).square().sum()) for n in start)
        done = sum(float((middle[n] - start[n]).square().sum()) for n in start)
        assert 0 < done < 0.05 * way

    def test_gradients_are_scaled_to_the_largest_norm_allowed(
        self, chgnet: TrainablePotential, labels: list[Frame]
    ) -> None:
        """Adam divides by the gradient's own size, but for 1e-8: far below that nothing moves."""
        plain, loose, tight = (
            quick(chgnet, labels, settings=dataclasses.replace(SHORT, clip=clip)).potential
            for clip in (None, 1e9, 1e-12)
        )
        assert equal(plain, loose)
        start, end = (dict(m.module.named_parameters()) for m in (chgnet, tight))
        assert all(torch.allclose(start[n], end[n], atol=1e-6, rtol=0) for n in start)
        assert not all(
            torch.allclose(start[n], p, atol=1e-6, rtol=0)
            for n, p in plain.module.named_parameters()
        )

    def test_ends_early_without_improvement(self, chgnet: TrainablePotential) -> None:
        frames = labelled(stiffer(chgnet, 1.25), distorted(4))
        settings = TrainingSettings(
            epochs=20, batch_size=2, validation_share=0.25, patience=2, learning_rate=0.05
        )
        history = quick(chgnet, frames, "head", settings).fit.history
        assert len(history.epochs) == min(20, history.kept + 2)
        errors = [epoch.validation_mae for epoch in history.epochs]
        assert errors[history.kept - 1] == min(errors)

    def test_a_loss_that_diverges_is_an_error(
        self, chgnet: TrainablePotential, labels: list[Frame]
    ) -> None:
        settings = TrainingSettings(epochs=30, learning_rate=1e18)
        with pytest.raises(CorrectionError, match="smaller learning rate"):
            quick(chgnet, labels, settings=settings)


class TestReproducible:
    settings = TrainingSettings(epochs=3, batch_size=1, validation_share=0.25, ema=0.5)

    def test_same_seed_same_model(self, chgnet: TrainablePotential, labels: list[Frame]) -> None:
        one, same = (quick(chgnet, labels, settings=self.settings) for _ in range(2))
        other = quick(chgnet, labels, settings=dataclasses.replace(self.settings, seed=1))
        assert equal(one.potential, same.potential)
        assert not equal(one.potential, other.potential)
        assert one.fit.history == same.fit.history

    def test_interrupted_is_uninterrupted(
        self,
        chgnet: TrainablePotential,
        labels: list[Frame],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
        path = tmp_path / "state.pt"
        seen = []

        def interrupt(epoch: object) -> None:
            seen.append(epoch)
            if len(seen) == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            quick(chgnet, labels, settings=self.settings, checkpoint=path, on_epoch=interrupt)
        later: list[object] = []
        resumed = quick(
            chgnet, labels, settings=self.settings, checkpoint=path, on_epoch=later.append
        )
        whole = quick(chgnet, labels, settings=self.settings)
        assert len(later) == 1
        assert equal(resumed.potential, whole.potential)
        # Every digit is in it, and a nan that was read is the same as one that was not.
        assert repr(resumed.fit.history) == repr(whole.fit.history)

    def test_another_training_s_checkpoint_is_refused(
        self,
        chgnet: TrainablePotential,
        labels: list[Frame],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
        path = tmp_path / "state.pt"
        quick(chgnet, labels, "head", checkpoint=path)
        with pytest.raises(CorrectionError, match="another --out"):
            quick(chgnet, labels, "full", checkpoint=path)
        path.write_bytes(b"torn")
        with pytest.raises(CorrectionError, match="not a checkpoint"):
            quick(chgnet, labels, "head", checkpoint=path)


class TestMemory:
    def test_a_step_that_does_not_fit_is_made_in_halves(
        self, load_model: LoadModel, labels: list[Frame], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two frames or more run out of memory in the second derivative."""
        model = as_a(TrainablePotential, load_model(CHGNET, dtype="float64")).copy()
        targets = targets_of_labels(model, labels, [frame.energy for frame in labels])
        derivative, collate = torch.autograd.grad, type(model).collate
        calls = []

        def counted(self: TrainablePotential, graphs: Sequence[Graph]) -> Batch:
            calls.append(len(graphs))
            return collate(self, graphs)

        def tight(outputs: Any, inputs: Any, *more: Any, **options: Any) -> Any:
            if not options.get("create_graph") and calls[-1] > 1:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory (injected)")
            return derivative(outputs, inputs, *more, **options)

        parameters = list(chosen(model, "full", SHORT).values())

        def step() -> tuple[float, list[Any]]:
            packer = Packer(model)
            for parameter in parameters:
                parameter.grad = None
            calls = [
                terms
                for _ in range(2)
                for terms in add_gradients(model, parameters, targets, SHORT, packer)
            ]
            used = [p.grad for p in parameters if p.grad is not None]
            return sum(float(terms.loss) for terms in calls), used

        loss, gradients = step()
        monkeypatch.setattr(type(model), "collate", counted)
        monkeypatch.setattr(torch.autograd, "grad", tight)
        halved_loss, halved = step()
        assert calls == [4, 2, 1, 1, 2, 1, 1, *[1] * 4]
        assert halved_loss == pytest.approx(loss, rel=1e-9)
        for one, other in zip(gradients, halved, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


class TestEnergies:
    def test_planted_offsets_are_found(self) -> None:
        structures = [*distorted(2, "SiC"), *distorted(2)]
        shift = {"Si": 0.7, "C": -2.5}
        model = [-10.0 - k for k in range(4)]
        dft = [e + sum(shift[s] for s in a.symbols) for e, a in zip(model, structures, strict=True)]
        found = align(structures, dft, model)
        assert found.use is EnergyUse.OFFSETS
        assert found.offsets == pytest.approx(shift)
        assert [found.of(a) for a in structures] == pytest.approx(np.subtract(dft, model))

    def test_one_composition_gives_a_constant(self) -> None:
        structures = distorted(3, "SiC")
        found = align(structures, [1.0, 1.0, 1.0], [0.0, 0.0, 0.0])
        assert (found.use, found.n_compositions) == (EnergyUse.CONSTANTS, 1)
        assert found.of(structures[0]) == pytest.approx(1.0)

    @pytest.mark.parametrize(
        ("energies", "reason"), [([1.0], "take up every energy"), ([np.nan], "no label")]
    )
    def test_what_says_nothing_is_not_trained_on(self, energies: list[float], reason: str) -> None:
        found = align(distorted(1), energies, [0.0])
        assert found.use is EnergyUse.NONE
        assert reason in found.reason

    def test_offsets_do_not_matter(self, chgnet: TrainablePotential, labels: list[Frame]) -> None:
        """Labels on another zero of energy give the same model, but for rounding."""
        moved = [dataclasses.replace(f, energy=f.energy + 50.0 * len(f.atoms)) for f in labels]
        one, other = (quick(chgnet, frames, "head") for frames in (labels, moved))
        a, b = (predict(m.potential, labels[0].atoms)[0] for m in (one, other))
        assert a.energy == pytest.approx(b.energy, abs=1e-3)
        np.testing.assert_allclose(a.forces, b.forces, atol=2e-3)

    def test_without_energies_the_parent_s_stay(
        self, chgnet: TrainablePotential, labels: list[Frame]
    ) -> None:
        result = quick(chgnet, labels[:1])
        assert result.fit.energies.use is EnergyUse.NONE
        (before,), (after,) = (predict(m, labels[0].atoms) for m in (chgnet, result.potential))
        assert after.energy == pytest.approx(before.energy, abs=1e-5)
        assert np.abs(after.forces - before.forces).max() > 0.01


class TestSplit:
    def test_nine_to_one(self) -> None:
        split = split_labels(30, TrainingSettings())
        assert (len(split.training), len(split.validation)) == (27, 3)
        assert sorted(split.training + split.validation) == list(range(30))

    @pytest.mark.parametrize("n", [1, 9])
    def test_few_labels_are_all_trained_on(self, n: int) -> None:
        assert split_labels(n, TrainingSettings()).validation == ()

    def test_without_validation_the_last_epoch_is_kept(
        self, chgnet: TrainablePotential, labels: list[Frame]
    ) -> None:
        history = quick(chgnet, labels[:1], "head").fit.history
        assert history.kept == len(history.epochs) == SHORT.epochs


class TestRefusals:
    def test_lora_needs_matrices(self, load_model: LoadModel) -> None:
        model = load_model(SMALL_MACE)
        with pytest.raises(CorrectionError, match="use head or full"):
            quick(model, labelled(model, distorted(1)), "lora")

    def test_foreign_calculators_have_no_weights(self, load_model: LoadModel) -> None:
        model = load_model(FOREIGN)
        with pytest.raises(CorrectionError, match="scalar and e0 work for every model"):
            quick(model, labelled(model, distorted(1)))

    def test_closed_forms_have_no_weights(
        self, chgnet: TrainablePotential, labels: list[Frame]
    ) -> None:
        with pytest.raises(CorrectionError, match=r"fit full to chgnet-0\.3\.0"):
            quick(stiffer(chgnet, 1.2), labels)

    def test_no_labels(self, chgnet: TrainablePotential) -> None:
        with pytest.raises(CorrectionError, match="no labels"):
            quick(chgnet, [])

    @pytest.mark.parametrize(
        "changes",
        [{"epochs": 0}, {"ema": 1.0}, {"validation_share": 1.0}, {"learning_rate": float("nan")}],
    )
    def test_settings_that_make_no_sense(self, changes: dict[str, Any]) -> None:
        with pytest.raises(CorrectionError, match=next(iter(changes))):
            TrainingSettings(**changes)

    def test_rates_that_grow(self) -> None:
        with pytest.raises(CorrectionError, match="decays"):
            TrainingSettings(learning_rate=1e-6)
