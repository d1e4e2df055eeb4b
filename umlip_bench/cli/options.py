"""Options of a command, made of what it is declared with; see `umlip_bench.cli.declare`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from enum import Enum
from functools import cache
from inspect import Parameter as P
from inspect import get_annotations
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from cyclopts import Group, Parameter
from docstring_parser.common import DocstringStyle
from docstring_parser.parser import parse_from_object

from umlip_bench.cli.declare import Argument, Command, Part, Parts, Reads
from umlip_bench.ground.limits import limits_of


@dataclass(frozen=True)
class Option:
    """One option.

    Parameters
    ----------
    paths
        Fields that lead to its value, in the command or in one of its parts; several where parts share it.
    name
        Without dashes, as in YAML.
    kind
        Its type, with limits.
    default
        `dataclasses.MISSING` for none.
    help
        What it is.
    marks
        Of its annotation.
    part
        That it belongs to.
    makers
        What takes the values of each part, by its field.
    """

    paths: tuple[tuple[str, ...], ...]
    name: str
    kind: object
    default: object
    help: str
    marks: tuple[object, ...] = ()
    part: Part | None = None
    makers: Mapping[str, Callable[..., object]] = field(default_factory=dict)

    @property
    def argument(self) -> Argument | None:
        """Given if it goes by its place."""
        return next((mark for mark in self.marks if isinstance(mark, Argument)), None)

    @property
    def is_tuple(self) -> bool:
        """Whether its value is a tuple, however it is given."""
        return get_origin(self.kind) is tuple

    @property
    def several(self) -> bool:
        """Whether it is given once for every value."""
        return self.is_tuple if self.reads is None else self.reads.each

    @property
    def reads(self) -> Reads | None:
        """How its text is read, where cyclopts is not to."""
        for mark in self.marks:
            if isinstance(mark, Reads):
                return mark
        limits = limits_of(get_args(self.kind)[0] if self.is_tuple else self.kind)
        if limits is None:
            return None
        return Reads(limits.read, self.is_tuple, "N" if limits.whole else "X")

    @property
    def _bounds(self) -> str:
        """Limits for the help, but those that nobody would pass."""
        limits = limits_of(get_args(self.kind)[0] if self.is_tuple else self.kind)
        if limits is None or not (
            isfinite(limits.below) or isfinite(limits.most) or limits.least > 1
        ):
            return ""
        return f" [{limits}]"

    def of(self, command: Command) -> object:
        """Its value."""
        value: Any = command
        for name in self.paths[0]:
            value = value[name] if isinstance(value, Mapping) else getattr(value, name)
        return value

    def parameter(self) -> P:
        """The parameter of a function that cyclopts makes an option of."""
        given: dict[str, Any] = {"help": f"{self.help}{self._bounds}".strip()}
        if self.argument:
            given |= {"name": self.argument.metavar, "metavar": self.argument.metavar}
        else:
            given["name"] = f"--{self.name}"
        if self.part:
            given["group"] = _group(self.part.title, self.part.text)
        if self.default in (None, ()) or self.default is False:
            given["show_default"] = False
        elif self.default is True:
            given["negative"] = f"--no-{self.name}"
        elif self.is_tuple and self.default is not MISSING:
            given["show_default"] = lambda value: " ".join(map(str, value))
        kind = self.kind
        if self.reads:
            given = {"converter": self._converted, "metavar": self.reads.metavar, **given}
            # Of no type: the value is not the text that cyclopts would hold it against.
            kind = tuple[Any, ...] | None if self.several else Any
        own = [mark for mark in self.marks if isinstance(mark, Parameter)]
        return P(
            self.name.replace("-", "_"),
            P.POSITIONAL_ONLY if self.argument else P.KEYWORD_ONLY,
            annotation=Annotated[kind, Parameter(**given), *own],
            default=P.empty if self.default is MISSING else self.default,
        )

    def _converted(self, tokens: Sequence[Any]) -> Any:
        assert self.reads is not None
        values = tuple(self.reads.parse(token.value) for token in tokens)
        return values if self.several else values[-1]

    def taken(self, value: object) -> object:
        """A value as its field has it."""
        into = tuple if self.reads is None else self.reads.into
        return into(value) if isinstance(value, tuple) else value


@cache
def _group(title: str, text: str) -> Group:
    return Group(title, help=text, sort_key=50)


_KNOWN: dict[type[Command], dict[str, Option]] = {}


def options_of(kind: type[Command], anew: bool = False) -> dict[str, Option]:
    """Options of a command by name: its own, those that it shares, those of its parts.

    With `anew` what is installed is asked again.
    """
    if kind in _KNOWN and not anew:
        return _KNOWN[kind]
    found: dict[str, Option] = {}
    of_parts: list[Option] = []
    for name, hint, default, text in _fields(kind):
        bare, *marks = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        parts = [
            part
            for mark in marks
            for part in (
                [(bare, mark, bare)]
                if isinstance(mark, Part)
                else [(*each, dict) for each in mark.made()]
                if isinstance(mark, Parts)
                else []
            )
        ]
        if parts:
            for settings, part, maker in parts:
                of_parts += _options_of_part(name, settings, part, maker)
            continue
        called = name.replace("_", "-")
        limited = hint if limits_of(hint) else bare
        found[called] = Option(((name,),), called, limited, default, text, tuple(marks))
    for option in of_parts:
        first = found.get(option.name)
        # What parts share is told once, and given to each.
        found[option.name] = (
            replace(
                first,
                paths=(*first.paths, *option.paths),
                makers={**first.makers, **option.makers},
            )
            if first
            else option
        )
    _KNOWN[kind] = found
    return found


def _options_of_part(
    field: str, settings: type, part: Part, maker: Callable[..., Any]
) -> Iterator[Option]:
    for name, hint, default, text in _fields(settings):
        called = part.called.get(name, name).replace("_", "-")
        marks = (part.reads[name],) if name in part.reads else ()
        yield Option(((field, name),), called, hint, default, text, marks, part, {field: maker})


def _fields(kind: type) -> Iterator[tuple[str, Any, Any, str]]:
    """Name, type, default and help of the fields of a dataclass, its own before those it inherits."""
    hints = get_type_hints(kind, include_extras=True)
    known = {each.name: each for each in fields(kind)}
    for owner in kind.__mro__:
        if is_dataclass(owner):
            texts = _texts(owner)
            for name in get_annotations(owner):
                if name in known:
                    yield name, hints[name], known.pop(name).default, texts.get(name, "")


_TEXTS: dict[type, dict[str, str]] = {}


def _texts(owner: type) -> dict[str, str]:
    """What a class says of each of its fields."""
    if owner not in _TEXTS:
        _TEXTS[owner] = {
            name: " ".join((entry.description or "").replace("``", "").split())
            for entry in parse_from_object(owner, DocstringStyle.NUMPYDOC).params
            for name in entry.arg_name.split(", ")
        }
    return _TEXTS[owner]


def make(kind: type[Command], values: Mapping[str, object]) -> Command:
    """A command of the values of its options, by their names."""
    own: dict[str, Any] = {}
    parts: dict[str, dict[str, Any]] = {}
    makers: dict[str, Callable[..., Any]] = {}
    for name, option in options_of(kind).items():
        for *part, leaf in option.paths:
            (parts.setdefault(part[0], {}) if part else own)[leaf] = option.taken(values[name])
        makers |= option.makers
    return kind(**own, **{name: makers[name](**given) for name, given in parts.items()})


def plain(command: Command) -> dict[str, object]:
    """Values of all options by name, as YAML has them; those that are not set are left out."""
    found = {name: _plain(option.of(command)) for name, option in options_of(type(command)).items()}
    return {name: value for name, value in found.items() if value not in (None, [])}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        value = tuple(value.items())
    if isinstance(value, tuple):
        # A pair is a name and what it stands for.
        return ["=".join(map(str, v)) if isinstance(v, tuple) else _plain(v) for v in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


def changed(command: Command) -> list[str]:
    """Names of the options that are not at their defaults."""
    options = options_of(type(command))
    return [name for name, each in options.items() if each.of(command) != each.default]
