"""``umlip-finetune curve``: error against number of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from umlip_bench.cli.declare import Data, Folder, Name, Overwriting, Parts, Reads, TakesLabels
from umlip_bench.cli.finetune.methods import (
    Settings,
    WithMethods,
    every,
    names_of,
    settings_of,
)
from umlip_bench.cli.finetune.sharing import SharesFits, say_of_fits
from umlip_bench.cli.settings_file import write_settings
from umlip_bench.ground.limits import Count, limits_of


def sizes_of(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between them."""
    limits = limits_of(Count)
    assert limits is not None
    return tuple(sorted({int(limits.read(part.strip())) for part in text.split(",")}))


@dataclass(frozen=True, kw_only=True)
class CurveCommand(Overwriting, WithMethods, SharesFits, TakesLabels):
    """Fit to growing numbers of labels, chosen at random, and judge by the rest.

    The folder gets curve.csv, curve.json and curve.png; what it holds is not computed again, so that an
    interrupted curve goes on, and methods and sizes can be added.
    """

    name = "umlip-finetune curve"
    examples = """\
  umlip-finetune curve --model chgnet-0.3.0 --labels many.xyz --method scalar --method full --out curve
  umlip-finetune curve --model chgnet-0.3.0 --labels mlearn --material "Mo AIMD-NVT" --sizes 1,10,30
      --choices 5 --method full --method scratch --out mo
"""
    renamed: ClassVar = {"--seeds": "--choices"}
    model: Name
    """model to correct, as for `umlip-bench run`"""
    labels: Data
    """labelled frames"""
    material: Name | None = None
    """the material, where there are several"""
    method: Annotated[tuple[str, ...], names_of(every)] = ("scalar", "full")
    """may be given several times"""
    sizes: Annotated[tuple[int, ...], Reads(sizes_of, metavar="N,N")] = (1, 3, 10)
    """numbers of labels"""
    choices: Count = 3
    """choices of labels of each number"""
    settings: Annotated[Settings, Parts(settings_of(every))]
    """of the methods"""
    out: Folder
    """folder to write"""

    def run(self) -> int:
        from umlip_bench.cli import console
        from umlip_bench.cli.labels import load_labels
        from umlip_bench.ground.errors import CorrectionError

        chosen = self.choose([*dict.fromkeys(self.method)])
        self.begin_others((self.model,))
        materials = load_labels(self.labels, self.reading).by_system()
        name = self.material or (next(iter(materials)) if len(materials) == 1 else None)
        if name not in materials:
            raise CorrectionError(
                f"{self.labels} has no single material {name or ''}; name one with --material: "
                f"{', '.join(materials)}"
            )

        from umlip_bench.cli.progress import progress_bar
        from umlip_bench.finetune.curve import CurvePlan, trace
        from umlip_bench.finetune.experiment import TRIALS
        from umlip_bench.finetune.printing.curve import outputs, print_curve, write_curve
        from umlip_bench.ground.outputs import make_folder
        from umlip_bench.potentials.loading import potential

        make_folder(self.out)
        for file in outputs(self.out, self.force).values():
            file.check()
        plan = CurvePlan(tuple(chosen), self.sizes, self.choices)
        asked = self.others(self.device)
        bar = progress_bar(console.errors())
        task = bar.add_task(self.model, total=plan.n_points)
        with bar:
            model = potential(self.model, device=self.device, dtype=self.dtype)
            experiment = self.experiment(
                model,
                asked,
                self.out / TRIALS,
                self.out / "points",
                on_fit=lambda text: bar.update(task, description=text),
            )
            points = trace(experiment, materials[name], plan, on_point=lambda: bar.advance(task))
        say_of_fits(experiment)
        write_curve(model.card.name, f"{self.labels}, {name}", points, self.out, self.force)
        write_settings(self, self.out)
        print_curve(model.card.name, points, console.output())
        return 0


COMMAND = CurveCommand
