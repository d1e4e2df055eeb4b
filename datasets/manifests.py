"""Manifests: what a data set says of itself, in a YAML file beside its files.

```yaml
level_of_theory: {functional: PBE}      # needed; hubbard_u, pseudopotentials, energy_corrections if any
title: Rattled cells of my compound     # the rest may be left out
settings: VASP 6.4, 520 eV
source: this work
licence: CC-BY-4.0
citation: Doe et al. (2026)
caveats: [Two frames have coarse k-points.]
files: {my.xyz: 3d9c...}                # sha256
mu: {Mg: -1.5, O: -4.9}                 # chemical potentials for defects, eV/atom
teacher: {name: nequix-omat-1, sha256: 5e1f...}  # of labels that a potential gave, not DFT
```
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from umlip_bench.datasets.dataset import Manifest
from umlip_bench.datasets.teacher import Teacher
from umlip_bench.ground import codec
from umlip_bench.ground.elements import SYMBOLS
from umlip_bench.ground.errors import ContentError, DataError
from umlip_bench.ground.files import write_atomically
from umlip_bench.ground.level_of_theory import LevelOfTheory

NAME = "manifest.yaml"
"""Of a folder's manifest."""

NOT_STATED = "not stated"
MAX_BYTES = 1_000_000


@dataclass(frozen=True)
class _Content:
    """What may stand in the file."""

    level_of_theory: LevelOfTheory
    id: str | None = None
    title: str | None = None
    settings: str | None = None
    source: str | None = None
    licence: str | None = None
    citation: str | None = None
    caveats: tuple[str, ...] | None = None
    files: Mapping[str, str] | None = None
    teacher: Teacher | None = None
    mu: Mapping[str, float] | None = None


def path_of(data: Path) -> Path:
    """Where the manifest of a user's data is: in the folder, or beside ``my.xyz`` as ``my.manifest.yaml``."""
    return data / NAME if data.is_dir() else data.with_suffix(f".{NAME}")


def parse(
    text: str | bytes, where: str, id: str | None = None
) -> tuple[Manifest, Mapping[str, str]]:
    """Read a manifest.

    Parameters
    ----------
    text
        As above.
    where
        Names it in messages.
    id
        Of the data set, in place of the manifest's.

    Returns
    -------
    Manifest
        With `NOT_STATED` where nothing is said.
    Mapping
        sha256 of files by name, as far as they are given.

    Raises
    ------
    DataError
        If it is no YAML, lacks the functional or has a field that no manifest has.
    """
    try:
        content = codec.parse(_Content, codec.load_yaml(text, where, MAX_BYTES), where)
    except ContentError as error:
        raise DataError(
            f"{error}; needed is at least `level_of_theory: {{functional: PBE}}`"
        ) from error
    for symbol, energy in (content.mu or {}).items():
        if symbol not in SYMBOLS or not math.isfinite(energy):
            raise DataError(
                f"{where}: mu has {symbol}: {energy}; it must be elements with energies in eV/atom, as "
                "`mu: {Mg: -1.5, O: -4.9}`"
            )
    name = id or content.id or where
    manifest = Manifest(
        id=name,
        title=content.title or f"user's data {name}",
        level_of_theory=content.level_of_theory,
        settings=content.settings or NOT_STATED,
        source=content.source or NOT_STATED,
        licence=content.licence or NOT_STATED,
        citation=content.citation or NOT_STATED,
        caveats=content.caveats or (),
        teacher=content.teacher,
        mu=content.mu or {},
    )
    return manifest, content.files or {}


def of_users_data(data: Path) -> Manifest:
    """Manifest of a user's file or folder; of an unknown level of theory where there is none.

    Raises
    ------
    DataError
        As `parse`; and if a file is not the one that the manifest was written for.
    """
    path = path_of(data)
    if not path.is_file():
        return Manifest(
            id=data.name,
            title=f"user's data {data.name}",
            level_of_theory=LevelOfTheory("unknown"),
            settings=NOT_STATED,
            source=str(data),
            licence=NOT_STATED,
            citation=NOT_STATED,
        )
    manifest, hashes = parse(path.read_bytes(), str(path), data.name)
    for name, published in hashes.items():
        file = path.parent / name
        if not file.resolve().is_relative_to(path.parent.resolve()):
            raise DataError(f"{path} names {name}, which is outside its folder; take it out")
        if not file.is_file():
            raise DataError(f"{path} names {name}, which is not there; put it back, or take it out")
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if digest != published:
            raise DataError(
                f"{file} has sha256 {digest}, {path} says {published}: it is not the file that the "
                "manifest was written for; if it should be, take the hash out"
            )
    return manifest


def write(path: Path, manifest: Manifest, files: Iterable[Path] = ()) -> None:
    """Write a manifest, with the sha256 of files beside it that must not change."""
    entry: dict[str, Any] = asdict(manifest)
    entry["level_of_theory"] = {k: v for k, v in entry["level_of_theory"].items() if v is not None}
    entry["caveats"] = list(manifest.caveats)
    if manifest.teacher is None:
        del entry["teacher"]
    if not manifest.mu:
        del entry["mu"]
    if hashes := {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}:
        entry["files"] = hashes
    text = yaml.safe_dump(entry, sort_keys=False, allow_unicode=True, width=100)
    write_atomically(path, lambda file: file.write(text.encode()))
