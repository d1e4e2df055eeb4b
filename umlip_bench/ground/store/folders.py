"""What the stores of weights and of reference data share: folders, locks and how failures read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import platformdirs

from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.store.integrity import PublishedFile

CACHE_VARIABLE = "UMLIP_BENCH_CACHE"

# Longer than any download that another process may be busy with, shorter than for ever.
LOCK_TIMEOUT = 3600.0


def cache_folder(kind: str) -> Path:
    """Return where downloads of a kind go: in ``$UMLIP_BENCH_CACHE``, else the user's cache."""
    folder = os.environ.get(CACHE_VARIABLE)
    if folder:
        return Path(folder).expanduser() / kind
    return platformdirs.user_cache_path("umlip_bench", appauthor=False) / kind


def folder_of_user(variable: str, contents: str, error_type: type[UmlipBenchError]) -> Path | None:
    """Return the folder that an environment variable names, ``None`` if it is not set."""
    value = os.environ.get(variable)
    if not value:
        return None
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise error_type(
            f"{variable} is '{value}', which is not a folder. It has to name the folder that holds "
            f"{contents}; mend it or unset it."
        )
    return folder


def lock_of(folder: Path) -> Path:
    """Return the lock of a folder; it lies beside, so that the folder holds nothing else."""
    return folder.with_name(f"{folder.name}.lock")


def listing(files: Iterable[PublishedFile]) -> str:
    """Return name, URL and sha256 of files, for a message that says how to get them."""
    return "\n".join(
        f"  file: {file.name}\n  url: {file.url}\n  sha256: {file.sha256 or 'not published'}"
        for file in files
    )


def root_cause(error: BaseException, outer: BaseException | None) -> str:
    """Return the innermost reason in one line.

    What requests raises wraps the one telling line ("Connection refused") in several layers.
    `outer` is what was being handled before, which is no part of it.
    """
    while error.__context__ is not None and error.__context__ is not outer:
        error = error.__context__
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
