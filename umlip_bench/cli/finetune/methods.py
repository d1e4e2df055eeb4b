"""What the commands that fit share: installed methods, their settings as options, the progress bar."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from cyclopts import Parameter

from umlip_bench.cli.declare import OnDevice, Part, Reads
from umlip_bench.cli.options import changed, options_of
from umlip_bench.finetune.method import Chosen, Method, methods
from umlip_bench.ground.errors import CorrectionError

if TYPE_CHECKING:
    from umlip_bench.finetune.method import Epoch

Offers = Callable[[Method], bool]
"""Which of the installed methods a command has."""
Settings = Mapping[str, Any]
"""Values of the settings of all methods, by field."""
SETTINGS = "settings"
"""The field that has them."""
UNIT = "eV/Å"
"""Of the error that the progress bar shows."""


def kept(method: Method) -> bool:
    """Whether a corrected model is made by it."""
    return method.kept


def every(method: Method) -> bool:
    """Whatever is installed."""
    return True


def corrects_forces(method: Method) -> bool:
    """Whether forces change by it."""
    return method.corrects_forces


def offered(offers: Offers) -> list[Method]:
    """Installed methods in the order of the ladder."""
    return [each for each in methods().found.values() if offers(each)]


def names_of(offers: Offers) -> Parameter:
    """Mark of an option that takes the name of a method."""
    return Parameter(choices=[each.name for each in offered(offers)])


def settings_of(offers: Offers) -> Callable[[], Iterable[tuple[type, Part]]]:
    """The settings of methods, for options."""

    def made() -> Iterable[tuple[type, Part]]:
        by_settings: dict[type, list[str]] = {}
        for each in offered(offers):
            by_settings.setdefault(each.settings, []).append(each.name)
        for settings, names in by_settings.items():
            yield (
                settings,
                Part(
                    f"Settings of {', '.join(names)}",
                    called={"references": "reference"},
                    reads={"references": Reads(_element_energy, True, "EL=EV", dict)},
                ),
            )

    return made


def _element_energy(text: str) -> tuple[str, float]:
    from umlip_bench.ground.elements import SYMBOLS

    symbol, _, value = text.partition("=")
    try:
        energy = float(value)
    except ValueError:
        energy = math.nan
    if symbol not in SYMBOLS or not math.isfinite(energy):
        raise ValueError(f"{text!r} is not an element and its energy in eV, e.g. Ar=-0.05")
    return symbol, energy


@dataclass(frozen=True, kw_only=True)
class WithMethods(OnDevice):
    """A command that fits by methods; its own field ``settings`` has theirs."""

    offers: ClassVar[Offers] = every

    @classmethod
    def more_help(cls) -> str:
        """A line for each method; what was left out is said on stderr."""
        for each in methods().left_out:
            print(f"Note: method {each}", file=sys.stderr)
        lines = (f"{m.name}: {m.help} (fitted to {m.needs})" for m in offered(cls.offers))
        return "\n".join(lines)

    def choose(self, names: Sequence[str]) -> list[Chosen]:
        """Methods by name, with their settings.

        Raises
        ------
        CorrectionError
            If an option is of none of them, which would be ignored without a word; or a number makes no
            sense.
        """
        by_name = {each.name: each for each in offered(type(self).offers)}
        chosen = [by_name[name] for name in names]
        settings: Settings = getattr(self, SETTINGS)
        own = {field.name for each in chosen for field in fields(each.settings)}
        for name in changed(self):
            part, *leaf = options_of(type(self))[name].paths[0]
            if part == SETTINGS and leaf[0] not in own:
                refuse(f"--{name}", names)
        return [
            Chosen(
                each,
                each.settings(
                    # An option that only other commands have is at its default.
                    **{
                        f.name: settings[f.name]
                        for f in fields(each.settings)
                        if f.name in settings
                    }
                ),
            )
            for each in chosen
        ]


def refuse(flag: str, names: Sequence[str]) -> None:
    """Refuse an option that the methods do not know.

    Raises
    ------
    CorrectionError
        Always.
    """
    raise CorrectionError(
        f"{flag} is not an option of the method {', '.join(names)}; leave it away, or choose a method "
        "that has it (see umlip-finetune fit --help)"
    )


@contextmanager
def progress(chosen: Chosen, text: str) -> Iterator[Callable[[Epoch], None]]:
    """A bar over the epochs, where there are any, else a sign that something is being done.

    Yields what to call after each epoch.
    """
    from umlip_bench.cli import console
    from umlip_bench.cli.progress import progress_bar

    n_epochs = getattr(chosen.settings, "epochs", None)
    if n_epochs is None:
        with console.errors().status(text):
            yield lambda epoch: None
        return
    bar = progress_bar(console.errors(), UNIT)
    shown_before: dict[str, Any] = {UNIT: "-"}
    task = bar.add_task(chosen.method.name, total=n_epochs, **shown_before)

    def on_epoch(epoch: Epoch) -> None:
        # The force error that decides, where there is one.
        shown = epoch.force_mae if math.isnan(epoch.validation_mae) else epoch.validation_mae
        now: dict[str, Any] = {UNIT: f"{shown:.3f}"}
        bar.update(task, advance=1, **now)

    with bar:
        yield on_epoch
