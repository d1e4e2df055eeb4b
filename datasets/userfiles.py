"""A user's own reference data: extended XYZ, ASE databases, VASP and phonopy output, or a folder of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Never

from umlip_bench.datasets import extxyz, manifests, phonopy_files, understanding
from umlip_bench.datasets.cases import MigrationCase, PhononCase
from umlip_bench.datasets.dataset import Dataset
from umlip_bench.datasets.extxyz import ReadingError
from umlip_bench.datasets.frame import Frame, composition
from umlip_bench.datasets.label_names import KNOWN, listed, present
from umlip_bench.datasets.labels import (
    FORMAT,
    STRESS,
    SYSTEM,
    frames_cases,
    geometry_of,
    with_standard_names,
)
from umlip_bench.datasets.levels import common_level, stated_level
from umlip_bench.datasets.paths import PATH_FORMAT, PathFrame, is_image, migration_cases, path_frame
from umlip_bench.datasets.readers import (
    Code,
    RefusedResult,
    Result,
    code_of,
    of_bands,
    read_labels,
    told_elsewhere,
)
from umlip_bench.datasets.readers.xyz import labelled
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.label_reading import AS_FOUND, LabelReading
from umlip_bench.ground.level_of_theory import LevelOfTheory

NAMED = 8
"""Entries left out that are named; the others are counted."""


def read(path: Path, *, trust_order: bool = False, reading: LabelReading = AS_FOUND) -> Dataset:
    """Read a user's file or folder.

    Parameters
    ----------
    path
        A file of one of the forms of `umlip_bench.datasets.readers` or of phonopy's, or a folder, searched
        with all below it; the level of theory is that of the manifest beside or in it
        (`umlip_bench.datasets.manifests`), else what the files say.
    trust_order, reading
        As in `umlip_bench.datasets.load`.

    Returns
    -------
    Dataset
        What cannot be used is left out, and its caveats name and count it.

    Raises
    ------
    DataError
        If nothing can be used, levels of theory are mixed (`umlip_bench.datasets.levels.common_level`), or a
        migration path cannot be made whole.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file; expected {allowed()}")
    files, force_sets, skipped = _files(path)
    if not files and not force_sets:
        raise DataError(f"{path} holds no file to read; expected {allowed()}")
    found = list(chain.from_iterable(_read_file(file, reading) for file in files))
    refused = [each for each in found if isinstance(each, RefusedResult)]
    images = [each for each in found if isinstance(each, PathFrame)]
    results = [each for each in found if isinstance(each, Result)]
    frames = [as_frame(r, index) for index, r in enumerate(found) if isinstance(r, Result)]
    _check_stress_key(path, results, reading)
    manifest = manifests.of_users_data(path)
    stated, said_by = stated_level(manifest.level_of_theory, reading)
    level = common_level(results, [f.system for f in frames], stated, said_by) or stated
    phonons, left_out = _read_force_sets(force_sets, level, trust_order=trust_order)
    if not (frames or images or phonons):
        _refuse_all(path, refused, left_out)
    try:
        paths = migration_cases(images, level)
    except DataError as error:
        raise DataError(f"{path} has migration paths that cannot be used:\n{error}") from error
    told = [*_told_of_labels(results, refused, level, stated), *_told(paths)]
    manifest = replace(
        manifest,
        level_of_theory=level,
        caveats=(*manifest.caveats, *told, *_told_of_phonons(phonons, left_out)),
    )
    sources = [*files, *chain.from_iterable(map(phonopy_files.sources, force_sets.values()))]
    understood = (
        *understanding.of_labels(results, reading),
        understanding.of_level(level, said_by if level == stated else "what was read"),
        *understanding.of_skipped(skipped),
    )
    cases = (*frames_cases(frames, level), *paths, *phonons)
    return Dataset(manifest, cases, _digest(sources), understood)


def _check_stress_key(path: Path, results: Sequence[Result], reading: LabelReading) -> None:
    """Refuse a name of stresses or virials that no label has: it is a slip."""
    key = reading.stress_key or reading.virial_key
    if key is not None and results and all(result.stress is None for result in results):
        option = "--stress-key" if reading.stress_key else "--virial-key"
        raise DataError(
            f"{path}: no frame has {key} ({option}); {listed(present(results[0].atoms))}"
        )


def _refuse_all(path: Path, refused: Sequence[RefusedResult], left_out: Mapping[str, str]) -> Never:
    """Say why nothing of a user's files can be used."""
    if left_out and not refused:
        raise DataError("\n".join(left_out.values()))
    reasons = "\n".join(
        [*(f"{each.where}: {each.reason}" for each in refused[:NAMED]), *left_out.values()]
    )
    more = f"\nand {len(refused) - NAMED} more" if len(refused) > NAMED else ""
    bare = (
        f"\nno labels here: --structure {path} measures a structure without reference values"
        if all(each.bare for each in refused)
        else ""
    )
    raise DataError(
        f"{path} holds nothing that can be used:\n{reasons}{more}{bare}\nexpected {allowed()}"
    )


def _files(path: Path) -> tuple[list[Path], dict[str, Path], list[Path]]:
    """Files with labels; phonopy's by the name of the case: the folder that they are in; and others."""
    if path.is_file():
        if path.suffix in (".yaml", ".yml"):
            return [], {path.resolve().parent.name: path}, []
        return [path], {}, []
    everything = [f for f in sorted(path.rglob("*")) if f.is_file()]
    force_sets = {
        path.resolve().name if f.parent == path else str(f.parent.relative_to(path)): f
        for f in phonopy_files.chosen(everything)
    }
    labels = [f for f in everything if _is_labels(f)]
    known = {*labels, *chain.from_iterable(map(phonopy_files.sources, force_sets.values()))}
    skipped = [
        f.relative_to(path) for f in everything if f not in known and f.name != manifests.NAME
    ]
    return labels, force_sets, skipped


def _is_labels(path: Path) -> bool:
    """Whether a file of a folder is one to read; not what a calculation left beside its label."""
    code = code_of(path)
    return code is not None and not told_elsewhere(path, code)


def _told(paths: Sequence[MigrationCase]) -> Iterator[str]:
    """What was mended or is missing, each thing once, with the paths that it is true of."""
    said: dict[str, list[str]] = {}
    for case in paths:
        for note in case.notes:
            said.setdefault(note, []).append(case.name)
    for note, names in said.items():
        yield f"path{'' if len(names) == 1 else 's'} {', '.join(names)}: {note}."


def _read_force_sets(
    force_sets: Mapping[str, Path], level: LevelOfTheory, *, trust_order: bool
) -> tuple[list[PhononCase], dict[str, str]]:
    """Cases, and why others cannot be used, by name."""
    cases: list[PhononCase] = []
    left_out: dict[str, str] = {}
    for name, path in force_sets.items():
        try:
            cases.append(phonopy_files.read(path, level, name, trust_order=trust_order))
        except DataError as error:
            left_out[name] = str(error)
    return cases, left_out


def _told_of_phonons(phonons: Sequence[PhononCase], left_out: Mapping[str, str]) -> Iterator[str]:
    if phonons:
        names = ", ".join(case.name for case in phonons)
        yield f"cells of {names} are taken to be relaxed in DFT, as nothing in phonopy's files says."
    for case in phonons:
        yield from (f"{case.name}: {note}." for note in case.notes)
    number = len(phonons) + len(left_out)
    for count, reason in enumerate(left_out.values(), start=1):
        yield f"force sets left out, {count} of {len(left_out)} (there are {number}): {reason}."


def allowed() -> str:
    """What can be read, for messages."""
    return (
        f"{FORMAT}; or {PATH_FORMAT}; or an ASE database (*.db) or trajectory (*.traj), output of VASP "
        "(vasprun.xml, OUTCAR, both also .gz), of Quantum ESPRESSO's pw.x or of GPAW, "
        f"{phonopy_files.FORMAT}, or a folder of such files"
    )


def _read_file(path: Path, reading: LabelReading) -> Iterator[Result | RefusedResult | PathFrame]:
    code = code_of(path)
    if code is Code.EXTXYZ:
        yield from _read_xyz(path, reading)
    else:
        yield from read_labels(path, code, reading)


def _read_xyz(path: Path, reading: LabelReading) -> Iterator[Result | RefusedResult | PathFrame]:
    """Frames and images of paths; an image that is not as it should be cannot be left out of its path."""
    try:
        for index, atoms in enumerate(extxyz.read_structures(path)):
            where = f"{path}, frame {index}"
            if is_image(atoms):
                yield path_frame(where, with_standard_names(where, atoms, reading))
            else:
                yield labelled(where, atoms, reading)
    except ReadingError as error:
        # What is expected is said once for all that is refused.
        reason, _, _ = str(error).partition("; expected ")
        yield RefusedResult(str(path), reason.removeprefix(str(path)).lstrip(", "))


def as_frame(result: Result, index: int) -> Frame:
    """A result as a frame of the material that it names, else of its reduced formula."""
    geometry = geometry_of(result.atoms)
    system = str(result.atoms.info.get(SYSTEM) or composition(geometry))
    geometry.info["system"] = f"{system}, frame {index}"
    return Frame(geometry, result.energy, result.forces, result.stress, system, index)


def _told_of_labels(
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
        yield (
            f"{len(refused)} entries of {n_files} file{'' if n_files == 1 else 's'} were left out, "
            f"{len(results)} labels are used: {named}{more}."
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
    virials = Counter(key for r in results for key in virials_unused(r))
    for key, n in virials.items():
        yield (
            f"{n} frames have {key} and no {STRESS}: virials are no stress and are not used; write "
            f"-virial/volume (eV/Å³) as {STRESS}, or give --virial-key {key} if that is what they are (GAP, "
            "MACE, GPUMD and DeePMD have this sign)."
        )


def virials_unused(result: Result) -> Iterator[str]:
    """Names of virials that a label without a stress has."""
    if result.stress is None:
        names = dict.fromkeys(key for each in KNOWN for key in each.virials)
        yield from (key for key in names if key in result.atoms.info)


def _digest(files: list[Path]) -> str:
    if len(files) == 1:
        return hashlib.sha256(files[0].read_bytes()).hexdigest()
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    return hashlib.sha256("".join(digests).encode()).hexdigest()
