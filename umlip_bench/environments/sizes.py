"""Bytes of folders, and numbers of bytes in words."""

from __future__ import annotations

from pathlib import Path


def in_words(n_bytes: float) -> str:
    """A number of bytes for people.

    Examples
    --------
    >>> in_words(812), in_words(2_340_000_000)
    ('812 bytes', '2.3 GB')
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes:.0f} bytes"


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder; links count nothing."""
    files = (each for each in folder.rglob("*") if not each.is_symlink())
    return sum(each.stat().st_size for each in files if each.is_file())
