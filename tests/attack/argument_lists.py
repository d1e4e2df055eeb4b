"""Wrong argument lists of every command, made of the options that it declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass
from enum import EnumType
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin

from tests.attack.commands import EMT_MODEL, FRAMES, OLD, ONE, OTHER, RUN
from tests.support.commands import commands_of
from umlip_bench.cli import PROGRAM as BENCH
from umlip_bench.cli.declare import Command
from umlip_bench.cli.finetune import PROGRAM as FINETUNE
from umlip_bench.cli.options import Option, options_of
from umlip_bench.ground.limits import LARGEST, limits_of

FOLDER, FILE, DEEPER = "folder", "file", "file/deeper"
"""A folder with a file that is of no use, a file of nonsense, and a name below a file."""
LONG = "x" * 300
Given = Mapping[str, tuple[str, ...]]


def given(**options: str | tuple[str, ...]) -> Given:
    """Values by the names of options."""
    return {
        name.replace("_", "-"): (value,) if isinstance(value, str) else value
        for name, value in options.items()
    }


WITH_EMT = given(model=EMT_MODEL, device="cpu")
ON_COPPER = {**WITH_EMT, **given(labels=FRAMES)}
BASES: Mapping[str, Given] = {
    "umlip-bench run": {**WITH_EMT, **given(suites="high-energy", data=FRAMES, out="o")},
    "umlip-bench submit": {**WITH_EMT, **given(suites="high-energy", data=FRAMES, out="o")},
    "umlip-bench status": given(folder=RUN),
    "umlip-bench suites": given(suites="high-energy"),
    "umlip-bench relax": {**WITH_EMT, **given(files=FRAMES, out="o.xyz")},
    "umlip-bench models": {},
    "umlip-bench models list": {},
    "umlip-bench models show": given(model="chgnet-0.3.0"),
    "umlip-bench models fetch": given(models="chgnet-0.3.0"),
    "umlip-bench env": {},
    "umlip-bench env list": {},
    "umlip-bench env build": given(environments="no-such"),
    "umlip-bench env check": given(environment="nequix"),
    "umlip-bench env remove": given(environments="no-such"),
    "umlip-bench data": {},
    "umlip-bench data list": {},
    "umlip-bench data show": given(data=FRAMES),
    "umlip-bench data fetch": given(ids="mlearn"),
    "umlip-bench data verify": given(ids="pbe-mini"),
    "umlip-bench data check": given(data=FRAMES),
    "umlip-bench data export": given(data=FRAMES, out="o.xyz"),
    "umlip-bench data import": given(data=FRAMES, out="o.xyz"),
    "umlip-bench data publish": given(
        data=FRAMES, functional="PBE", licence="CC0-1.0", settings="EMT", citation="None", out="o"
    ),
    "umlip-bench report": given(runs=RUN, out="o.html"),
    "umlip-bench leaderboard": given(runs=RUN, out="o"),
    "umlip-bench pictures": given(folder=RUN, out="o"),
    "umlip-bench compare": given(runs=(RUN, OTHER), out="o.csv"),
    "umlip-bench export": given(folder=RUN, out="o"),
    "umlip-bench card": given(folder=RUN, model=EMT_MODEL, out="o.md"),
    "umlip-bench speed": {**WITH_EMT, **given(work="static")},
    "umlip-bench count": given(model=EMT_MODEL),
    "umlip-bench calibrate": WITH_EMT,
    "umlip-bench doctor": WITH_EMT,
    "umlip-bench convert": given(folder=OLD, out="o"),
    "umlip-finetune fit": {**ON_COPPER, **given(method="e0", out="o")},
    "umlip-finetune ladder": {**ON_COPPER, **given(method="e0", out="o.json")},
    "umlip-finetune curve": {**ON_COPPER, **given(method="e0", material="Cu", out="o")},
    "umlip-finetune estimate": {**WITH_EMT, **given(by=EMT_MODEL, states=FRAMES, out="o")},
    "umlip-finetune evaluate": {**ON_COPPER, **given(method="mine", material="Cu", out="o.json")},
    "umlip-finetune race": {
        **ON_COPPER,
        **given(method="mine", material="Cu", sizes="1,2", out="o"),
    },
    "umlip-finetune suggest": {**WITH_EMT, **given(structure=ONE, out="o", codes="none")},
    "umlip-finetune label": {
        **given(frames=FRAMES, engine="model", teacher=EMT_MODEL, device="cpu", out="o.xyz")
    },
    "umlip-finetune collect": given(paths=FRAMES, out="o.xyz"),
    "umlip-finetune speed": {**ON_COPPER},
}
"""Options with which each command would do something, but for what this machine lacks."""

EXCLUSIVE: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "umlip-bench run": (
        (f"--structure={ONE}",),
        ("--join", "--jobs=2"),
        ("--join", "--dask=local"),
        ("--join", "--new-model"),
        ("--ion=Cu",),
        ("--max-index=2",),
        (f"--against={EMT_MODEL}",),
        ("--mode=quick", "--mode=full"),
    ),
    "umlip-bench submit": ((f"--structure={ONE}",), ("--ion=Cu",), ("--slurm=time=x",)),
    "umlip-bench relax": (("--pressure=1",), ("--fmax=0.1", "--fmax=0.2"), ("--out=o.cif",)),
    "umlip-bench data fetch": (("--all",), ("--task=surfaces",), ("--task=surfaces", "--all")),
    "umlip-bench report": (("--only=scales",), ("--format=png",), ("--dpi=200",)),
    "umlip-bench compare": ((f"--models={EMT_MODEL}",), ("--out=o.docx",)),
    "umlip-bench suites": (("--out=o.docx",),),
    "umlip-finetune fit": (("--method=full",), ("--epochs=3",), ("--estimator=mse",)),
    "umlip-finetune ladder": (("--epochs=3",), ("--rank=4",)),
    "umlip-finetune estimate": ((f"--structure={ONE}",),),
    "umlip-finetune suggest": ((f"--pool={FRAMES}",), ("--n-frames=2", "-n", "3")),
    "umlip-finetune label": (("--cutoff=500",), ("--workers=2",), ("--engine=gpaw",)),
}
"""Options that do not go with the base, or with each other."""

ANY_TEXT = frozenset(
    ("functional", "title", "settings", "source", "licence", "citation", "pseudo-dir", "python")
)
"""Options for which no text is wrong."""
IN_PLACE_OF = {"task": "ids", "structure": "data", "pool": "structure"}
"""Options that do not go with another, which is left away."""
LACKING = {"umlip-bench env check": "missing:", "umlip-bench submit": "sbatch"}
"""What is said where this machine lacks what a command works with."""
WRITTEN = frozenset(("out", "figures"))


@dataclass(frozen=True)
class Wrong:
    """An argument list that must be refused.

    Parameters
    ----------
    words
        All of it.
    named
        What of it the message may name; any will do.
    """

    words: tuple[str, ...]
    named: tuple[str, ...]


def all_lists() -> dict[str, list[Wrong]]:
    """Wrong argument lists by command.

    What commands share as settings is read by the same lines: it is given all wrong values once, and one of
    them in every other command.
    """
    found: dict[str, list[Wrong]] = {}
    known: dict[tuple[str, str], int] = {}
    for kind in (*commands_of(BENCH), *commands_of(FINETUNE)):
        lists = list(_of_command(kind))
        for option in options_of(kind).values():
            shared = option.part is not None
            key = option.name, str(option.kind)
            values = list(_wrong_values(option))
            if shared and key in known:
                values = values[known[key] % len(values) :][:1] if values else []
            if shared:
                known[key] = known.get(key, -1) + 1
            lists += _of_option(kind, option, values)
        found[kind.name] = list(dict.fromkeys(lists))
    return found


def _of_command(kind: type[Command]) -> Iterator[Wrong]:
    """What is wrong with any command."""
    words, options = _words(kind, BASES[kind.name]), options_of(kind)
    for text in ("--no-such", "--no-süch=1", "--config"):
        yield Wrong((*words, text), (text.partition("=")[0],))
    for path in ("absent.yaml", FOLDER, FILE, "", LONG):
        yield Wrong((*words, f"--config={path}"), (path or "--config",))
    for more in EXCLUSIVE.get(kind.name, ()):
        names = tuple(text.partition("=")[0] for text in more)
        yield Wrong((*words, *more), (*names, LACKING.get(kind.name, names[0])))
    if not any(option.argument and option.is_tuple for option in options.values()):
        yield Wrong((*words, "one-more"), ("one-more",))


def _of_option(kind: type[Command], option: Option, values: Sequence[str]) -> Iterator[Wrong]:
    """An option that is missing, has no value, or a wrong one."""
    left_out = option.name, IN_PLACE_OF.get(option.name)
    others = {name: value for name, value in BASES[kind.name].items() if name not in left_out}
    places = [each.argument.metavar for each in options_of(kind).values() if each.argument]
    shown = option.argument.metavar if option.argument else f"--{option.name}"
    if option.default is MISSING:
        yield Wrong(_words(kind, others), tuple(places) if option.argument else (shown,))
    if not option.argument and not _is_switch(option):
        yield Wrong((*_words(kind, others), f"--{option.name}"), (shown,))
    for text in values:
        # Of a name that is too long the beginning is enough.
        named = text[:50] if text else shown
        lacking = LACKING.get(kind.name, named)
        yield Wrong(_words(kind, {**others, option.name: (text,)}), (named, shown, lacking))


def _words(kind: type[Command], values: Given) -> tuple[str, ...]:
    """A command line; the program's name stands first where it is not ``umlip-bench``."""
    program, *names = kind.name.split()
    options = options_of(kind)
    places = [
        value
        for name, option in options.items()
        if option.argument
        for value in values.get(name, ())
    ]
    named = [
        f"--{name}={value}"
        for name in values
        if not options[name].argument
        for value in values[name]
    ]
    return (*(() if program == "umlip-bench" else (program,)), *names, *places, *named)


def _is_switch(option: Option) -> bool:
    return option.kind is bool


def _wrong_values(option: Option) -> Iterator[str]:
    """Texts that are no value of an option."""
    kind = _bare(option.kind)
    limits = limits_of(option.kind) or limits_of(kind)
    if _is_switch(option):
        yield from ("perhaps", "2")
    elif limits is not None:
        yield from ("nan", "-inf", "ten", "", "1e999", "1_0", "0x1", "½")
        for number in (-1, 0, LARGEST + 1):
            if not limits.allow(number):
                yield str(number)
    elif get_origin(kind) is Literal or isinstance(kind, EnumType):
        yield from ("no-such", "", "ß", "No")
    elif kind is Path and option.name in WRITTEN:
        yield from ("", DEEPER, LONG, "/proc/no/where")
    elif kind is Path:
        yield from ("absent.xyz", "", FILE, FOLDER, DEEPER, LONG, "/dev/null", "Ä/ß.xyz")
    elif option.name not in ANY_TEXT:
        yield from ("no-such", "", "Ü ñ", LONG, "a:b:c", FILE, FOLDER)


def _bare(kind: object) -> object:
    """The type of one value."""
    while get_origin(kind) is not Literal and (arguments := get_args(kind)):
        if get_origin(kind) is Annotated or get_origin(kind) is tuple:
            kind = arguments[0]
        else:
            kind = next((each for each in arguments if each is not type(None)), kind)
    return kind
