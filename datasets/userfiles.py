"""A user's own reference data, in any form that people have them, or a folder of such files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Never

from umlip_bench.datasets import (
    curves,
    extxyz,
    manifests,
    neb_folders,
    phonon_files,
    understanding,
    user_caveats,
    values_cases,
    values_table,
)
from umlip_bench.datasets.cases import MigrationCase, ReferenceCase
from umlip_bench.datasets.dataset import Dataset
from umlip_bench.datasets.extxyz import ReadingError
from umlip_bench.datasets.frame import Frame
from umlip_bench.datasets.label_names import listed, present
from umlip_bench.datasets.labels import (
    FORMAT,
    frames_cases,
    geometry_of,
    with_standard_names,
)
from umlip_bench.datasets.levels import common_level, stated_level, with_tables
from umlip_bench.datasets.paths import PATH_FORMAT, PathFrame, is_image, migration_cases, path_frame
from umlip_bench.datasets.phonon_files import PhononReference
from umlip_bench.datasets.readers import (
    EXPECTED,
    Code,
    RefusedResult,
    Result,
    code_of,
    read_labels,
)
from umlip_bench.datasets.readers.result import is_part
from umlip_bench.datasets.readers.xyz import labelled
from umlip_bench.datasets.role_cases import role_cases
from umlip_bench.datasets.roles import ROLE_FORMAT, role_point
from umlip_bench.datasets.user_caveats import NAMED
from umlip_bench.datasets.user_folder import contents
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.label_reading import AS_FOUND, LabelReading
from umlip_bench.ground.level_of_theory import LevelOfTheory


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
    there = contents(path)
    if not there:
        raise DataError(f"{path} holds no file to read; expected {allowed()}")
    found = _read_labels(there.labels, reading)
    parts, results, refused = found.parts, found.results, [*found.refused]
    bands = {name: neb_folders.read(folder, name) for name, folder in there.bands.items()}
    images = [*found.images, *chain.from_iterable(band.images for band in bands.values())]
    check_stress_key(path, results, reading)
    manifest = manifests.of_users_data(path)
    stated, said_by = stated_level(manifest.level_of_theory, reading)
    of_images = [result for band in bands.values() for result in band.results]
    systems = [as_frame(r, 0).system for r in (*results, *of_images)]
    level = common_level([*results, *of_images], systems, stated, said_by) or stated
    level = with_tables(level, there.tables, said_by, len(results))
    values: list[ReferenceCase] = []
    for table in there.tables:
        of_table, lines = values_cases.cases(table, level)
        values += of_table
        refused += [*table.refused, *lines]
    phonons, left_out = _read_phonons(there.phonons, level, trust_order=trust_order)
    if not (found.frames or images or phonons or parts or values):
        _refuse_all(path, refused, left_out)
    paths = _paths(path, images, level)
    by_roles = _by_roles(path, parts, level, manifest.mu)
    caveats = (
        *manifest.caveats,
        *user_caveats.of_experiment(level),
        *user_caveats.of_labels(results, refused, level, stated),
        *user_caveats.of_paths(paths),
        *(said for name, band in bands.items() if (said := neb_folders.told(name, band.images))),
        *user_caveats.of_phonons(phonons, left_out),
    )
    understood = (
        *understanding.of_labels(results, reading),
        *understanding.of_roles(by_roles, parts),
        *understanding.of_curves(found.on_curves),
        *(understanding.of_table(table, values) for table in there.tables),
        *(understanding.of_band(name, band.images) for name, band in bands.items()),
        understanding.of_level(level, said_by if level == stated else "the data"),
        *understanding.of_skipped(there.skipped),
    )
    return Dataset(
        replace(manifest, level_of_theory=level, caveats=caveats),
        (*frames_cases(found.frames, level), *by_roles, *values, *paths, *phonons),
        _digest([*there.sources, *chain.from_iterable(b.sources for b in bands.values())]),
        understood,
    )


@dataclass(frozen=True, eq=False)
class _Labels:
    """What files of labels hold, by what becomes of it.

    Parameters
    ----------
    frames
        States of a material.
    parts
        Structures that play a part in a case, those of curves among them.
    on_curves
        Those that were recognised as points of a curve, by its name.
    results
        All of these, each once.
    images
        Of migration paths.
    refused
        What cannot be used.
    """

    frames: Sequence[Frame]
    parts: Sequence[Result]
    on_curves: Mapping[str, Sequence[Result]]
    results: Sequence[Result]
    images: Sequence[PathFrame]
    refused: Sequence[RefusedResult]


def _read_labels(files: Sequence[Path], reading: LabelReading) -> _Labels:
    found = list(chain.from_iterable(_read_file(file, reading) for file in files))
    on_curves = curves.recognised([each for each in found if not isinstance(each, PathFrame)])
    of_curve = {each.where for members in on_curves.values() for each in members}
    parts = [each for each in found if isinstance(each, Result) and is_part(each.atoms)]
    parts += chain.from_iterable(on_curves.values())
    states = [
        (index, each)
        for index, each in enumerate(found)
        if isinstance(each, Result) and not is_part(each.atoms)
        if each.where not in of_curve or curves.has_states(each)
    ]
    return _Labels(
        frames=[as_frame(each, index) for index, each in states],
        parts=parts,
        on_curves=on_curves,
        results=[*parts, *(each for _, each in states if each.where not in of_curve)],
        images=[each for each in found if isinstance(each, PathFrame)],
        refused=[
            each for each in found if isinstance(each, RefusedResult) and each.where not in of_curve
        ],
    )


def _paths(
    path: Path, images: Sequence[PathFrame], level: LevelOfTheory
) -> tuple[MigrationCase, ...]:
    try:
        return migration_cases(images, level)
    except DataError as error:
        raise DataError(f"{path} has migration paths that cannot be used:\n{error}") from error


def _by_roles(
    path: Path, parts: Sequence[Result], level: LevelOfTheory, potentials: Mapping[str, float]
) -> tuple[ReferenceCase, ...]:
    try:
        return role_cases([role_point(each) for each in parts], level, potentials)
    except DataError as error:
        raise DataError(f"{path} has structures with roles that do not fit:\n{error}") from error


def check_stress_key(path: Path | str, results: Sequence[Result], reading: LabelReading) -> None:
    """Refuse a name of stresses or virials that no label has: it is a slip.

    Raises
    ------
    DataError
        With the name, the option, and what the labels have.
    """
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


def _read_phonons(
    files: Mapping[str, Path], level: LevelOfTheory, *, trust_order: bool
) -> tuple[list[PhononReference], dict[str, str]]:
    """Cases, and why others cannot be used, by name."""
    cases: list[PhononReference] = []
    left_out: dict[str, str] = {}
    for name, path in files.items():
        try:
            cases.append(phonon_files.read(path, level, name, trust_order=trust_order))
        except DataError as error:
            left_out[name] = str(error)
    return cases, left_out


def allowed() -> str:
    """What can be read, for messages."""
    return (
        f"{FORMAT}; or {ROLE_FORMAT}; or {values_table.FORMAT}; or {PATH_FORMAT}; or {EXPECTED}; "
        f"{phonon_files.FORMAT}, or a folder of such files"
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
    geometry, system = geometry_of(result.atoms), understanding.system_of(result)
    geometry.info["system"] = f"{system}, frame {index}"
    return Frame(geometry, result.energy, result.forces, result.stress, system, index)


def _digest(files: list[Path]) -> str:
    if len(files) == 1:
        return hashlib.sha256(files[0].read_bytes()).hexdigest()
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    return hashlib.sha256("".join(digests).encode()).hexdigest()
