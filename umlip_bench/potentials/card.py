"""What a model is: `ModelCard` and the level of theory of its training labels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LevelOfTheory:
    """How labels were computed, as far as it is known.

    Parameters
    ----------
    functional
        Exchange-correlation functional, e.g. ``"PBE"`` or ``"r2SCAN"``; ``"unknown"`` if not stated.
    hubbard_u
        Where +U terms were applied, e.g. ``"MP"`` for the Materials Project's values; ``None`` for none.
    pseudopotentials
        Name of the set of pseudopotentials or PAW data, if known.
    energy_corrections
        Corrections contained in the energies, e.g. ``"MP2020"``; ``None`` for raw DFT energies.
    corrections_factor
        How many times they are contained: once, but in a scaled model, whose corrections grew with
        everything else, as many times as its factor.
    """

    functional: str
    hubbard_u: str | None = None
    pseudopotentials: str | None = None
    energy_corrections: str | None = None
    corrections_factor: float = 1.0

    def __str__(self) -> str:
        text = self.functional
        if self.hubbard_u:
            text += f"+U({self.hubbard_u})"
        if self.energy_corrections:
            times = "" if self.corrections_factor == 1.0 else f"{self.corrections_factor:.4f} x "
            text += f", {times}{self.energy_corrections} energies"
        return text

    @property
    def in_full(self) -> str:
        """As the text, with the pseudopotentials; says so where the functional is not stated."""
        functional = "functional not stated" if self.functional == "unknown" else str(self)
        return ", ".join([functional, *([self.pseudopotentials] if self.pseudopotentials else [])])


def differs(model: LevelOfTheory, data: LevelOfTheory) -> bool:
    """Whether both functionals are known and not the same."""
    return "unknown" not in (model.functional, data.functional) and (
        model.functional != data.functional
    )


def level_warning(model: LevelOfTheory, data: LevelOfTheory) -> str | None:
    """Why results of a model against data should be read with care, or ``None``.

    Energy corrections and +U do not touch forces; the functional does.
    """
    if "unknown" in (model.functional, data.functional):
        side = "model" if model.functional == "unknown" else "data"
        return f"the {side}'s functional is not known"
    if differs(model, data):
        return f"the model was trained on {model.functional}, the data is {data.functional}"
    return None


@dataclass(frozen=True)
class WeightsFile:
    """One file of a model's weights.

    Parameters
    ----------
    name
        File name inside the model's folder.
    url
        Where it is published.
    sha256
        Hex digest, or ``None`` where upstream publishes none: the first download that parses is
        then pinned in the user's store.
    size
        Size in bytes, if known.
    """

    name: str
    url: str
    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class ModelCard:
    """A model by exact name and version.

    Parameters
    ----------
    name
        Lower-case id with version, e.g. ``"m3gnet-mp-2021.2.8"``.
    family
        Adapter that runs it: ``"chgnet"``, ``"matgl"``, ``"mace"`` or a third party's.
    architecture
        Human-readable architecture.
    level_of_theory
        Of the training labels.
    training_set
        What it was trained on.
    elements
        Chemical symbols it knows; empty if that shows only once the weights are read.
    licence, citation
        Of the weights.
    n_parameters
        Number of parameters, or ``None`` if not known before loading.
    head
        Readout head to use for models that have several.
    trained_with
        Library and version that trained the weights, where its conventions have changed since,
        e.g. ``"matgl 2.0.4"``; ``None`` if unknown or of no consequence.
    folder
        Folder of the weights inside a store.
    files
        Weights files; empty for models without any (foreign calculators).
    package_path
        ``"package:path/in/package"`` for each file shipped inside an installed package, in the
        order of `files`; empty otherwise.
    note
        A caveat that a user should see.
    parent
        For a corrected model, the name of the model that was corrected.
    """

    name: str
    family: str
    architecture: str
    level_of_theory: LevelOfTheory
    training_set: str
    elements: tuple[str, ...]
    licence: str
    citation: str
    n_parameters: int | None = None
    head: str | None = None
    trained_with: str | None = None
    folder: str | None = None
    files: tuple[WeightsFile, ...] = ()
    package_path: tuple[str, ...] = ()
    note: str | None = None
    parent: str | None = None
