"""GPAW's text and its gpw."""

from __future__ import annotations

import re
from pathlib import Path

import ase.io

from umlip_bench.datasets.readers.result import UNKNOWN, Code, Read, RefusedResult, of_calculator
from umlip_bench.ground.level_of_theory import LevelOfTheory


def read(path: Path) -> Read:
    """Geometries of a text or a gpw."""
    binary = path.suffix.lower() == ".gpw"
    level = UNKNOWN
    if not binary:
        text = path.read_text(encoding="utf-8", errors="replace")
        if "Did not converge" in text or "Converged after" not in text:
            yield RefusedResult(str(path), "not self-consistent, or cut off; raise maxiter")
            return
        named = re.search(r"Using the (\S+) Exchange-Correlation functional", text)
        level = UNKNOWN if named is None else LevelOfTheory(named.group(1))
    steps = ase.io.read(path, index=":", format="gpw" if binary else "gpaw-out")
    for k, atoms in enumerate(steps):
        where = str(path) if len(steps) == 1 else f"{path}, step {k}"
        yield of_calculator(where, Code.GPAW, atoms, level)
