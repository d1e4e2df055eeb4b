"""What must be said of a user's data as it was read: what was left out, mended, or is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from umlip_bench.datasets.cases import MigrationCase
from umlip_bench.datasets.label_names import KNOWN
from umlip_bench.datasets.labels import STRESS
from umlip_bench.datasets.phonon_files import PhononReference
from umlip_bench.datasets.readers import RefusedResult, Result, of_bands
from umlip_bench.ground.level_of_theory import EXPERIMENT, LevelOfTheory

NAMED = 8
"""Entries left out that are named; the others are counted."""


def of_labels(
    results: Sequence[Result],
    refused: Sequence[RefusedResult],
    level: LevelOfTheory,
    stated: LevelOfTheory,
) -> Iterator[str]:
    """What was left out, what the labels are of, and what they have in place of a stress."""
    if refused:
        named = "; ".join(f"{each.where}: {each.reason}" for each in refused[:NAMED])
        more = f"; and {len(refused) - NAMED} more" if len(refused) > NAMED else ""
        n_files = len({each.where.split(", ")[0] for each in refused})
        used = f", {len(results)} labels are used" if results else ""
        yield (
            f"{len(refused)} entries of {n_files} file{'' if n_files == 1 else 's'} were left out{used}: "
            f"{named}{more}."
        )
    unsaid = sum(r.level.functional == "unknown" for r in results)
    if unsaid and level != stated:
        yield f"{level}, as files say; {unsaid} of {len(results)} labels say no functional."
    procedures = Counter(r.procedure for r in results if r.procedure)
    for procedure, n in procedures.items():
        yield (
            f"{n} labels are steps of a {procedure}: neighbouring ones are alike, and not independent."
        )
    yield from (f"{each}." for each in of_bands(results))
    remarks = Counter(r.remark for r in results if r.remark)
    yield from (f"{n} labels: {remark}." for remark, n in remarks.items())
    virials = Counter(key for r in results for key in _virials_unused(r))
    for key, n in virials.items():
        yield (
            f"{n} frames have {key} and no {STRESS}: virials are no stress and are not used; write "
            f"-virial/volume (eV/Å³) as {STRESS}, or give --virial-key {key} if that is what they are (GAP, "
            "MACE, GPUMD and DeePMD have this sign)."
        )


def of_experiment(level: LevelOfTheory) -> Iterator[str]:
    """What a reader of pages that speak of DFT must know of values that were measured."""
    if level.functional == EXPERIMENT:
        yield "Values were measured: where a page says DFT, it stands for experiment."


def of_paths(paths: Sequence[MigrationCase]) -> Iterator[str]:
    """What was mended or is missing, each thing once, with the paths that it is true of."""
    said: dict[str, list[str]] = {}
    for case in paths:
        for note in case.notes:
            said.setdefault(note, []).append(case.name)
    for note, names in said.items():
        yield f"path{'' if len(names) == 1 else 's'} {', '.join(names)}: {note}."


def of_phonons(phonons: Sequence[PhononReference], left_out: Mapping[str, str]) -> Iterator[str]:
    """What is taken for granted of phonopy's files, and which are left out."""
    if phonons:
        names = ", ".join(case.name for case in phonons)
        yield f"cells of {names} are taken to be relaxed in DFT, as nothing in phonopy's files says."
    for case in phonons:
        yield from (f"{case.name}: {note}." for note in case.notes)
    number = len(phonons) + len(left_out)
    for count, reason in enumerate(left_out.values(), start=1):
        yield f"force sets left out, {count} of {len(left_out)} (there are {number}): {reason}."


def _virials_unused(result: Result) -> Iterator[str]:
    """Names of virials that a label without a stress has."""
    if result.stress is None:
        names = dict.fromkeys(key for each in KNOWN for key in each.virials)
        yield from (key for key in names if key in result.atoms.info)
