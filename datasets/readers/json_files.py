"""JSON of pymatgen, CHGNet, MatPES and ASE.

Stresses of CHGNet's MPtrj are VASP's, in kbar: its own loader multiplies by -0.1 to have GPa of ASE's sign
(``chgnet.data.dataset``, https://github.com/CederGroupHub/chgnet/issues/228). Those of MatPES are VASP's too,
six numbers in Voigt order (https://github.com/materialyzeai/matpes/issues/6, ``matgl.utils.training``,
``MLTrainDoc`` of emmet-core). Nothing says what those of other records and of pymatgen's entries are.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from umlip_bench.datasets.label_names import FACTORS
from umlip_bench.datasets.readers.result import (
    UNKNOWN,
    Code,
    Read,
    RefusedResult,
    Result,
    full_stress,
    is_part,
    of_numbers,
    without_forces,
)
from umlip_bench.datasets.readers.xyz import read_database
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.label_reading import AS_FOUND, LabelReading, StressUnit
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.structures import READER_ERRORS, from_pymatgen_json

MAX_BYTES = 2_000_000_000
"""Of a file that is read as a whole; JSON with a record a line has no limit."""
LINES = (".jsonl", ".jsonl.gz", ".ndjson")
MARKS_OF_MATPES = ("matpes_id", "cohesive_energy_per_atom", "abs_forces")
FUNCTIONALS = {
    "GGA": "PBE",
    "GGA+U": "PBE",
    "PBE": "PBE",
    "PBE+U": "PBE",
    "PBESOL": "PBEsol",
    "SCAN": "SCAN",
    "R2SCAN": "r2SCAN",
}
"""What run types of the Materials Project and MatPES stand for."""


@dataclass(frozen=True)
class _Form:
    """What the labels of a record are called, and what its stress is in."""

    code: Code
    energy: str
    forces: str
    stress: StressUnit | None


CHGNET = _Form(Code.CHGNET, "uncorrected_total_energy", "force", StressUnit.VASP)
MATPES = _Form(Code.MATPES, "energy", "forces", StressUnit.VASP)
ENTRY = _Form(Code.PYMATGEN, "energy", "forces", None)
OTHER = _Form(Code.JSON, "energy", "forces", None)


def read(path: Path, reading: LabelReading = AS_FOUND) -> Read:
    """Labelled structures of a file, which may be compressed by gzip, or have a record a line.

    Raises
    ------
    DataError
        If it is too large to be read as a whole, or holds no structures.
    """
    if path.name.lower().endswith(LINES):
        with _opened(path) as stream:
            for k, line in enumerate(stream):
                if line.strip():
                    yield _labelled(f"{path}, line {k + 1}", json.loads(line), reading)
        return
    if path.stat().st_size > MAX_BYTES:
        raise DataError(
            f"{path} is larger than {MAX_BYTES / 1e9:.0f} GB; write its records one a line, as .jsonl"
        )
    with _opened(path) as stream:
        content = json.load(stream)
    if isinstance(content, dict) and "ids" in content and "nextid" in content:
        yield from read_database(path, reading)
        return
    n = 0
    for name, record in _records(content):
        yield _labelled(f"{path}, {name}", record, reading)
        n += 1
    if n == 0:
        raise DataError(f"{path}: it holds no records with a structure")


def _opened(path: Path) -> IO[str]:
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _records(content: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Mappings with a structure, by where they are: in lists and mappings, at most two in each other."""
    if isinstance(content, list):
        for k, each in enumerate(content):
            yield from _records(each, f"{name}record {k}")
    elif not isinstance(content, dict):
        return
    elif "lattice" in content and "sites" in content:
        yield name or "structure", {"structure": content}
    elif isinstance(content.get("structure"), list):
        # CHGNet's own form of a calculation: a list for each label.
        columns = {k: v for k, v in content.items() if isinstance(v, list)}
        for k in range(len(content["structure"])):
            yield f"{name}record {k}", {key: v[k] for key, v in columns.items() if k < len(v)}
    elif "structure" in content or "@class" in content:
        yield name or "record", content
    else:
        for key, each in content.items():
            if isinstance(each, dict | list):
                yield from _records(each, f"{name} {key}".strip())


def _labelled(where: str, record: object, reading: LabelReading) -> Result | RefusedResult:
    if not isinstance(record, dict) or not isinstance(record.get("structure"), dict):
        kind = record.get("@class", "") if isinstance(record, dict) else ""
        return RefusedResult(where, f"it has no structure{f' ({kind})' if kind else ''}")
    try:
        atoms = from_pymatgen_json(record["structure"])
    except READER_ERRORS as error:
        return RefusedResult(where, f"its structure cannot be read ({error})")
    data = record.get("data")
    # What is said of an entry, its role for one, goes with the structure.
    labels = {**(data if isinstance(data, dict) else {}), **record}
    atoms.info |= {k: v for k, v in labels.items() if isinstance(v, str | int | float)}
    form = _form(record)
    energy = reading.energy_key or form.energy
    forces = reading.forces_key or form.forces
    if is_part(atoms) and labels.get(forces) is None:
        labels[forces] = without_forces(atoms)
    lacking = [key for key in (energy, forces) if labels.get(key) is None]
    if lacking:
        there = ", ".join(key for key in labels if not key.startswith("@"))
        bare = not any(labels.get(key) is not None for key in (energy, forces))
        return RefusedResult(
            where, f"it has no {' and no '.join(lacking)}; there are {there}", bare
        )
    result = of_numbers(
        where, form.code, atoms, labels[energy], labels[forces], None, _level(record)
    )
    return (
        _with_stress(result, labels, form.stress, reading) if isinstance(result, Result) else result
    )


def _form(record: Mapping[str, Any]) -> _Form:
    if str(record.get("@class", "")).startswith("Computed"):
        return ENTRY
    if CHGNET.energy in record or ("force" in record and "forces" not in record):
        return CHGNET
    return MATPES if any(mark in record for mark in MARKS_OF_MATPES) else OTHER


def _with_stress(
    result: Result, labels: Mapping[str, Any], known: StressUnit | None, reading: LabelReading
) -> Result | RefusedResult:
    """The result with its stress, if it has one of a unit that is known."""
    given = labels.get(reading.stress_key or "stress")
    if given is None:
        return result
    unit = reading.stress_unit or known
    if unit is None:
        remark = "stresses are not used, as nothing says what they are in; --stress-unit says it"
        return result.remarked(remark)
    stress = np.array(given, dtype=float)
    if stress.size not in (6, 9):
        return RefusedResult(
            result.where, f"its stress has {stress.size} numbers, needed are 9 or 6"
        )
    return result.with_stress(FACTORS[unit] * full_stress(stress))


def _level(record: Mapping[str, Any]) -> LevelOfTheory:
    """What a record says of its level of theory."""
    parameters = record.get("parameters")
    parameters = parameters if isinstance(parameters, dict) else {}
    named = parameters.get("run_type") or record.get("functional")
    functional = FUNCTIONALS.get(str(named).upper())
    if functional is None:
        return UNKNOWN
    hubbards = parameters.get("hubbards") or {}
    with_u = str(named).upper().endswith("+U") or any(hubbards.values())
    return LevelOfTheory(functional, "as in the entries" if with_u else None)
