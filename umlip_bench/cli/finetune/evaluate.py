"""``umlip-finetune evaluate``: how well few labels correct a model, by trying every choice of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, ClassVar

from umlip_bench.cli.declare import Data, File, Name, Names, Overwriting, Parts, Reads, TakesLabels
from umlip_bench.cli.finetune.methods import (
    Settings,
    WithMethods,
    corrects_forces,
    names_of,
    settings_of,
)
from umlip_bench.cli.finetune.sharing import SharesFits, say_of_fits
from umlip_bench.cli.settings_file import with_settings
from umlip_bench.finetune.factor_method import FactorMethod
from umlip_bench.finetune.method import Method
from umlip_bench.ground.limits import Count

COUNTS = {"1": "1", "2": "2", "4": "4", "rest": "all but one"}
"""What a user says for the numbers of labels."""


def _fitted_anew(method: Method) -> bool:
    """Whether a fit is made for each choice; factors follow from sums, by every estimator."""
    return method.corrects_forces and not isinstance(method, FactorMethod)


def _counts(text: str) -> tuple[str, ...]:
    """Numbers of labels with commas between them."""
    asked = [part.strip() for part in text.split(",")]
    for part in asked:
        if part not in COUNTS:
            raise ValueError(f"{part!r} is none of {', '.join(COUNTS)}")
    return tuple(name for name in COUNTS if name in asked)


@dataclass(frozen=True, kw_only=True)
class EvaluateCommand(Overwriting, WithMethods, SharesFits, TakesLabels):
    """Fit to every choice of one label of a material (two, four, all but one), and judge by its other frames.

    For scalar each frame is evaluated once, and the other frames, without their labels, are told as the
    states of use. Methods that train weights make a fit to every choice, which takes hours: restrict --sizes
    and --choices. With --out the fits are kept beside it: rerun the command to resume.
    """

    name = "umlip-finetune evaluate"
    examples = """\
  umlip-finetune evaluate --model chgnet-0.3.0
  umlip-finetune evaluate --model chgnet-0.3.0 --labels mlearn --material "Si AIMD-NVT" --out si.json
  umlip-finetune evaluate --model chgnet-0.3.0 --method full --sizes 1 --out full.json
"""
    offers = corrects_forces
    renamed: ClassVar = {"--data": "--labels"}
    model: Name
    """model to correct, as for `umlip-bench run`"""
    labels: Data = "pbe-mini"
    """labelled frames"""
    material: Names = ()
    """a material of the labels; may be given several times (default: all)"""
    max_frames: Count = 60
    """of each material take at most N frames, evenly spaced"""
    method: Annotated[tuple[str, ...], names_of(corrects_forces)] = ("scalar",)
    """may be given several times; scalar: with its three estimators"""
    sizes: Annotated[tuple[str, ...], Reads(_counts, metavar="N,N")] = tuple(COUNTS)
    """numbers of labels; rest: all but one"""
    choices: Count = 200
    """of the choices of labels for a material and number try at most N, drawn with a fixed seed"""
    settings: Annotated[Settings, Parts(settings_of(_fitted_anew))]
    """of the methods"""
    out: File | None = None
    """write every material's numbers as JSON"""

    def run(self) -> int:
        from umlip_bench.cli import console
        from umlip_bench.cli.labels import load_labels
        from umlip_bench.ground.errors import CorrectionError
        from umlip_bench.ground.outputs import Output, json_text

        methods = self.choose([*dict.fromkeys(self.method)])
        self.check_place(self.out)
        self.begin_others((self.model,))
        if self.out is not None:
            Output(self.out, self.force).check()
        systems = load_labels(self.labels, self.reading).by_system()
        unknown = [name for name in self.material if name not in systems]
        if unknown:
            raise CorrectionError(
                f"{self.labels} has no material {unknown[0]!r}; it has {', '.join(systems)}"
            )

        # Slow imports only after what a user can get wrong.
        from umlip_bench.cli.progress import progress_bar
        from umlip_bench.finetune.evaluation import evaluate, evenly
        from umlip_bench.finetune.experiment import TRIALS
        from umlip_bench.finetune.printing.cells import content_of
        from umlip_bench.finetune.printing.evaluation import print_evaluation
        from umlip_bench.potentials.loading import potential

        materials = {
            name: evenly(systems[name], self.max_frames) for name in self.material or systems
        }
        journal, earlier = (
            None if self.out is None else self.out.with_suffix(f".{ending}")
            for ending in (TRIALS, "fits")
        )
        asked = self.others(self.device)
        bar = progress_bar(console.errors())
        task = bar.add_task(self.model, total=None)
        with bar:
            model = potential(self.model, device=self.device, dtype=self.dtype)
            experiment = self.experiment(
                model,
                asked,
                journal,
                earlier,
                on_fit=lambda text: bar.update(task, description=text),
            )
            evaluation = evaluate(
                experiment,
                self.labels,
                materials,
                methods,
                counts=[COUNTS[size] for size in self.sizes],
                most=self.choices,
                on_progress=lambda text, done, total: bar.update(
                    task, description=text, completed=done, total=total or None
                ),
            )
        say_of_fits(experiment)
        print_evaluation(evaluation, console.output())
        if self.out is not None:
            Output(self.out, self.force).write_text(
                json_text(with_settings(self, content_of(evaluation)))
            )
            print(f"Numbers of every material: {self.out}", file=sys.stderr)
        return 0


COMMAND = EvaluateCommand
