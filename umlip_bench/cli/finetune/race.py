"""``umlip-finetune race``: methods against each other on several materials and models."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from umlip_bench.cli.declare import Folder, Names, Overwriting, Parts, Reads, TakesLabels
from umlip_bench.cli.finetune.curve import sizes_of
from umlip_bench.cli.finetune.methods import (
    Settings,
    WithMethods,
    corrects_forces,
    names_of,
    settings_of,
)
from umlip_bench.cli.finetune.sharing import SharesFits, say_of_fits
from umlip_bench.cli.settings_file import write_settings
from umlip_bench.finetune.estimators import Estimator
from umlip_bench.ground.limits import Count

if TYPE_CHECKING:
    from umlip_bench.datasets import Dataset
    from umlip_bench.finetune.method import Chosen
    from umlip_bench.finetune.race import RaceMaterial

LEAST_SQUARES = Estimator.MSE
"""Estimator that the factor races with beside its own."""


@dataclass(frozen=True, kw_only=True)
class RaceCommand(Overwriting, WithMethods, SharesFits, TakesLabels):
    """Fit every method to the same labels of several materials, and judge all by the same data.

    Of each material some frames are held out, the same for all fits. Force sets and surfaces of the same
    composition and functional, in --labels or --judge, are predicted besides. scalar races with its default
    and with least squares (mse); scratch gets only the largest number of labels. The folder gets race.csv and
    race.json; what it holds is not computed again, so that an interrupted race goes on, and models,
    materials and methods can be added.
    """

    name = "umlip-finetune race"
    examples = """\
  umlip-finetune race --model chgnet-0.3.0 --labels many.xyz --sizes 1,2 --method scalar --out race
  umlip-finetune race --model chgnet-0.3.0 --model m3gnet-mp-2021.2.8 --labels mlearn --material "Si AIMD-NVT"
      --material "Mo AIMD-NVT" --sizes 1,10 --out race
"""
    offers = corrects_forces
    model: Names
    """model to correct, as for `umlip-bench run`; may be given several times"""
    labels: Names
    """labelled frames, a data set's id or files; may be given several times"""
    material: Names = ()
    """a material of the labels; may be given several times (default: all that have enough frames)"""
    judge: Names = ("pbe-mini",)
    """data sets whose force sets and surfaces judge besides; may be given several times"""
    method: Annotated[tuple[str, ...], names_of(corrects_forces)] = (
        *("scalar", "head", "lora", "full"),
        "scratch",
    )
    """may be given several times"""
    sizes: Annotated[tuple[int, ...], Reads(sizes_of, metavar="N,N")] = (1, 10)
    """numbers of labels"""
    choices: Count = 3
    """choices of labels of each number"""
    settings: Annotated[Settings, Parts(settings_of(corrects_forces))]
    """of the methods"""
    out: Folder
    """folder to write"""

    def run(self) -> int:
        from umlip_bench.cli import console

        chosen = self.choose([*dict.fromkeys(self.method)])
        self.begin_others(self.model)
        materials = self._materials()

        # Slow imports only after what a user can get wrong.
        from umlip_bench.cli.progress import progress_bar
        from umlip_bench.finetune.experiment import TRIALS
        from umlip_bench.finetune.printing.race import outputs, print_race, write_race
        from umlip_bench.finetune.race import RaceEntry, RacePlan, entries
        from umlip_bench.ground.outputs import make_folder
        from umlip_bench.potentials.loading import potential

        make_folder(self.out)
        for file in outputs(self.out, self.force).values():
            file.check()
        plan = RacePlan(_names(chosen), self.sizes, self.choices)
        found: list[RaceEntry] = []
        asked = self.others(self.device)
        bar = progress_bar(console.errors())
        with bar:
            for name in dict.fromkeys(self.model):
                task = bar.add_task(name, total=len(materials) * plan.n_fits)
                experiment = self.experiment(
                    potential(name, device=self.device, dtype=self.dtype),
                    asked,
                    self.out / TRIALS,
                    on_fit=lambda text, task=task: bar.update(task, description=text),  # type: ignore[misc]
                )
                # What there is is written meanwhile: a race takes hours.
                for entry in entries(experiment, materials, plan):
                    found.append(entry)
                    write_race(found, self.out, self.force)
                    bar.advance(task)
                say_of_fits(experiment)
        write_settings(self, self.out)
        print_race(found, console.output())
        print(f"Every fit: {self.out / 'race.csv'}", file=sys.stderr)
        return 0

    def _materials(self) -> list[RaceMaterial]:
        from umlip_bench.cli.labels import load_further, load_labels
        from umlip_bench.finetune.race_materials import race_materials

        sets = {name: load_labels(name, self.reading) for name in dict.fromkeys(self.labels)}
        others: list[Dataset] = [
            load_further(name, self.reading)
            for name in dict.fromkeys(self.judge)
            if name not in sets
        ]
        found = race_materials(sets, others, self.material, max(self.sizes))
        for note in found.notes:
            print(f"Note: {note}", file=sys.stderr)
        return list(found.materials)


def _names(chosen: Sequence[Chosen]) -> dict[str, Chosen]:
    """Methods by the name that they race under; a factor also by least squares."""
    from umlip_bench.finetune.factor_method import FactorMethod

    named: dict[str, Chosen] = {}
    for each in chosen:
        if isinstance(each.method, FactorMethod) and each.settings.estimator != LEAST_SQUARES:
            least = replace(each.settings, estimator=LEAST_SQUARES)
            named[f"{each.method.name}, {LEAST_SQUARES}"] = replace(each, settings=least)
        named[each.method.name] = each
    return named


COMMAND = RaceCommand
