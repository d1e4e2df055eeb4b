"""``umlip-finetune evaluate``: how well few labels correct a model, by trying every choice of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from cyclopts import Parameter

from umlip_bench.cli.command import application
from umlip_bench.cli.finetune.training import SCALAR, SCRATCH, TRAINED, Training
from umlip_bench.cli.options import (
    Data,
    File,
    Name,
    Names,
    Overwriting,
    Reads,
    changed,
    options_of,
)
from umlip_bench.cli.settings_file import with_settings
from umlip_bench.ground.limits import Count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from umlip_bench.analysis.frames import MaterialComparison
    from umlip_bench.datasets import Frame
    from umlip_bench.finetune.evaluation import ChoicesOutcome
    from umlip_bench.potentials.protocol import Potential

COUNTS = {"1": "1", "2": "2", "4": "4", "rest": "all but one"}
"""What a user says for the numbers of labels."""


def _counts(text: str) -> tuple[str, ...]:
    """Numbers of labels with commas between them."""
    asked = [part.strip() for part in text.split(",")]
    for part in asked:
        if part not in COUNTS:
            raise ValueError(f"{part!r} is none of {', '.join(COUNTS)}")
    return tuple(name for name in COUNTS if name in asked)


@dataclass(frozen=True, kw_only=True)
class Evaluate(Overwriting, Training):
    """Fit to every choice of one label of a material (two, four, all but one), and judge by its other frames.

    Each frame is evaluated once. Methods that train weights make a fit to every choice, which takes hours:
    restrict --sizes and --choices. With --out the fits are kept beside it, and the same command goes on with
    them.
    """

    name = "umlip-finetune evaluate"
    examples = """\
  umlip-finetune evaluate --model chgnet-0.3.0
  umlip-finetune evaluate --model chgnet-0.3.0 --labels mlearn --material "Si AIMD-NVT" --out si.json
  umlip-finetune evaluate --model chgnet-0.3.0 --method full --sizes 1 --out full.json
"""
    renamed: ClassVar = {"--data": "--labels"}
    model: Name
    """model to correct, as for `umlip-bench run`"""
    labels: Data = "pbe-mini"
    """labelled frames"""
    material: Names = ()
    """a material of the labels; may be given several times (default: all)"""
    max_frames: Count = 60
    """of each material take at most N frames, evenly spaced"""
    method: Annotated[tuple[str, ...], Parameter(choices=(SCALAR, *TRAINED, SCRATCH))] = (SCALAR,)
    """may be given several times; scalar: with its three estimators"""
    sizes: Annotated[tuple[str, ...], Reads(_counts, metavar="N,N")] = tuple(COUNTS)
    """numbers of labels; rest: all but one"""
    choices: Count = 200
    """of the choices of labels for a material and number try at most N, drawn with a fixed seed"""
    out: File | None = None
    """write every material's numbers as JSON"""

    def run(self) -> int:
        from umlip_bench.cli import console
        from umlip_bench.cli.labels import load_labels
        from umlip_bench.ground.errors import CorrectionError
        from umlip_bench.ground.outputs import Output, json_text

        methods = list(dict.fromkeys(self.method))
        trained = [method for method in methods if method != SCALAR]
        foreign = [name for name in changed(self) if options_of(Evaluate)[name].part]
        if not trained and foreign:
            raise CorrectionError(
                f"--{foreign[0]} is not an option of the method scalar; leave it away, or give --method of "
                "one that trains"
            )
        if self.out is not None:
            Output(self.out, self.force).check()
        dataset = load_labels(self.labels)
        systems = dataset.by_system()
        unknown = [name for name in self.material if name not in systems]
        if unknown:
            raise CorrectionError(
                f"{self.labels} has no material {unknown[0]!r}; it has {', '.join(systems)}"
            )

        # Slow imports only after what a user can get wrong.
        from umlip_bench.finetune.evaluation import Evaluation, evenly, print_evaluation
        from umlip_bench.potentials.loading import potential

        materials = {
            name: evenly(systems[name], self.max_frames) for name in self.material or systems
        }
        model = potential(self.model, device=self.device, dtype=self.dtype)
        outcomes: list[ChoicesOutcome] = []
        if SCALAR in methods:
            outcomes += _scalar(self, model, materials)
        if trained:
            outcomes += _trained(self, model, materials, trained)
        evaluation = Evaluation(model.card.name, self.labels, tuple(outcomes))
        print_evaluation(evaluation, console.output())
        if self.out is not None:
            Output(self.out, self.force).write_text(
                json_text(with_settings(self, evaluation.to_json()))
            )
            print(f"Numbers of every material: {self.out}", file=sys.stderr)
        return 0


def _scalar(
    options: Evaluate, model: Potential, materials: Mapping[str, Sequence[Frame]]
) -> Sequence[ChoicesOutcome]:
    from umlip_bench.cli import console
    from umlip_bench.finetune.comparison import compare
    from umlip_bench.finetune.evaluation import evaluate
    from umlip_bench.finetune.scalar import reference_materials

    with console.errors().status(f"{model.card.name}: reference set") as status:
        reference = reference_materials(model)
        compared: list[MaterialComparison] = []
        for name, frames in materials.items():
            status.update(f"{model.card.name}: {name}")
            compared += compare(model, frames)
        status.update("trying every choice of labels")
        return evaluate(
            model.card.name,
            options.labels,
            compared,
            reference,
            counts=[COUNTS[size] for size in options.sizes],
            most=options.choices,
        ).outcomes


def _trained(
    options: Evaluate,
    model: Potential,
    materials: Mapping[str, Sequence[Frame]],
    methods: Sequence[str],
) -> Sequence[ChoicesOutcome]:
    from umlip_bench.cli import console
    from umlip_bench.cli.progress import progress_bar
    from umlip_bench.finetune.evaluation_trained import TrainedEvaluation

    evaluation = TrainedEvaluation(
        model,
        materials,
        methods,
        options.training,
        counts=[COUNTS[size] for size in options.sizes],
        most=options.choices,
        fits=None if options.out is None else options.out.with_suffix(".fits"),
    )
    bar = progress_bar(console.errors())
    task = bar.add_task(model.card.name, total=evaluation.n_fits)
    with bar:
        return list(
            evaluation.outcomes(
                on_fit=lambda text: bar.update(task, description=text),
                on_trial=lambda: bar.advance(task),
            )
        )


app = application(Evaluate)
