"""How a labelling went, whoever gave the labels."""

from __future__ import annotations

from dataclasses import dataclass

WORK_SUFFIX = ".work"
"""Of the folder beside DFT labels, in which results are kept."""


@dataclass(frozen=True)
class FailedFrame:
    """A frame without a label.

    Parameters
    ----------
    index
        Its place in the input.
    reason
        What went wrong; names the log.
    """

    index: int
    reason: str


@dataclass(frozen=True)
class Labelled:
    """How labelling went.

    Parameters
    ----------
    n_frames
        Frames in the input.
    n_computed
        Computed now.
    n_known
        Computed before, or equal to another one of the input.
    failed
        Those that failed.
    """

    n_frames: int
    n_computed: int
    n_known: int
    failed: tuple[FailedFrame, ...]

    @property
    def n_labels(self) -> int:
        """Frames in the file of labels."""
        return self.n_computed + self.n_known
