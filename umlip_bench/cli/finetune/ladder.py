"""``umlip-finetune ladder``: all methods on the same labels."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, ClassVar

from umlip_bench.cli.declare import Data, File, Name, Overwriting, Parts, TakesLabels
from umlip_bench.cli.finetune.methods import (
    Settings,
    WithMethods,
    kept,
    names_of,
    offered,
    settings_of,
)
from umlip_bench.cli.finetune.sharing import SharesFits, say_of_fits
from umlip_bench.cli.settings_file import with_settings


@dataclass(frozen=True, kw_only=True)
class LadderCommand(Overwriting, WithMethods, SharesFits, TakesLabels):
    """Fit every method to the labels, judge each by frames that it did not see, and recommend one.

    These are the frames of --held-out that have a label's composition, or, without it, the labels themselves
    in three folds. Nothing is written but the numbers; `umlip-finetune fit` makes the model. With --out the
    fits are kept beside it: rerun the command to resume.
    """

    name = "umlip-finetune ladder"
    examples = """\
  umlip-finetune ladder --model chgnet-0.3.0 --labels one.xyz --held-out pbe-mini
  umlip-finetune ladder --model chgnet-0.3.0 --labels many.xyz --method scalar --method full
"""
    offers = kept
    renamed: ClassVar = {"--data": "--held-out"}
    model: Name
    """model to correct, as for `umlip-bench run`"""
    labels: Data
    """labelled frames"""
    held_out: Data | None = None
    """labelled frames to judge by"""
    method: Annotated[tuple[str, ...], names_of(kept)] = ()
    """may be given several times (default: all)"""
    settings: Annotated[Settings, Parts(settings_of(kept))]
    """of the methods"""
    out: File | None = None
    """write the numbers as JSON"""

    def run(self) -> int:
        from umlip_bench.cli import console
        from umlip_bench.cli.labels import load_further, load_labels
        from umlip_bench.ground.outputs import Output, json_text

        methods = self.choose(self.method or [each.name for each in offered(kept)])
        self.check_place(self.out)
        self.begin_others((self.model,))
        if self.out is not None:
            Output(self.out, self.force).check()

        from umlip_bench.finetune.experiment import TRIALS
        from umlip_bench.finetune.ladder import climb, folds_of
        from umlip_bench.finetune.measures import unseen
        from umlip_bench.finetune.printing.cells import content_of
        from umlip_bench.finetune.printing.ladder import print_ladder
        from umlip_bench.potentials.loading import potential

        labels = load_labels(self.labels, self.reading).frames
        held_out = (
            []
            if self.held_out is None
            else unseen(load_further(self.held_out, self.reading).frames, labels)
        )
        folds = folds_of(labels, held_out)
        asked = self.others(self.device)
        with console.errors().status("") as status:
            model = potential(self.model, device=self.device, dtype=self.dtype)
            experiment = self.experiment(
                model,
                asked,
                None if self.out is None else self.out.with_suffix(f".{TRIALS}"),
                on_fit=lambda text: status.update(f"{self.model}: {text}"),
            )
            ladder = climb(experiment, folds, methods)
        say_of_fits(experiment)
        print_ladder(ladder, console.output())
        if self.out is not None:
            Output(self.out, self.force).write_text(
                json_text(with_settings(self, content_of(ladder)))
            )
            print(f"Numbers of every method: {self.out}", file=sys.stderr)
        return 0


COMMAND = LadderCommand
