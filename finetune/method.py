"""What a fine-tuning method is: one class, found through the entry-point group ``umlip_bench.methods``.

    [project.entry-points."umlip_bench.methods"]
    mine = "my_package.mine:Mine"

A method registered so appears in ``umlip-finetune fit``, ``evaluate``, ``ladder`` and ``curve`` and in their
help, its settings as options; ours are registered in pyproject.toml the same way. The module of a method is
imported for help: what is slow to import belongs into its functions.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from umlip_bench.ground.errors import CorrectionError
from umlip_bench.ground.plugins import Plugins, load

if TYPE_CHECKING:
    from ase import Atoms
    from rich.console import Console

    from umlip_bench.analysis.frames import MaterialComparison
    from umlip_bench.datasets import Frame
    from umlip_bench.finetune.force_sets import ForceSet
    from umlip_bench.potentials.corrections.modification import Change
    from umlip_bench.potentials.protocol import Potential

GROUP = "umlip_bench.methods"
S = TypeVar("S")


class Needs(StrEnum):
    """What of the labels a method is fitted to."""

    ENERGIES = "energies"
    FORCES = "forces"
    ALL = "energies, forces and stress"


@dataclass(frozen=True)
class Epoch:
    """One pass over the labels.

    Parameters
    ----------
    loss
        Mean over steps, replay included; of the weights before each step, like the errors.
    energy_mae, force_mae, stress_mae
        Of the training frames, in eV/atom, eV/Å and GPa; nan where there are none.
    validation_mae
        Force MAE of the validation frames after the epoch, in eV/Å; nan without such.
    curvature_mae
        Of the rows of the Hessian of the force sets, in eV/Å²; nan without such.
    """

    loss: float
    energy_mae: float
    force_mae: float
    stress_mae: float
    validation_mae: float
    curvature_mae: float = math.nan


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What a fit may use, or has to tell, besides model, labels and settings.

    Parameters
    ----------
    held_out
        Frames that are only measured, before and after.
    others
        Materials to judge retention by, and to replay if the settings say so; ``None`` for those of the
        reference set.
    reference
        The model on the reference set, evaluated when first called; ``None`` where nobody keeps that.
    states
        Structures like those that the corrected model is to serve, without labels.
    force_sets
        Labels of curvature beside the frames, for methods that take them.
    checkpoint
        File to go on from, and to write while training; ``None`` for none.
    on_epoch
        Called after every epoch of a training.
    brief
        Leave away what a fit says of itself: the caller judges.
    """

    held_out: Sequence[Frame] = ()
    others: Mapping[str, tuple[Frame, ...]] | None = None
    reference: Callable[[], tuple[MaterialComparison, ...]] | None = None
    states: Sequence[Atoms] = ()
    force_sets: Sequence[ForceSet] = ()
    checkpoint: Path | None = None
    on_epoch: Callable[[Epoch], None] = lambda epoch: None
    brief: bool = False


@dataclass(frozen=True)
class NoSettings:
    """Of a method that has nothing to set."""


class Fit(ABC):
    """What a method found for a model and labels; a frozen dataclass, which goes into the card as it is.

    Attributes
    ----------
    apart
        Fields that stand elsewhere in the card than in the record.
    method
        Name of the method, where it is not the one that the change is named after.
    replayed
        Materials on which the model was held to its parent.
    """

    apart: ClassVar[tuple[str, ...]] = ()
    method: str | None = None
    replayed: tuple[str, ...] = ()

    @abstractmethod
    def put_on(self, parent: Potential) -> Potential:
        """The corrected model; evaluates like any other."""

    @abstractmethod
    def keep(self, parent: Potential, folder: Path) -> Change:
        """Write what the corrected model needs besides its card into a folder, and say what was done.

        Raises
        ------
        CorrectionError
            If nothing is left to keep.
        """

    @abstractmethod
    def labels_record(self) -> Mapping[str, object]:
        """What the card says of the labels."""

    def record(self) -> Mapping[str, object]:
        """What the card says of the fit."""
        return {k: v for k, v in vars(self).items() if k not in self.apart}


class ClosedFit(Fit):
    """A fit of which all that is kept are the numbers of a change."""

    @property
    @abstractmethod
    def correction(self) -> Change:
        """What the corrected model consists of besides its parent."""

    def put_on(self, parent: Potential) -> Potential:
        from umlip_bench.potentials.corrections.applied import applied

        return applied(self.correction, parent)

    def keep(self, parent: Potential, folder: Path) -> Change:
        return self.correction


@dataclass(frozen=True)
class ChangeFit(ClosedFit):
    """The fit of a method that says no more of itself than what it changes.

    Parameters
    ----------
    by
        Its name.
    change
        What was done to the model.
    n_labels
        Frames that it was fitted to.
    """

    by: str
    change: Change
    n_labels: int

    apart = ("by", "change", "n_labels")

    @property
    def method(self) -> str:  # type: ignore[override]
        return self.by

    @property
    def correction(self) -> Change:
        return self.change

    def labels_record(self) -> Mapping[str, object]:
        return {"n_frames": self.n_labels}


class Method(ABC, Generic[S]):
    """One way to correct a model by labels.

    Attributes
    ----------
    name
        That of the entry point.
    help
        What it does, in a line.
    needs
        What of the labels it is fitted to.
    rung
        Place on the ladder, from what changes a model least: scalar 10, e0 20, head 30, lora 40, full 50.
    settings
        Frozen dataclass of which every field has a default; its types (`umlip_bench.ground.limits`) and its
        docstring say what the command line takes.
    corrects_forces
        Whether forces change at all; a method that leaves them is not recommended for them, nor evaluated.
    kept
        Whether there is a corrected model to keep; if not, the method is for comparison only.
    judges_held_out
        Whether the fit measures frames that are held out itself, and shows them; if not, who asked for it
        does.
    serves_states
        Whether the fit depends on the states that it is to serve.
    takes_curvature
        Whether the fit makes use of force sets; without frames then too.
    version
        To be raised when results change: fits that are kept are of one version.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    needs: ClassVar[Needs] = Needs.FORCES
    rung: ClassVar[float]
    settings: ClassVar[type] = NoSettings
    corrects_forces: ClassVar[bool] = True
    kept: ClassVar[bool] = True
    judges_held_out: ClassVar[bool] = False
    serves_states: ClassVar[bool] = False
    takes_curvature: ClassVar[bool] = False
    version: ClassVar[int] = 1

    @abstractmethod
    def fit(
        self, parent: Potential, labels: Sequence[Frame], settings: S, around: Surroundings
    ) -> Fit:
        """Correct a model by labels.

        Parameters
        ----------
        parent
            The model; it stays as it is.
        labels
            At least one frame.
        settings
            An instance of the method's `settings`.
        around
            What there is besides.

        Raises
        ------
        CorrectionError
            If the method cannot be applied to the model or the labels.
        StructureError
            If the model cannot evaluate a frame.
        """

    @classmethod
    @abstractmethod
    def change(cls) -> type[Change]:
        """What it does to a model, of `umlip_bench.potentials.corrections.modification` or one's own."""

    def check(self, parent: Potential) -> None:
        """Refuse models that the method cannot be applied to, before long work.

        Raises
        ------
        CorrectionError
            Says what can be done instead.
        """

    def prepare(self, parent: Potential, settings: S, around: Surroundings) -> None:
        """Do once what all fits to a model have in common, by the functions of `around`."""

    def show(self, fit: Fit, model: str, console: Console) -> None:
        """Print a fit of this method; `model` is the name of its parent."""
        console.print(f"{model}, {self.name}: {self.help}", markup=False, highlight=False)


@dataclass(frozen=True, eq=False)
class Chosen(Generic[S]):
    """A method with its settings."""

    method: Method[S]
    settings: S

    def seeded(self, seed: int) -> Chosen[S]:
        """The same with another seed, if there is anything random in it."""
        settings = self.settings
        if any(field.name == "seed" for field in fields(settings)):  # type: ignore[arg-type]
            settings = replace(settings, seed=seed)  # type: ignore[type-var]
        return Chosen(self.method, settings)


def methods() -> Plugins[Method]:
    """All installed methods in the order of the ladder, and what was left out of them."""
    found = load(GROUP, _take)
    ordered = sorted(found.found.items(), key=lambda pair: (pair[1].rung, pair[0]))
    return Plugins(dict(ordered), found.left_out)


def method(name: str) -> Method:
    """One method.

    Raises
    ------
    CorrectionError
        If there is none of that name.
    """
    found = methods()
    if name not in found.found:
        left_out = "".join(f"; {each}" for each in found.left_out)
        raise CorrectionError(
            f"{name!r} is no method; known are {', '.join(found.found)}{left_out}"
        )
    return found.found[name]


def fit(
    parent: Potential,
    labels: Sequence[Frame],
    by: str = "scalar",
    settings: object = None,
    around: Surroundings | None = None,
) -> Fit:
    """Correct a model by labels, by a method's name.

    Parameters
    ----------
    parent
        The model; it stays as it is.
    labels
        At least one frame.
    by
        Name of an installed method.
    settings
        An instance of the method's `settings`; its defaults if not given.
    around
        What there is besides.

    Raises
    ------
    CorrectionError
        If there is no such method, or it cannot be applied to the model or the labels.
    StructureError
        If the model cannot evaluate a frame.
    """
    found = method(by)
    chosen = found.settings() if settings is None else settings
    return found.fit(parent, labels, chosen, around or Surroundings())


def _take(name: str, target: object) -> Method:
    if not (isinstance(target, type) and issubclass(target, Method)):
        raise TypeError(f"it is no subclass of {Method.__module__}.{Method.__qualname__}")
    for attribute in ("name", "help", "rung"):
        if not hasattr(target, attribute):
            raise TypeError(f"it has no {attribute}")
    if target.name != name:
        raise TypeError(f"it calls itself {target.name!r}")
    target.settings()  # every field has a default
    return target()
