"""Frames that are proposed for labels, wherever they come from."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ase import Atoms


class Proposal(ABC):
    """Frames worth labelling, and why."""

    @abstractmethod
    def structures(self) -> list[Atoms]:
        """The frames in the order in which to label them, with what a reader wants to know in ``info``."""

    @abstractmethod
    def record(self) -> dict[str, object]:
        """Why they were chosen, for a file beside them."""
