"""When models are compiled: what may be said, and what the environment says."""

from __future__ import annotations

import os
from typing import Literal, TypeAlias, get_args

from umlip_bench.ground.errors import UmlipBenchError

VARIABLE = "UMLIP_BENCH_COMPILE"
"""What holds where nothing else was said: ``never``, which is usual, ``auto`` or ``always``."""
Compile: TypeAlias = Literal["never", "auto", "always"]


def checked(mode: object, called: str = "compile") -> Compile:
    """What was said, if it may be.

    Parameters
    ----------
    mode
        What was said.
    called
        How the user knows it, for the message.

    Raises
    ------
    UmlipBenchError
        If it is none of what it may be.
    """
    for known in get_args(Compile):
        if mode == known:
            return known
    raise UmlipBenchError(f"{called} is {mode!r}; it may be {', '.join(get_args(Compile))}")


def wanted() -> Compile:
    """What `VARIABLE` says; raises as `checked`."""
    return checked(os.environ.get(VARIABLE, "").lower() or "never", VARIABLE)
