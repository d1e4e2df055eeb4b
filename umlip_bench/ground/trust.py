"""Whose word code is run on: what a file names to be imported needs the user's trust, once.

A corrected model may say that its parent is a calculator of an installed package, or a checkpoint of an
environment file. Whoever wrote the folder would then choose what is imported here. So such a parent is taken
only if this user fitted to it, or trusts it; both are remembered in the user's cache, by a digest.
"""

from __future__ import annotations

import logging
import os
from contextvars import ContextVar
from pathlib import Path

from umlip_bench.ground.errors import OutputError, WeightsError
from umlip_bench.ground.files import write_atomically

OPTION = "--trust"
"""Of every command: what the files that it is given name to be run is trusted from now on."""
GIVEN: ContextVar[bool] = ContextVar("trust", default=False)
"""Whether it was given on this command line."""

VARIABLE = "UMLIP_BENCH_TRUSTED"
"""Environment variable of the folder where it is remembered; by default ``trusted`` in the user's cache."""

logger = logging.getLogger(__name__)


def trust(name: str, sha256: str) -> None:
    """Trust a model that is known by its name and digest from now on.

    A cache that cannot be written is told and otherwise left alone: the option can be given again.
    """
    path = _note(name, sha256)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: file.write(f"{name} {sha256}\n".encode()))
    except (OSError, OutputError) as error:
        logger.warning("that %s is trusted could not be kept: %s", name, error)


def require_trust(name: str, sha256: str, of: Path) -> None:
    """Refuse to run what a file names, unless it is trusted.

    Parameters
    ----------
    name
        What would be imported or run.
    sha256
        Digest that the file gives of it.
    of
        The file.

    Raises
    ------
    WeightsError
        With what to do.
    """
    if _note(name, sha256).is_file():
        return
    if not GIVEN.get():
        raise WeightsError(
            f"{of} names {name}, whose code would be run on the word of that file; if you trust who wrote "
            f"it, give {OPTION} once, which is remembered"
        )
    trust(name, sha256)


def _note(name: str, sha256: str) -> Path:
    # These import what computes and downloads, which help and lists of commands need not wait for.
    from umlip_bench.ground.identity import identity
    from umlip_bench.ground.store.store import cache_folder

    folder = os.environ.get(VARIABLE)
    return (Path(folder) if folder else cache_folder("trusted")) / identity("trusted", name, sha256)
