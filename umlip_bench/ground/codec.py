"""Dataclasses from what files say, and back."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any


def fields_of(kind: type, entry: object, where: str) -> dict[str, Any]:
    """Return the entry as keyword arguments of the dataclass `kind`, which it has to match."""
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: expected fields, found {entry!r}")
    known = {field.name: field.default is MISSING for field in fields(kind)}
    for name in entry:
        if name not in known:
            raise ValueError(f"{where}: unknown field {name!r}; allowed: {', '.join(known)}")
    for name, required in known.items():
        if required and entry.get(name) is None:
            raise ValueError(f"{where}: missing field {name!r}")
    return dict(entry)
