"""Dataclasses from what people and other programs write: YAML within bounds, every field checked."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import TypeAdapter, ValidationError

from umlip_bench.ground.errors import ContentError

T = TypeVar("T")

MAX_BYTES = 16_000_000
"""Of a YAML file, unless more is asked for; what people write by hand has kilobytes."""
MAX_DEPTH = 50
"""Of lists and mappings in each other; libyaml overflows the stack at some ten thousand."""
MAX_REPEATED = 100_000
"""Values that aliases may stand for: a few nested ones stand for billions."""

_SHOWN = 80
# libyaml where PyYAML was built with it: ten times faster on files with force constants.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse(kind: type[T], content: object, where: str) -> T:
    """Make a dataclass of plain content, as YAML or JSON give it.

    Parameters
    ----------
    kind
        The dataclass; those inside it are made likewise, sequences become tuples where it says so.
    content
        A mapping with the fields of `kind` and no others.
    where
        Names the entry in messages.

    Raises
    ------
    ContentError
        If a field is missing, unknown or of another type; names entry and field.
    """
    try:
        return cast(T, _adapter(cast(Any, kind)).validate_python(content, extra="forbid"))
    except ValidationError as error:
        # Every fault is true, the first is enough; an unknown field often is why another is missing.
        faults = sorted(error.errors(), key=lambda fault: fault["type"] != _UNKNOWN)
        raise ContentError(_fault(kind, dict(faults[0]), where)) from None


_UNKNOWN = "unexpected_keyword_argument"


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _fault(kind: type, fault: dict[str, Any], where: str) -> str:
    """What is wrong in one line: where it is, the field, what was found."""
    loc, found = list(fault["loc"]), shown(fault["input"])
    if fault["type"] == "dataclass_type":
        return f"{_place(where, loc)}: expected fields, found {found}"
    # A place in a list is named with the field that the list is.
    last = max(i for i, each in enumerate(loc) if isinstance(each, str))
    field, here = _place("", loc[last:]).removeprefix(", "), _place(where, loc[:last])
    schema = _schema(kind, loc[:last])
    if fault["type"] == _UNKNOWN:
        allowed = ", ".join(schema["properties"])
        return f"{here}: unknown field {field!r}; allowed: {allowed}"
    left_out = fault["input"] is None and field in schema.get("required", ())
    if fault["type"] == "missing" or left_out:
        return f"{here}: missing field {field!r}"
    return f"{here}: field {field!r}: {found}: {fault['msg'].lower()}"


def _place(where: str, loc: list[Any]) -> str:
    for each in loc:
        where += f"[{each}]" if isinstance(each, int) else f", {each}"
    return where


def _schema(kind: type, loc: list[Any]) -> dict[str, Any]:
    """JSON schema of the dataclass that lies in `kind` under names and indices."""
    schema = _adapter(kind).json_schema()
    found = schema
    for each in loc:
        found = found["items"] if isinstance(each, int) else found["properties"][each]
        found = next((one for one in found.get("anyOf", ()) if "$ref" in one), found)
        if "$ref" in found:
            found = schema["$defs"][found["$ref"].rsplit("/", 1)[1]]
    return found


def shown(value: object) -> str:
    """A value from outside for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def read_yaml(path: Path, max_bytes: int = MAX_BYTES) -> object:
    """Content of a YAML file.

    Raises
    ------
    ContentError
        As `load_yaml`, and if the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return load_yaml(file.read(max_bytes + 1), str(path), max_bytes)
    except OSError as error:
        raise ContentError(f"{path} cannot be read: {error}") from error


def load_yaml(text: str | bytes, where: str, max_bytes: int = MAX_BYTES) -> object:
    """Content of a YAML text, which may come from anyone.

    Parameters
    ----------
    text
        One document in UTF-8.
    where
        Names it in messages.
    max_bytes
        That it may have.

    Raises
    ------
    ContentError
        If it is no YAML, gives a key twice, or is larger, deeper or more repetitive than any file that
        is meant to be read.
    """
    if len(text) > max_bytes:
        raise ContentError(
            f"{where}: more than {max_bytes} bytes, the most that is read of a YAML file"
        )
    try:
        _check_events(text, where)
        return yaml.load(text, Loader=_LOADER)
    # The second is what the constructors of dates and numbers raise.
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, ContentError):
            raise
        raise ContentError(f"{where}: no YAML ({error})") from error


def _check_events(text: str | bytes, where: str) -> None:
    """Refuse what would take stack or memory without bound, before anything is built of it."""
    open_nodes = [_Open()]
    sizes: dict[str, int] = {}
    repeated = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if tag := getattr(event, "tag", None):
            raise ContentError(f"{where}: {tag!r} is a tag; only plain values are read")
        if isinstance(event, yaml.ScalarEvent):
            open_nodes[-1].add(1, event, where)
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.AliasEvent):
            # One that is still open, and with that contains itself, is in no table.
            if event.anchor not in sizes:
                raise ContentError(
                    f"{where}: the alias *{event.anchor} stands for nothing before it"
                )
            repeated += sizes[event.anchor]
            open_nodes[-1].add(sizes[event.anchor], event, where)
            if max(repeated, open_nodes[-1].size) > MAX_REPEATED:
                raise ContentError(
                    f"{where}: aliases that stand for more than {MAX_REPEATED} values; write them out"
                )
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(open_nodes) > MAX_DEPTH:
                raise ContentError(
                    f"{where}: more than {MAX_DEPTH} lists and mappings in each other"
                )
            open_nodes.append(_Open(isinstance(event, yaml.MappingStartEvent), event.anchor))
        elif isinstance(event, yaml.CollectionEndEvent):
            closed = open_nodes.pop()
            open_nodes[-1].add(closed.size, event, where)
            if closed.anchor:
                sizes[closed.anchor] = closed.size


class _Open:
    """A list or mapping whose end has not come yet."""

    def __init__(self, is_mapping: bool = False, anchor: str | None = None) -> None:
        self.anchor = anchor
        self.size = 1
        self._keys: set[str] | None = set() if is_mapping else None
        self._at_key = True

    def add(self, size: int, event: yaml.Event, where: str) -> None:
        """Count a value, or a key, which must be plain and new."""
        self.size += size
        if self._keys is None:
            return
        if self._at_key:
            line = event.start_mark.line + 1 if event.start_mark else None
            if not isinstance(event, yaml.ScalarEvent):
                raise ContentError(f"{where}: line {line} has a key that is not plain text")
            if event.value in self._keys:
                raise ContentError(f"{where}: line {line} gives {event.value!r} a second time")
            self._keys.add(event.value)
        self._at_key = not self._at_key
