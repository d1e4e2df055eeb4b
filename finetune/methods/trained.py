"""The methods that train weights: what each of them trains of a model."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from umlip_bench.finetune.method import Fit, Method, Needs, Surroundings
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.ground.errors import CorrectionError

if TYPE_CHECKING:
    from rich.console import Console
    from torch import nn

    from umlip_bench.datasets import Frame
    from umlip_bench.potentials.corrections.modification import Change
    from umlip_bench.potentials.protocol import Potential
    from umlip_bench.potentials.trainable import TrainablePotential


class TrainingMethod(Method[TrainingSettings]):
    """A choice of parameters; the loop is the same for all (`umlip_bench.finetune.training`)."""

    needs = Needs.ALL
    settings: ClassVar[type] = TrainingSettings
    judges_held_out = True
    takes_curvature = True
    from_random: ClassVar[bool] = False

    @abstractmethod
    def choose(
        self, potential: TrainablePotential, settings: TrainingSettings
    ) -> Mapping[str, nn.Parameter]:
        """Parameters to train, by name, of a copy of the model that may be changed."""

    def finish(self, potential: TrainablePotential) -> None:
        """Have an ordinary model after training."""

    def trainable(self, potential: Potential) -> TrainablePotential:
        """The model as one whose weights the method can train here; raises as `check` does."""
        from umlip_bench.potentials.corrections.scaled import ScaledPotential
        from umlip_bench.potentials.corrections.shifted import ShiftedPotential
        from umlip_bench.potentials.trainable import TrainablePotential

        name = potential.card.name
        if isinstance(potential, ScaledPotential | ShiftedPotential):
            raise CorrectionError(
                f"{name} is {potential.parent.card.name} with a correction in closed form on top, and has "
                f"no weights of its own to train; fit {self.name} to {potential.parent.card.name}"
            )
        if not isinstance(potential, TrainablePotential):
            raise CorrectionError(
                f"{name}: weights can be trained for CHGNet, M3GNet, TensorNet and MACE, and in environments "
                f"whose file has train, not for the family {potential.card.family}; the methods scalar and "
                "e0 work for every model"
            )
        return potential

    def check(self, parent: Potential) -> None:
        from umlip_bench.potentials.adapters.worker import WorkerPotential

        if isinstance(parent, WorkerPotential):
            from umlip_bench.finetune.training.elsewhere import check_trainable

            check_trainable(parent, self.name)
        else:
            self.trainable(parent)

    def fit(
        self,
        parent: Potential,
        labels: Sequence[Frame],
        settings: TrainingSettings,
        around: Surroundings,
    ) -> Fit:
        from umlip_bench.finetune.training import fit
        from umlip_bench.finetune.training.parameters import Trainee
        from umlip_bench.potentials.adapters.worker import WorkerPotential

        if isinstance(parent, WorkerPotential):
            from umlip_bench.finetune.training.elsewhere import fit_elsewhere

            return fit_elsewhere(parent, labels, self.name, settings, around)
        model = self.trainable(parent)
        copy = model.copy()
        trainee = Trainee(
            self.name,
            model,
            copy,
            self.choose(copy, settings),
            lambda: self.finish(copy),
            self.from_random,
            self.kept,
        )
        return fit.fit_trained(trainee, labels, settings, around)

    @classmethod
    def change(cls) -> type[Change]:
        from umlip_bench.potentials.corrections.modification import TrainedWeights

        return TrainedWeights

    def show(self, fit: Fit, model: str, console: Console) -> None:
        from umlip_bench.finetune.printing.training import print_training
        from umlip_bench.finetune.training.fit import Training

        assert isinstance(fit, Training)
        print_training(fit.fit, model, console)


class Head(TrainingMethod):
    """The last layers."""

    name = "head"
    help = "weights of the last layers trained"
    rung = 30.0

    def choose(
        self, potential: TrainablePotential, settings: TrainingSettings
    ) -> Mapping[str, nn.Parameter]:
        return potential.head_parameters()


class LowRank(TrainingMethod):
    """Low-rank updates of the model's matrices."""

    name = "lora"
    help = "low-rank updates of all matrices trained"
    rung = 40.0

    def trainable(self, potential: Potential) -> TrainablePotential:
        """Also refuses models without plain matrices."""
        found = super().trainable(potential)
        if not found.linear_maps():
            raise CorrectionError(
                f"{potential.card.name}: lora updates plain matrices, and this model has none (MACE's "
                "equivariant maps keep the weights of many small matrices in one array); use head or full"
            )
        return found

    def choose(
        self, potential: TrainablePotential, settings: TrainingSettings
    ) -> Mapping[str, nn.Parameter]:
        import torch

        from umlip_bench.finetune.training.lowrank import add_updates

        generator = torch.Generator().manual_seed(settings.seed)
        return add_updates(potential.linear_maps(), settings.rank, generator)

    def finish(self, potential: TrainablePotential) -> None:
        from umlip_bench.finetune.training.lowrank import merge_updates

        merge_updates(potential.linear_maps())


class Full(TrainingMethod):
    """All weights."""

    name = "full"
    help = "all weights trained"
    rung = 50.0

    def choose(
        self, potential: TrainablePotential, settings: TrainingSettings
    ) -> Mapping[str, nn.Parameter]:
        return potential.trainable()


class Scratch(TrainingMethod):
    """What the labels alone would give, for comparison."""

    name = "scratch"
    help = "all parameters trained from random values, for comparison only"
    rung = 60.0
    kept = False
    from_random = True

    def choose(
        self, potential: TrainablePotential, settings: TrainingSettings
    ) -> Mapping[str, nn.Parameter]:
        potential.reinitialise(settings.seed)
        return potential.trainable()
