"""``umlip-finetune speed``: an epoch of training against CHGNet's own trainer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from json import dumps
from typing import Annotated, ClassVar

from annotated_types import Ge

from umlip_bench.cli.declare import Data, Name, OnDevice, TakesLabels
from umlip_bench.ground.limits import Count


@dataclass(frozen=True, kw_only=True)
class TrainingSpeedCommand(OnDevice, TakesLabels):
    """Time epochs of `full` against CHGNet's trainer, with the same loss on the same prepared graphs.

    Both take turns. Their gradients are compared first.
    """

    name = "umlip-finetune speed"
    examples = """\
  umlip-finetune speed --model chgnet-0.3.0
  umlip-finetune speed --model chgnet-0.3.0 --labels mlearn --material "Mo AIMD-NVT" --max-frames 8
"""
    renamed: ClassVar = {"--data": "--labels", "--frames": "--max-frames"}
    model: Name = "chgnet-0.3.0"
    """a CHGNet"""
    labels: Data = "pbe-mini"
    """labelled frames"""
    material: Name | None = None
    """only this material of the labels"""
    max_frames: Count = 24
    """take at most N frames, evenly spaced"""
    batch_size: Count = 8
    """frames per step"""
    repeats: Annotated[int, Ge(5)] = 7
    """paired repeats"""
    threads: Count = 1
    """CPU threads"""
    json: bool = False
    """print JSON instead of a sentence"""

    def run(self) -> int:
        import torch

        from umlip_bench.cli.console import errors
        from umlip_bench.cli.labels import load_labels
        from umlip_bench.finetune.evaluation import evenly
        from umlip_bench.ground.errors import CorrectionError
        from umlip_bench.potentials.adapters.chgnet import ChgnetPotential
        from umlip_bench.potentials.loading import potential

        torch.set_num_threads(self.threads)
        dataset = load_labels(self.labels, self.reading)
        systems = dataset.by_system()
        if self.material is not None and self.material not in systems:
            raise CorrectionError(
                f"{self.labels} has no material {self.material!r}; it has {', '.join(systems)}"
            )
        found = dataset.frames if self.material is None else systems[self.material]
        frames = evenly(found, self.max_frames)
        model = potential(self.model, device=self.device, dtype=self.dtype)
        if not isinstance(model, ChgnetPotential):
            raise CorrectionError(f"{self.model} is not a CHGNet; its trainer takes nothing else")
        from umlip_bench.finetune.training.speed import compare_training

        with errors().status(f"{len(frames)} frames, {self.repeats} repeats"):
            speed = compare_training(model, frames, self.batch_size, self.repeats)
        if self.json:
            print(dumps(asdict(speed), indent=1))
            return 0
        print(
            f"{model.card.name}, {model.device}, {self.threads} thread(s): an epoch of {speed.n_frames} "
            f"frames ({speed.n_atoms} atoms, {speed.batch_size} frames a step) takes {speed.library:.2f} s "
            f"with CHGNet's trainer and {speed.ours:.2f} s here, ratio {speed.ratio:.2f} "
            f"({speed.ratio_low:.2f} to {speed.ratio_high:.2f} in {speed.repeats} paired repeats); gradients "
            f"differ by {speed.gradient_difference:.0e} of their norm"
        )
        return 0


COMMAND = TrainingSpeedCommand
