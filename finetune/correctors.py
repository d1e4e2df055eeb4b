"""Every method by its name, for comparisons: labels in, corrected model out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from umlip_bench.analysis.frames import MaterialComparison
from umlip_bench.datasets import Frame
from umlip_bench.finetune.comparison import compare, fingerprint
from umlip_bench.finetune.factors import Estimator
from umlip_bench.finetune.references import fit_references
from umlip_bench.finetune.scalar import reference_materials, reference_without, scalar_fit
from umlip_bench.finetune.training.fit import fit_trained
from umlip_bench.finetune.training.loop import Epoch
from umlip_bench.finetune.training.parameters import SCRATCH
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.potentials.corrections.modification import FULL, HEAD, LOW_RANK, SCALAR, SHIFT
from umlip_bench.potentials.corrections.scaled import scaled
from umlip_bench.potentials.corrections.shifted import shifted
from umlip_bench.potentials.protocol import Potential

NONE = "none"
"""The model as it is."""
LADDER = (SCALAR, SHIFT, HEAD, LOW_RANK, FULL)
"""From what changes least to what changes most."""
TRAINED = (HEAD, LOW_RANK, FULL, SCRATCH)


@dataclass(frozen=True, eq=False)
class Corrected:
    """A model after some method.

    Parameters
    ----------
    potential
        Evaluates like any other.
    seconds
        What the method took, evaluation of the labels included.
    replayed
        Materials on which it was held to its parent.
    """

    potential: Potential
    seconds: float
    replayed: tuple[str, ...] = ()


class Corrector:
    """Applies methods to one model.

    The model is evaluated on the reference set once, for the scalar correction's usual factor.

    Parameters
    ----------
    potential
        The model to correct.
    settings
        For the methods that train.
    on_epoch
        Called after every epoch of a training.
    """

    def __init__(
        self,
        potential: Potential,
        settings: TrainingSettings,
        on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    ) -> None:
        self.potential = potential
        self.settings = settings
        self.on_epoch = on_epoch
        self._reference: tuple[MaterialComparison, ...] | None = None

    def apply(
        self,
        method: str,
        frames: Sequence[Frame],
        *,
        seed: int | None = None,
        others: Mapping[str, tuple[Frame, ...]] | None = None,
    ) -> Corrected:
        """Correct the model by labels.

        Parameters
        ----------
        method
            One of `LADDER`, `NONE`, or ``scratch``.
        frames
            The labels.
        seed
            In place of the settings'.
        others
            Materials to replay, if the settings say so.

        Raises
        ------
        CorrectionError
            If the method cannot be applied to the model or the labels.
        """
        if method == NONE:
            return Corrected(self.potential, 0.0)
        if method == SCALAR and self._reference is None:
            self._reference = reference_materials(self.potential)
        start = time.perf_counter()
        if method == SCALAR:
            potential = self._scaled(frames)
        elif method == SHIFT:
            shift = fit_references(self.potential, frames).correction
            potential = shifted(self.potential.weights, self.potential, shift)
        elif method in TRAINED:
            return self._trained(method, frames, seed, others or {})
        else:
            raise CorrectionError(
                f"{method!r} is no method; known are {', '.join((*LADDER, SCRATCH))}"
            )
        return Corrected(potential, time.perf_counter() - start)

    def _scaled(self, frames: Sequence[Frame]) -> Potential:
        assert self._reference is not None
        reference = reference_without(self._reference, {frame.composition for frame in frames})
        compared = compare(self.potential, frames)
        fit = scalar_fit(compared, fingerprint(frames), Estimator.SHRUNK, reference=reference)
        return scaled(self.potential.weights, self.potential, fit.correction)

    def _trained(
        self,
        method: str,
        frames: Sequence[Frame],
        seed: int | None,
        others: Mapping[str, tuple[Frame, ...]],
    ) -> Corrected:
        settings = self.settings if seed is None else self.settings.with_seed(seed)
        if settings.replay is None:
            others = {}  # nothing to replay, and retention is the caller's
        start = time.perf_counter()
        training = fit_trained(
            self.potential, frames, method, settings, others=others, on_epoch=self.on_epoch
        )
        found = training.fit.retention
        replayed = () if found is None else found.replayed
        return Corrected(training.potential, time.perf_counter() - start, replayed)
