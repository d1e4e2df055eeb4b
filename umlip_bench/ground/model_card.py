"""What a model is, as data: `ModelCard`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from umlip_bench.ground.level_of_theory import LevelOfTheory

CORRECTED = "corrected"
"""Family of models that were made of others."""


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
    git_blob_sha1
        Git's own digest of the content, where it is all that upstream gives.
    """

    name: str
    url: str
    sha256: str | None = None
    size: int | None = None
    git_blob_sha1: str | None = None


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

    def derived(self, name: str, architecture: str, factor: float = 1.0) -> ModelCard:
        """Card of a model that was made of this one.

        Parameters
        ----------
        name
            Of the corrected model.
        architecture
            Its architecture in words.
        factor
            By which the energy surface was multiplied: corrections that the parent learned are part of it.

        Returns
        -------
        ModelCard
            With no files, of the family ``"corrected"``.
        """
        level = self.level_of_theory
        if level.energy_corrections is not None:
            level = replace(level, corrections_factor=factor * level.corrections_factor)
        return replace(
            self,
            name=name,
            family=CORRECTED,
            parent=self.name,
            architecture=architecture,
            level_of_theory=level,
            folder=None,
            files=(),
            package_path=(),
        )


def unlisted_card(name: str, family: str, files: tuple[WeightsFile, ...] = ()) -> ModelCard:
    """Card of a model that no catalogue knows."""
    return ModelCard(
        name=name,
        family=family,
        architecture=family,
        level_of_theory=LevelOfTheory("unknown"),
        training_set="unknown",
        elements=(),
        licence="unknown",
        citation="unknown",
        files=files,
    )
