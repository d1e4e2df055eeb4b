"""Options of fine-tuning methods: what is installed, and the fields of their typed settings."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import Field, fields
from enum import Enum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from docstring_parser.numpydoc import parse

from umlip_bench.cli.options import real, whole
from umlip_bench.finetune.method import Chosen, Method, methods
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.ground.limits import Limits, limits_of

if TYPE_CHECKING:
    from umlip_bench.finetune.experiment import Experiment
    from umlip_bench.finetune.method import Epoch

UNIT = "eV/Å"
"""Of the error that the progress bar shows."""


def installed() -> list[Method]:
    """All methods in the order of the ladder; what was left out is said on stderr."""
    found = methods()
    for each in found.left_out:
        print(f"Note: method {each}", file=sys.stderr)
    return list(found.found.values())


def help_of(offered: Iterable[Method]) -> str:
    """A line for each method."""
    return "\n".join(f"{each.name}: {each.help} (fitted to {each.needs})" for each in offered)


def add_method_options(parser: argparse.ArgumentParser, offered: Sequence[Method]) -> None:
    """Add one option for each field of the methods' settings; those not given stay ``None``."""
    by_settings: dict[type, list[str]] = {}
    for each in offered:
        by_settings.setdefault(each.settings, []).append(each.name)
    done: set[str] = set()
    for settings, names in by_settings.items():
        group = parser.add_argument_group(f"settings of {', '.join(names)}")
        hints = get_type_hints(settings, include_extras=True)
        said = {each.arg_name: each.description for each in parse(settings.__doc__ or "").params}
        for field in fields(settings):
            if field.name not in done:
                done.add(field.name)
                _add(group, field, hints[field.name], said.get(field.name) or "")


def choose(
    names: Sequence[str], offered: Sequence[Method], options: argparse.Namespace
) -> list[Chosen]:
    """Methods by name, with the settings that the command line asks for.

    Raises
    ------
    CorrectionError
        If an option is of none of them, which would be ignored without a word; or a number makes no sense.
    """
    chosen = [each for each in offered if each.name in names]
    own = {field.name for each in chosen for field in fields(each.settings)}
    every = {field.name: field for each in offered for field in fields(each.settings)}
    for name, field in every.items():
        if name not in own and getattr(options, name) is not None:
            refuse(_flag(field), names)
    return [
        Chosen(
            each,
            each.settings(
                **{
                    field.name: value
                    for field in fields(each.settings)
                    if (value := getattr(options, field.name)) is not None
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


def _flag(field: Field[Any]) -> str:
    # Given once for each element.
    return "--reference" if field.name == "references" else f"--{field.name.replace('_', '-')}"


def _add(group: argparse._ArgumentGroup, field: Field[Any], hint: Any, said: str) -> None:
    """One option from a field of settings, its type and what its docstring says."""
    kinds = [each for each in get_args(hint) if each is not NoneType]
    kind = kinds[0] if kinds and get_origin(hint) in (Union, UnionType) else hint
    limits = limits_of(hint)
    text = " ".join(said.split()).replace("%", "%%")
    if field.default is not None:
        value = field.default.value if isinstance(field.default, Enum) else field.default
        text += f" (default: {value})"
    keywords: dict[str, Any] = {"dest": field.name, "help": text}
    if limits is not None:
        number = whole(int(limits.least)) if limits.whole else _real(limits)
        keywords |= {"type": number, "metavar": "N" if limits.whole else "X"}
    elif get_origin(kind) is Mapping:
        keywords |= {"action": _Energies, "type": element_energy, "metavar": "EL=EV"}
    elif issubclass(kind, Enum):
        choices = [each.value for each in kind]
        keywords |= {"choices": choices, "action": _Member, "const": kind}
    group.add_argument(_flag(field), **keywords)


def _real(limits: Limits) -> Callable[[str], float]:
    return real(above=limits.above, least=limits.least, below=limits.below, most=limits.most)


class _Member(argparse.Action):
    """A member of an enumeration, by its value."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, self.const(values))


class _Energies(argparse.Action):
    """Collects energies by element."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        before = getattr(namespace, self.dest) or {}
        setattr(namespace, self.dest, {**before, values[0]: values[1]})


def element_energy(text: str) -> tuple[str, float]:
    """An element and its energy, for ``type=``."""
    from umlip_bench.ground.elements import SYMBOLS

    symbol, _, value = text.partition("=")
    try:
        energy = float(value)
    except ValueError:
        energy = math.nan
    if symbol not in SYMBOLS or not math.isfinite(energy):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an element and its energy in eV, e.g. Ar=-0.05"
        )
    return symbol, energy


def say_damaged(experiment: Experiment) -> None:
    """Say on stderr which kept fits could not be read."""
    for each in experiment.damaged:
        print(f"umlip-finetune: {each}; it was computed again", file=sys.stderr)


@contextmanager
def epochs_bar(n_epochs: int, description: str) -> Iterator[Callable[[Epoch], None]]:
    """A progress bar on stderr over the epochs of one training; yields what to call after each."""
    from umlip_bench.cli import console
    from umlip_bench.cli.progress import progress_bar

    bar = progress_bar(console.errors(), UNIT)
    shown_before: dict[str, Any] = {UNIT: "-"}
    task = bar.add_task(description, total=n_epochs, **shown_before)

    def on_epoch(epoch: Epoch) -> None:
        # The force error that decides, where there is one.
        shown = epoch.force_mae if math.isnan(epoch.validation_mae) else epoch.validation_mae
        now: dict[str, Any] = {UNIT: f"{shown:.3f}"}
        bar.update(task, advance=1, **now)

    with bar:
        yield on_epoch
