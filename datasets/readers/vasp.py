"""VASP's vasprun.xml: ionic steps that are self-consistent, at which level, as part of what."""

from __future__ import annotations

import gzip
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO

import ase.io
from ase import Atoms
from ase.io.vasp import read_vasp_xml

from umlip_bench.datasets.readers.result import Code, Read, RefusedResult, of_calculator
from umlip_bench.ground.level_of_theory import LevelOfTheory

NELM = 60
"""VASP's default of the most electronic steps."""
OF_RESPONSE = "response functions"
"""VASP 5 has a second NELM among these, which limits nothing else."""

GGA = {
    "PE": "PBE",
    "PS": "PBEsol",
    "RP": "RPBE",
    "RE": "revPBE",
    "91": "PW91",
    "AM": "AM05",
    "CA": "LDA",
    "PZ": "LDA",
    "OR": "optPBE",
    "BO": "optB88",
    "MK": "optB86b",
    "BF": "BEEF",
}
METAGGA = {"R2SCAN": "r2SCAN", "RSCAN": "rSCAN", "RTPSS": "revTPSS", "M06L": "M06-L"}
DISPERSION = {1: "D2", 10: "D2", 11: "D3", 12: "D3(BJ)", 13: "D4", 2: "TS", 20: "TS", 202: "MBD"}
PROCEDURES = {
    0: "molecular dynamics",
    1: "relaxation",
    2: "relaxation",
    3: "relaxation",
    5: "phonon calculation",
    6: "phonon calculation",
    7: "phonon calculation",
    8: "phonon calculation",
}
"""By IBRION, where there are several ionic steps."""


@dataclass
class _Settings:
    """What a vasprun.xml says besides its structures; of a file cut off, as far as it goes."""

    incar: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    potcars: list[tuple[str, str]] = field(default_factory=list)
    """Element and title."""
    electronic_steps: list[int] = field(default_factory=list)
    """Of each finished ionic step; 0 for one that was not computed by DFT."""
    n_outside: int = 0
    """Structures between the ionic steps, as VASP writes those of its machine-learned force field."""

    def text(self, name: str, otherwise: str = "") -> str:
        """A tag as VASP used it; what it calls undefined counts as not there."""
        for source in (self.parameters, self.incar):
            value = source.get(name, "").strip()
            if value and value not in ("--", "NONE"):
                return value
        return otherwise

    def flag(self, name: str) -> bool:
        """A logical tag."""
        return self.text(name).strip(".").upper().startswith("T")

    def number(self, name: str, otherwise: float) -> float:
        """A numerical tag."""
        return float(self.text(name, str(otherwise)))


def read(path: Path) -> Read:
    """Ionic steps of a vasprun.xml or vasprun.xml.gz; self-consistency is judged as pymatgen does, by NELM.

    Steps of VASP's machine-learned force field are no DFT: they are skipped, and counted in one refusal.
    """
    settings = _settings(path)
    electronic = settings.electronic_steps
    most = int(settings.number("NELM", NELM))
    level, procedure = _level(settings), _procedure(settings, path)
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
            yield RefusedResult(
                where,
                f"not self-consistent: {electronic[k]} electronic steps of at most {most} (NELM); raise NELM "
                "or change ALGO",
            )
        else:
            yield of_calculator(where, Code.VASP, atoms, level, procedure)
    if n_learned:
        yield RefusedResult(
            str(path),
            f"{n_learned} ionic steps are of VASP's machine-learned force field, not of DFT, and skipped",
        )


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


def _settings(path: Path) -> _Settings:
    found = _Settings()
    inside = 0
    with _opened(path) as stream:
        try:
            for event, element in ElementTree.iterparse(stream, events=("start", "end")):
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


def _procedure(settings: _Settings, path: Path) -> str:
    folder = path.resolve().parent
    if settings.number("IMAGES", 0) > 0 or (
        re.fullmatch(r"\d\d", folder.name) and (folder.parent / "00").is_dir()
    ):
        return "nudged elastic band"
    if settings.number("NSW", 0) > 1:
        return PROCEDURES.get(int(settings.number("IBRION", -1)), "")
    return ""


def _level(settings: _Settings) -> LevelOfTheory:
    names = [title.split(" ")[0] for _, title in settings.potcars]
    functional = _functional(settings, names)
    dispersion = int(settings.number("IVDW", 0))
    if functional != "unknown":
        if dispersion:
            functional += f"-{DISPERSION.get(dispersion, f'IVDW {dispersion}')}"
        if settings.flag("LUSE_VDW"):
            functional += "-vdW"
    sets = ", ".join(f"VASP {name}" for name in dict.fromkeys(names))
    return LevelOfTheory(functional, _hubbard(settings), sets or None)


def _functional(settings: _Settings, potcars: list[str]) -> str:
    meta = settings.text("METAGGA").upper()
    gga = settings.text("GGA").upper()
    if settings.flag("LHFCALC"):
        share, screened = settings.number("AEXX", 0.25), settings.number("HFSCREEN", 0.0)
        known = {(0.25, 0.2): "HSE06", (0.25, 0.3): "HSE03", (0.25, 0.0): "PBE0", (1.0, 0.0): "HF"}
        return known.get((share, screened), f"hybrid (AEXX {share:g}, HFSCREEN {screened:g})")
    if meta:
        return METAGGA.get(meta, meta)
    if gga:
        return GGA.get(gga, f"GGA {gga}")
    # The functional of the POTCARs, where the input names none.
    of_potcars = {_of_potcar(name) for name in potcars}
    return of_potcars.pop() if len(of_potcars) == 1 else "unknown"


def _of_potcar(name: str) -> str:
    sets: Mapping[str, str] = {"PAW_PBE": "PBE", "PAW_GGA": "PW91", "PAW": "LDA", "US": "LDA"}
    return sets.get(name, "unknown")


def _hubbard(settings: _Settings) -> str | None:
    if not settings.flag("LDAU"):
        return None
    values = [float(x) for x in settings.text("LDAUU").split()]
    elements = [element for element, _ in settings.potcars]
    named = [f"{e} {u:g} eV" for e, u in zip(elements, values, strict=False) if u]
    return ", ".join(named) or None
