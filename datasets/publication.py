"""A set that is to be published: in the standard form, with what was checked of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ase import Atoms

from umlip_bench.datasets import manifests
from umlip_bench.datasets.checks import Finding, check_frames
from umlip_bench.datasets.dataset import Dataset, Manifest
from umlip_bench.datasets.duplicates import Deduplication, deduplicated
from umlip_bench.datasets.leakage import Leakage, leakage, seen_in
from umlip_bench.datasets.overview import DatasetOverview, overview
from umlip_bench.datasets.standard_form import is_held, structures_of
from umlip_bench.ground.errors import DataError

NEEDED = ("licence", "citation", "settings")
"""What others must know of a set, beside its level of theory."""


@dataclass(frozen=True, eq=False)
class Publication:
    """A set as it is published.

    Parameters
    ----------
    manifest
        What it says of itself.
    structures
        In the standard form, without repeated frames.
    overview
        Its composition, and how its values are distributed.
    left_out
        Cases that the standard form does not hold, by task.
    unusable
        Cases that the set itself says are unusable.
    repeats
        What was found of repeated frames.
    findings
        Of the checks of ``data check``.
    leaks
        The set against each of those that were named.
    """

    manifest: Manifest
    structures: tuple[Atoms, ...]
    overview: DatasetOverview
    left_out: dict[str, int]
    unusable: int
    repeats: Deduplication
    findings: tuple[Finding, ...]
    leaks: tuple[Leakage, ...]

    @property
    def file(self) -> str:
        """Name of the file of structures."""
        return f"{self.manifest.id}.xyz"


def prepare(dataset: Dataset, stated: Manifest, against: Sequence[str] = ()) -> Publication:
    """Check a set and bring it into the form in which it is published.

    Parameters
    ----------
    dataset
        As it was read.
    stated
        What it is to say of itself.
    against
        Structures that potentials were trained on: files, folders, or ids of data sets.

    Raises
    ------
    DataError
        If it does not say its functional, licence, citation or settings; if nothing of it can be held by
        the standard form; or if there is nothing to check against under a name.
    """
    _check_stated(stated)
    everything = list(structures_of(dataset))
    if not everything:
        raise DataError(
            f"{dataset.manifest.id} has nothing that the standard form holds; it has cases for "
            f"{', '.join(dataset.tasks) or 'nothing'}"
        )
    repeats = deduplicated(everything)
    structures = tuple(everything[k] for k in repeats.kept)
    usable = [case for case in dataset.cases if case.unusable is None]
    return Publication(
        manifest=_with_caveats(stated, repeats),
        structures=structures,
        overview=overview(usable),
        left_out=dict(Counter(str(case.task) for case in usable if not is_held(case))),
        unusable=len(dataset.cases) - len(usable),
        repeats=repeats,
        findings=tuple(check_frames(dataset.frames)),
        leaks=tuple(leakage(structures, seen_in(name), Path(name).name) for name in against),
    )


def _check_stated(manifest: Manifest) -> None:
    if manifest.level_of_theory.functional == "unknown":
        raise DataError(
            f"{manifest.id} does not say its functional: give --functional, or a manifest beside the labels"
        )
    for name in NEEDED:
        if getattr(manifest, name) in ("", manifests.NOT_STATED):
            raise DataError(
                f"{manifest.id} does not say its {name}, without which nobody can use it: give --{name}, or "
                "a manifest beside the labels"
            )


def _with_caveats(manifest: Manifest, repeats: Deduplication) -> Manifest:
    """What was found goes with the set, wherever it goes."""
    found = []
    if repeats.contradicting:
        found.append(
            f"{len(repeats.contradicting)} frames have the geometry of an earlier one and other labels."
        )
    return replace(manifest, caveats=(*manifest.caveats, *found))
