"""Parquet tables with a row for each structure, as OMat24 and ColabFit's sets are handed on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ase import Atoms

from umlip_bench.datasets.label_names import KNOWN
from umlip_bench.datasets.readers.result import Code, Read, RefusedResult
from umlip_bench.datasets.readers.xyz import labelled
from umlip_bench.ground.label_reading import AS_FOUND, LabelReading

GEOMETRY = (("atomic_numbers", "numbers"), ("positions", "pos"), ("cell",))
"""Columns that make a structure, each by one of these names."""
FORCES = frozenset(names.forces for names in KNOWN)
ROWS = 1000
"""That are in memory at once."""


def read(path: Path, reading: LabelReading = AS_FOUND) -> Read:
    """Rows with ``positions``, ``cell`` and ``atomic_numbers``, and labels under names that are known."""
    import pyarrow.parquet  # slow

    table = pyarrow.parquet.ParquetFile(path)
    columns = table.schema_arrow.names
    chosen = [next((name for name in names if name in columns), None) for names in GEOMETRY]
    lacking = [names[0] for names, name in zip(GEOMETRY, chosen, strict=True) if name is None]
    if lacking:
        yield RefusedResult(
            str(path), f"it has no column {', '.join(lacking)}; there are {', '.join(columns)}"
        )
        return
    number = 0
    for batch in table.iter_batches(ROWS):
        for row in batch.to_pylist():
            yield labelled(f"{path}, row {number}", _atoms(row, chosen), reading, Code.PARQUET)
            number += 1


def _atoms(row: Mapping[str, object], chosen: list[str | None]) -> Atoms:
    """The structure of a row, with all else under the name of its column."""
    numbers, positions, cell = (np.array(row[str(name)]) for name in chosen)
    atoms = Atoms(numbers, positions.reshape(-1, 3), cell=cell.reshape(3, 3))
    atoms.pbc = row.get("pbc", True)
    for name, value in row.items():
        if name in (*chosen, "pbc") or value is None:
            continue
        if name in FORCES and np.size(np.array(value)) == 3 * len(atoms):
            # Some tables have them as one row of numbers.
            atoms.arrays[name] = np.array(value, dtype=float).reshape(-1, 3)
        else:
            atoms.info[name] = np.array(value) if isinstance(value, list) else value
    return atoms
