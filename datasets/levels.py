"""The level of theory of a set of labels: one for all of them, or a refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from umlip_bench.datasets.readers import Code, Result
from umlip_bench.datasets.values_table import Table
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.label_reading import LabelReading
from umlip_bench.ground.level_of_theory import EXPERIMENT, LevelOfTheory

OF_ANYONE = frozenset(Code) - {Code.VASP, Code.ESPRESSO, Code.GPAW}
"""Forms that do not tell which DFT code the labels are of."""


MANIFEST = "the manifest"


def stated_level(of_manifest: LevelOfTheory, reading: LabelReading) -> tuple[LevelOfTheory, str]:
    """What is said of the level of theory beside the files, and by what.

    Raises
    ------
    DataError
        If the manifest and ``--functional`` contradict each other.
    """
    functional = reading.functional
    if functional is None or functional == of_manifest.functional:
        return of_manifest, MANIFEST
    if of_manifest.functional != "unknown":
        raise DataError(
            f"--functional is {functional}, but the manifest says {of_manifest.functional}; leave the option "
            "away, or mend the manifest"
        )
    return replace(of_manifest, functional=functional), "--functional"


def with_tables(
    level: LevelOfTheory, tables: Sequence[Table], said_by: str, n_labels: int
) -> LevelOfTheory:
    """The level of theory of values from tables, beside that of so many labels.

    Raises
    ------
    DataError
        If they are of several functionals, contradict the other, or are of experiment beside labels.
    """
    named = {f: where for table in tables for f, where in table.functionals.items()}
    if len(named) > 1:
        raise DataError(
            f"values of several functionals ({_listed(named)}) do not go together; make a table of each"
        )
    for functional, where in named.items():
        if n_labels and functional == EXPERIMENT:
            raise DataError(
                f"{where} is of {EXPERIMENT}, which {n_labels} labels beside it are not; give the table apart"
            )
        if level.functional not in ("unknown", functional):
            raise DataError(
                f"{where} is of {functional}, but {said_by} says {level.functional}; mend one of the two"
            )
        return replace(level, functional=functional)
    return level


def common_level(
    results: Sequence[Result],
    systems: Sequence[str],
    stated: LevelOfTheory | None = None,
    said_by: str = MANIFEST,
) -> LevelOfTheory | None:
    """The level of theory that all labels have, as far as it is known.

    Parameters
    ----------
    results
        Of one set.
    systems
        The material of each.
    stated
        What the set's manifest says, if there is one, or the user.
    said_by
        Which of the two.

    Returns
    -------
    LevelOfTheory or None
        ``None`` where neither the files nor the manifest say it.

    Raises
    ------
    DataError
        If functionals are mixed, or contradict the manifest, or labels of one material are of different +U or
        of several codes: differences between them would pass for physics.
    """
    known = [r for r in results if r.level.functional != "unknown"]
    examples = {r.level.functional: r.where for r in reversed(known)}
    if stated is not None and stated.functional != "unknown":
        for functional, where in examples.items():
            if functional != stated.functional:
                raise DataError(
                    f"{where} was computed with {functional}, but {said_by} says {stated.functional}; "
                    f"mend {said_by}, or take the file out"
                )
    if len(examples) > 1:
        raise DataError(
            f"labels of several functionals ({_listed(examples)}) do not go together; make a set of each, "
            "e.g. in a folder of its own"
        )
    _check_materials(results, systems)
    if stated is not None and stated.functional != "unknown":
        return stated
    if not known:
        return stated
    return LevelOfTheory(
        known[0].level.functional,
        _same([r.level.hubbard_u for r in known], "on some materials"),
        _same([r.level.pseudopotentials for r in known], "several sets"),
    )


def _check_materials(results: Sequence[Result], systems: Sequence[str]) -> None:
    hubbard: dict[str, dict[str, str]] = {}
    codes: dict[str, dict[str, str]] = {}
    for result, system in zip(results, systems, strict=True):
        if result.level.functional != "unknown":
            hubbard.setdefault(system, {}).setdefault(
                result.level.hubbard_u or "none", result.where
            )
        if result.code not in OF_ANYONE:
            codes.setdefault(system, {}).setdefault(result.code, result.where)
    for system, found in hubbard.items():
        if len(found) > 1:
            raise DataError(
                f"{system}: labels with different Hubbard U ({_listed(found)}) do not go together; make a "
                "set of each"
            )
    for system, found in codes.items():
        if len(found) > 1:
            raise DataError(
                f"{system}: labels of several codes ({_listed(found)}), whose energies do not go "
                "together; make a set of each"
            )


def _listed(examples: dict[str, str]) -> str:
    return "; ".join(f"{name}: {where}" for name, where in examples.items())


def _same(values: Sequence[str | None], otherwise: str) -> str | None:
    return values[0] if len(set(values)) == 1 else otherwise
