"""Options of the methods that train weights; nothing given means the paper's protocol."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from umlip_bench.cli.options import (
    not_negative,
    positive,
    positive_float,
    real,
    share,
    whole,
)

if TYPE_CHECKING:
    from umlip_bench.finetune.training.loop import Epoch
    from umlip_bench.finetune.training.settings import TrainingSettings

NAMES = (
    "epochs",
    "batch_size",
    "learning_rate",
    "final_learning_rate",
    "energy_weight",
    "force_weight",
    "stress_weight",
    "huber",
    "validation_share",
    "patience",
    "clip",
    "ema",
    "rank",
    "replay",
    "seed",
)
"""Options, by the names that `TrainingSettings` has for them."""
UNIT = "eV/Å"
"""Of the error that the progress bar shows."""


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add one option for each of `NAMES`; those not given stay ``None``."""
    group = parser.add_argument_group(
        "training (head, lora, full)",
        "Defaults are the protocol of Deng et al., npj Comput. Mater. 11, 9 (2025).",
    )
    add = group.add_argument
    add("--epochs", type=positive, metavar="N", help="passes over the labels (default: 100)")
    add("--batch-size", type=positive, metavar="N", help="frames per step (default: 8)")
    add(
        "--learning-rate",
        type=positive_float,
        metavar="X",
        help="of Adam at the start (default: 0.001)",
    )
    add(
        "--final-learning-rate",
        type=not_negative,
        metavar="X",
        help="at the end (default: 0.00001)",
    )
    add("--energy-weight", type=not_negative, metavar="X", help="of (eV/atom)² (default: 0.1)")
    add("--force-weight", type=positive_float, metavar="X", help="of (eV/Å)² (default: 100)")
    add("--stress-weight", type=not_negative, metavar="X", help="of GPa² (default: 0.1)")
    add(
        "--huber",
        type=positive_float,
        metavar="X",
        help="let the loss grow linearly above this error (default: squared errors)",
    )
    add(
        "--validation-share",
        type=share,
        metavar="X",
        help="share of the labels that chooses the epoch by its force error; with none, as below ten "
        "labels, the last epoch is taken (default: 0.1)",
    )
    add(
        "--patience",
        type=positive,
        metavar="N",
        help="stop after N epochs without a better validation error (default: never)",
    )
    add(
        "--clip",
        type=positive_float,
        metavar="X",
        help="largest norm of the gradient (default: no limit)",
    )
    add(
        "--ema",
        type=real(above=0.0, below=1.0),
        metavar="X",
        help="keep a moving average of the weights with this decay per step, e.g. 0.99",
    )
    add("--rank", type=positive, metavar="N", help="of the updates of lora (default: 8)")
    add(
        "--replay",
        type=positive_float,
        metavar="WEIGHT",
        help="also hold the model to its own predictions on half of the embedded set's other materials",
    )
    add(
        "--seed",
        type=whole(0),
        metavar="N",
        help="of the split, the order and random values (default: 0)",
    )


def given(options: argparse.Namespace) -> dict[str, float]:
    """The training options on the command line, by the names of the settings."""
    return {name: value for name in NAMES if (value := getattr(options, name)) is not None}


def settings_of(options: argparse.Namespace) -> TrainingSettings:
    """The settings that the command line asks for.

    Raises
    ------
    CorrectionError
        If a number makes no sense.
    """
    from umlip_bench.finetune.training.settings import TrainingSettings

    return TrainingSettings(**given(options))  # type: ignore[arg-type]


@contextmanager
def epochs_bar(n_epochs: int, description: str) -> Iterator[Callable[[Epoch], None]]:
    """A progress bar on stderr over the epochs of one training; yields what to call after each."""
    from umlip_bench.cli import console
    from umlip_bench.cli.progress import progress_bar

    bar = progress_bar(console.errors(), UNIT)
    fields: dict[str, Any] = {UNIT: "-"}
    task = bar.add_task(description, total=n_epochs, **fields)

    def on_epoch(epoch: Epoch) -> None:
        # The force error that decides, where there is one.
        shown = epoch.force_mae if math.isnan(epoch.validation_mae) else epoch.validation_mae
        now: dict[str, Any] = {UNIT: f"{shown:.3f}"}
        bar.update(task, advance=1, **now)

    with bar:
        yield on_epoch
