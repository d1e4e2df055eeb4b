"""A file from which an interrupted training goes on to the result that it would have had."""

from __future__ import annotations

import os
import pickle
import time
from pathlib import Path

import torch

from umlip_bench.ground.archives import DamagedArchive, check_archive
from umlip_bench.ground.errors import CorrectionError

SECONDS = 10.0
"""Between writes: small models take less for an epoch than a write does."""


class Checkpoint:
    """The state after some epoch.

    Parameters
    ----------
    path
        Of the file; its folder is made when it is first written.
    key
        Digest of all that the training depends on: a file of another training is refused.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self.key = key
        self._written = time.monotonic()

    def load(self) -> dict[str, object] | None:
        """The state, or ``None`` if there is none yet.

        Raises
        ------
        CorrectionError
            If it is another training's or cannot be read.
        """
        if not self.path.exists():
            return None
        remedy = f"remove {self.path.parent} to start over, or choose another --out"
        try:
            check_archive(self.path)
        except (DamagedArchive, OSError) as error:
            raise CorrectionError(
                f"{self.path} is not a checkpoint, or not whole ({error}); {remedy}"
            ) from error
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            key, state = content["key"], content["state"]
        except (OSError, RuntimeError, KeyError, TypeError, pickle.UnpicklingError) as error:
            raise CorrectionError(f"{self.path} cannot be read ({error}); {remedy}") from error
        if key != self.key:
            raise CorrectionError(
                f"{self.path} is of a training with other settings, labels or model; {remedy}"
            )
        return state

    def offer(self, state: dict[str, object]) -> None:
        """Write the state if it is time to; the file is replaced whole or not at all."""
        if time.monotonic() - self._written < SECONDS:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        torch.save({"key": self.key, "state": state}, part)
        os.replace(part, self.path)
        self._written = time.monotonic()
