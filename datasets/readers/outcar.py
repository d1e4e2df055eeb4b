"""VASP's OUTCAR, by the same rules as its vasprun.xml; ASE's parser reads each ionic step."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from ase.io.vasp_parsers.vasp_outcar_parsers import (
    OutcarChunkParser,
    OutcarHeaderParser,
    outcarchunks,
)

from umlip_bench.datasets.readers.result import Code, Read, RefusedResult, of_calculator
from umlip_bench.datasets.readers.vasp_settings import (
    BAND,
    NELM,
    VaspSettings,
    level_of,
    not_self_consistent,
    of_machine_learning,
    procedure_of,
)

TAGS = [
    "NELM",
    "NSW",
    "IBRION",
    "IMAGES",
    "GGA",
    "METAGGA",
    "LHFCALC",
    "AEXX",
    "HFSCREEN",
    "IVDW",
    "LUSE_VDW",
]
ITERATION = re.compile(r"Iteration\s+(\d+)\(\s*(\d+)\)")
LEARNED = "ML FREE ENERGIE"
"""What VASP writes of a step that its machine-learned force field made."""
MARKS_OF_BAND = ("CHAIN + TOTAL", "NEB: Tangent", "NEB: projections")
"""What VASP, or the VTST tools, write of an image of a band."""


def read(path: Path) -> Read:
    """Ionic steps of an OUTCAR, which may be compressed by gzip.

    Raises
    ------
    ParseError
        If there is no electronic step in it.
    """
    with _opened(path) as stream:
        text = stream.read()
    n_learned = text.count(LEARNED)
    if n_learned:
        yield RefusedResult(str(path), of_machine_learning(n_learned))
        if not ITERATION.search(text):
            return
    with _opened(path) as stream:
        # Constraints of a POSCAR that lies beside it are of no use, and may be another's.
        chunks = outcarchunks(stream, OutcarChunkParser(), OutcarHeaderParser(workdir=None))
        computed = [chunk for chunk in chunks if LEARNED not in "".join(chunk.lines)]
    settings = _settings(text)
    most = int(settings.number("NELM", NELM))
    level, procedure = level_of(settings), procedure_of(settings, path)
    if any(mark in text for mark in MARKS_OF_BAND):
        procedure = BAND
    for k, chunk in enumerate(computed):
        where = str(path) if len(computed) == 1 else f"{path}, ionic step {k}"
        electronic = _electronic_steps(chunk.lines)
        if electronic >= most:
            yield RefusedResult(where, not_self_consistent(electronic, most))
            continue
        yield of_calculator(where, Code.VASP, chunk.build(), level, procedure)
    begun = {step for step, _ in ITERATION.findall(text)}
    if len(begun) > len(computed):
        yield RefusedResult(f"{path}, ionic step {len(computed)}", "the calculation was cut off")


def _opened(path: Path) -> TextIO:
    if path.name.endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8", errors="replace")
    return path.open(encoding="utf-8", errors="replace")


def _electronic_steps(lines: Sequence[str]) -> int:
    """Of an ionic step. The line that announces the very first one belongs to the header."""
    return max((int(n) for _, n in ITERATION.findall("".join(lines))), default=1)


def _settings(text: str) -> VaspSettings:
    """Tags from the list of parameters, or else from the echo of the INCAR that VASP 6 writes before it."""
    head, _, _ = text.partition(" Iteration ")
    parameters = {}
    for tag in TAGS:
        values = re.findall(rf"(?m)(?:^|;)[ \t]*{tag}[ \t]*=[ \t]*([^;\n]*)", head)
        if values:
            # In the list, words that explain the tag follow.
            parameters[tag] = next(iter(values[-1].split()), "")
    if parameters.get("METAGGA") == "F":
        del parameters["METAGGA"]
    of_u = re.search(r"LDAUU\s*=\s*([-\d. \t]+)", head)
    if "LDA+U is selected" in head and of_u:
        parameters |= {"LDAU": "T", "LDAUU": of_u.group(1)}
    elements = re.findall(r"(?m)^\s*VRHFIN\s*=\s*(\w+)", head)
    titles = re.findall(r"(?m)^\s*TITEL\s*=\s*(.*?)\s*$", head)
    return VaspSettings(parameters=parameters, potcars=list(zip(elements, titles, strict=False)))
