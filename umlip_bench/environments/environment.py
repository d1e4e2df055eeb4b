"""What is known of one built environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Environment:
    """A Python with a potential's package, built from an environment file.

    Attributes
    ----------
    name
        As in ``NAME:CHECKPOINT``: ``sevennet``, or the stem of a file of the user's.
    python
        The interpreter.
    file
        The environment file it was built from, as it was then (a copy beside the build).
    lock
        Every installed distribution with its version, one ``name==version`` a line, sorted.
    digest
        sha256 over the lock, the file's text and the interpreter's version.
    """

    name: str
    python: Path
    file: Path
    lock: str
    digest: str
