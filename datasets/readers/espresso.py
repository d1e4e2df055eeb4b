"""Output of Quantum ESPRESSO's pw.x."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import ase.io
from ase.units import Ry

from umlip_bench.datasets.readers.result import Code, Read, RefusedResult, Result, of_calculator
from umlip_bench.ground.level_of_theory import LevelOfTheory

FIRST_ORDER = ("fermi-dirac", "gaussian")
"""Smearings of which half of -TS is taken off to come to zero width; for others Quantum ESPRESSO's energy
is near it as it is."""

FUNCTIONALS = (
    ("R2SCAN", "r2SCAN"),
    ("SCAN", "SCAN"),
    ("PBESOL", "PBEsol"),
    ("PSX PSC", "PBEsol"),
    ("RPBE", "RPBE"),
    ("PBE", "PBE"),
    ("PBX PBC", "PBE"),
    ("PZ", "LDA"),
)
"""Parts of pw.x's line on exchange and correlation, the first that fits."""


def read(path: Path) -> Read:
    """Geometries of an output of pw.x."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if "convergence NOT achieved" in text:
        yield RefusedResult(
            str(path),
            "not self-consistent (convergence NOT achieved); raise electron_maxstep or lower mixing_beta",
        )
        return
    if "JOB DONE" not in text:
        yield RefusedResult(str(path), "the calculation was cut off (no JOB DONE)")
        return
    steps = ase.io.read(path, index=":", format="espresso-out")
    smearing = re.search(r"number of k points=\s*\d+\s+(.*?)\s*smearing", text)
    first_order = smearing is not None and smearing.group(1).strip().lower() in FIRST_ORDER
    entropies = [
        float(x) * Ry for x in re.findall(r"smearing contrib\. \(-TS\)\s*=\s*(\S+) Ry", text)
    ]
    level, procedure = _level(text), "relaxation" if "Geometry Optimization" in text else ""
    for k, atoms in enumerate(steps):
        where = str(path) if len(steps) == 1 else f"{path}, ionic step {k}"
        result = of_calculator(where, Code.ESPRESSO, atoms, level, procedure)
        if isinstance(result, Result) and first_order and len(entropies) == len(steps):
            free = result.energy
            # F = E - TS; energies at zero width lie halfway between the two.
            yield replace(result, energy=free - 0.5 * entropies[k], free_energy=free)
        else:
            yield result


def _level(text: str) -> LevelOfTheory:
    line = re.search(r"Exchange-correlation\s*=\s*(.*)", text)
    named = "" if line is None else line.group(1).upper()
    functional = next((name for part, name in FUNCTIONALS if part in named), "unknown")
    hubbard = "in the output" if re.search(r"Hubbard (U|projectors)|LDA\+U", text) else None
    return LevelOfTheory(functional, hubbard)
