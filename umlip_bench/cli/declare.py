"""What a command is declared with: a frozen dataclass, whose fields are its options.

Names, types, limits and defaults of options are those of the fields, their help is what the class says of
them: the string below a field, or its entry in numpydoc's ``Parameters``. A field that is a settings class of
the package, marked with `Part`, becomes an option for each field of that class. The same fields are what
``--config`` reads and what a command writes as ``settings.yaml``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Generic, Literal, TypeVar

from cyclopts import Parameter

from umlip_bench.ground.label_reading import AS_FOUND, LabelReading

if TYPE_CHECKING:
    from umlip_bench.analysis.runs import Run

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Command:
    """What every command has.

    The class attributes are its name with that of the program, lines of shell for its help, options that had
    other names, by the old one, and the commands below it.
    """

    name: ClassVar[str]
    examples: ClassVar[str]
    renamed: ClassVar[Mapping[str, str]] = {}
    actions: ClassVar[Mapping[str, type[Command]]] = {}

    @classmethod
    def more_help(cls) -> str:
        """What its help says besides; asked for once, before a command line is read."""
        return ""

    def run(self) -> int:
        """Do it, and return the exit status."""
        raise NotImplementedError


# ---- what stands in the annotation of a field


@dataclass(frozen=True)
class Argument:
    """Mark of a value that is given by its place, not by a name; as it is called in the help."""

    metavar: str


@dataclass(frozen=True)
class Reads(Generic[T]):
    """Mark that says how a text becomes the value of an option, or, with `each`, one of its values.

    Parameters
    ----------
    parse
        Raises ``ValueError`` for a text that is none, naming it and what is allowed.
    each
        Whether the option is given once for every value.
    metavar
        What stands for the text in the help.
    into
        What takes all values of an option that is given once for each.
    """

    parse: Callable[[str], T]
    each: bool = False
    metavar: str = "X"
    into: Callable[[tuple[T, ...]], object] = tuple


@dataclass(frozen=True, eq=False)
class Part:
    """Mark of a settings class, each of whose fields is an option.

    Parameters
    ----------
    title, text
        Over these options in the help.
    called
        Names of options that are not those of their fields: such as are given once for every value.
    reads
        As for `Reads`, of single fields.
    """

    title: str
    text: str = ""
    called: Mapping[str, str] = field(default_factory=dict)
    reads: Mapping[str, Reads] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Parts:
    """Mark of a mapping, with a value for each field of several settings classes.

    Parameters
    ----------
    made
        Gives them, each with what is over its options; what is installed may say which there are.
    """

    made: Callable[[], Iterable[tuple[type, Part]]]


def metavar(text: str) -> Parameter:
    """Mark that says what stands for a value in the help."""
    return Parameter(metavar=text)


SPREAD = Parameter(consume_multiple=True)
"""Mark of an option that takes several values after its name."""
Folder = Annotated[Path, metavar("DIR")]
File = Annotated[Path, metavar("FILE")]
Name = Annotated[str, metavar("NAME")]
Names = Annotated[tuple[str, ...], metavar("NAME")]
Data = Annotated[str, metavar("ID|FILE")]


# ---- options that several commands share


@dataclass(frozen=True, kw_only=True)
class OnDevice(Command):
    """A command that runs models."""

    device: Annotated[str, metavar("DEVICE")] = "auto"
    """auto (a GPU where there is one), cpu, cuda or cuda:N"""
    dtype: Literal["float32", "float64"] = "float32"
    """number format of the models"""


@dataclass(frozen=True, kw_only=True)
class Compiles(OnDevice):
    """A command that runs models for so long that compiling them may pay."""

    compile: Literal["never", "auto", "always"] | None = None
    """have torch compile models, which takes a minute or more: auto once a run has lasted so long that as
    much again pays for it; models with kernels for a CPU, MACE and those of other packages run as they are
    (default: as UMLIP_BENCH_COMPILE says, or never)"""

    def use_compiled(self) -> None:
        """Have this process, and those that it starts, do so.

        Raises
        ------
        UmlipBenchError
            If the environment says what it may not.
        """
        from umlip_bench.potentials.compile_mode import VARIABLE, wanted

        if self.compile is not None:
            os.environ[VARIABLE] = self.compile
        wanted()  # which other processes would find wrong too late


@dataclass(frozen=True, kw_only=True)
class TakesLabels(Command):
    """A command that takes labels of one's own."""

    reading: Annotated[
        LabelReading,
        Part(
            "Labels of your own",
            "Known names (REF_, DFT_, dft_, MACE_, ASE's, TotEnergy and force) are found, and said.",
        ),
    ] = AS_FOUND
    """how they are to be read, where files do not say it"""


@dataclass(frozen=True, kw_only=True)
class Overwriting(Command):
    """A command that writes files where a user says."""

    force: bool = False
    """overwrite files that umlip_bench did not write; its own are overwritten anyway"""


def say_incomplete(run: Run) -> None:
    """Say on stderr what of a run is missing, where what a command writes has no place for it."""
    for missing in run.incomplete:
        print(f"umlip-bench: {run.path} is not complete: {missing}", file=sys.stderr)
