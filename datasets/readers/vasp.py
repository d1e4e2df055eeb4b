"""VASP's vasprun.xml: ionic steps that are self-consistent, at which level, as part of what."""

from __future__ import annotations

import gzip
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO

import ase.io
from ase import Atoms
from ase.io.vasp import read_vasp_xml

from umlip_bench.datasets.readers.result import Code, Read, RefusedResult, of_calculator
from umlip_bench.datasets.readers.vasp_settings import (
    NELM,
    VaspSettings,
    level_of,
    not_self_consistent,
    of_machine_learning,
    procedure_of,
)

OF_RESPONSE = "response functions"
"""VASP 5 has a second NELM among these, which limits nothing else."""

DEEPEST = 50
"""Elements in each other; VASP's are 8 deep, and freeing many takes a parser for ever."""


def read(path: Path) -> Read:
    """Ionic steps of a vasprun.xml or vasprun.xml.gz; self-consistency is judged as pymatgen does, by NELM.

    Steps of VASP's machine-learned force field are no DFT: they are skipped, and counted in one refusal.
    """
    settings = _settings(path)
    electronic = settings.electronic_steps
    most = int(settings.number("NELM", NELM))
    level, procedure = level_of(settings), procedure_of(settings, path)
    learned = {k for k, n in enumerate(electronic) if n == 0}
    n_learned = len(learned) + settings.n_outside
    steps = _steps(path, learned)
    if not steps and not n_learned:
        yield RefusedResult(str(path), "it holds no ionic step")
    kept = [k for k in range(len(steps) + len(learned)) if k not in learned]
    for k, atoms in zip(kept, steps, strict=False):
        where = str(path) if len(kept) == 1 else f"{path}, ionic step {k}"
        if k >= len(electronic):
            yield RefusedResult(where, "the calculation was cut off")
        elif electronic[k] >= most:
            yield RefusedResult(where, not_self_consistent(electronic[k], most))
        else:
            yield of_calculator(where, Code.VASP, atoms, level, procedure)
    if n_learned:
        yield RefusedResult(str(path), of_machine_learning(n_learned))


def _steps(path: Path, learned: set[int]) -> list[Atoms]:
    if not learned:
        return list(ase.io.read(path, index=":", format="vasp-xml"))
    # ASE's reader needs an electronic step in each.
    with _opened(path) as stream:
        root = ElementTree.parse(stream).getroot()
    for k, element in enumerate(root.findall("calculation")):
        if k in learned:
            root.remove(element)
    if root.find("calculation") is None:
        return []
    return list(read_vasp_xml(BytesIO(ElementTree.tostring(root)), index=slice(None)))


def _opened(path: Path) -> IO[bytes]:
    if path.name.endswith(".gz"):
        return gzip.open(path, "rb")  # type: ignore[return-value]
    return path.open("rb")


def _settings(path: Path) -> VaspSettings:
    found = VaspSettings()
    inside = depth = 0
    with _opened(path) as stream:
        try:
            for event, element in ElementTree.iterparse(stream, events=("start", "end")):
                depth += 1 if event == "start" else -1
                if depth > DEEPEST:
                    raise ValueError(f"elements are nested deeper than {DEEPEST}")
                if element.tag in ("calculation", "primitive_cell"):
                    inside += 1 if event == "start" else -1
                if event == "start":
                    continue
                if element.tag == "calculation":
                    found.electronic_steps.append(len(element.findall("scstep")))
                    element.clear()
                elif element.tag == "incar":
                    found.incar = dict(_tags(element))
                elif element.tag == "parameters":
                    found.parameters = dict(_tags(element))
                elif element.tag == "atominfo":
                    found.potcars = _potcars(element)
                elif element.tag == "structure" and not inside and element.get("name") is None:
                    found.n_outside += 1
        except ElementTree.ParseError:
            pass
    return found


def _tags(element: ElementTree.Element) -> Iterator[tuple[str, str]]:
    for child in element:
        if child.tag == "separator":
            if child.get("name") != OF_RESPONSE:
                yield from _tags(child)
        elif child.tag in ("i", "v") and child.get("name"):
            yield str(child.get("name")).upper(), child.text or ""


def _potcars(element: ElementTree.Element) -> list[tuple[str, str]]:
    rows = element.findall("array[@name='atomtypes']/set/rc")
    cells = [[(c.text or "").strip() for c in row.findall("c")] for row in rows]
    return [(cell[1], cell[-1]) for cell in cells if len(cell) > 4]
