"""What the commands that fit share: options of training, names of methods, the progress bar."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from umlip_bench.cli.options import OnDevice, Part
from umlip_bench.finetune.training.settings import TrainingSettings

if TYPE_CHECKING:
    from umlip_bench.finetune.training.loop import Epoch

SCALAR, E0, TRAINED, SCRATCH = "scalar", "e0", ("head", "lora", "full"), "scratch"
METHODS = (SCALAR, E0, *TRAINED)
"""Of which corrected models are made; `SCRATCH` is there to compare with."""
UNIT = "eV/Å"
"""Of the error that the progress bar shows."""


@dataclass(frozen=True, kw_only=True)
class Training(OnDevice):
    """A command that trains weights, with some methods."""

    training: Annotated[
        TrainingSettings,
        Part(
            f"Training ({', '.join(TRAINED)})",
            "Defaults are the protocol of Deng et al., npj Comput. Mater. 11, 9 (2025).",
        ),
    ] = field(default_factory=TrainingSettings)


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
