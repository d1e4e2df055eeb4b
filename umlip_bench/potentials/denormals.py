"""Numbers too small for their format, which a processor may take a hundred times as long for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

_SMALL, _FACTOR = np.float32(2e-38), np.float32(0.1)
"""Their product is below the smallest normal number of float32, 1.2e-38."""


@contextmanager
def flushed(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Take numbers below the smallest normal one for zero, on this thread of a CPU, in float32.

    Cutoffs make them: what a neighbour near the cutoff adds is a product of several envelopes that are
    nearly zero, and so are all its derivatives. On some processors (Intel's Xeons of 2023) they cost most of
    the time of a call. In float64 there are none, and nothing is done.
    """
    if device.type != "cpu" or dtype != torch.float32 or _are_flushed():
        yield
        return
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _are_flushed() -> bool:
    """Whether this thread does so already: torch does not tell."""
    with np.errstate(under="ignore"):
        return bool(_SMALL * _FACTOR == 0)
