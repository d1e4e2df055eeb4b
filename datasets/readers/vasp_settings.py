"""What a calculation of VASP says of itself: its tags, its functional, what its steps are of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from umlip_bench.ground.level_of_theory import LevelOfTheory

NELM = 60
"""VASP's default of the most electronic steps."""
BAND = "nudged elastic band"
OF_BAND = (
    f"may be those of the {BAND}, with springs in them and without what acts along the path; a single "
    "point of each image has DFT's own"
)
"""What is to be said of forces of its images: VASP and the VTST tools list their parts differently."""

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
class VaspSettings:
    """What VASP's output says besides its structures; of a file cut off, as far as it goes."""

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


def procedure_of(settings: VaspSettings, path: Path) -> str:
    """What the ionic steps are of; empty for a calculation of its own."""
    folder = path.resolve().parent
    if settings.number("IMAGES", 0) > 0 or (
        re.fullmatch(r"\d\d", folder.name) and (folder.parent / "00").is_dir()
    ):
        return BAND
    if settings.number("NSW", 0) > 1:
        return PROCEDURES.get(int(settings.number("IBRION", -1)), "")
    return ""


def level_of(settings: VaspSettings) -> LevelOfTheory:
    """The level of theory as far as tags and POTCARs tell."""
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


def _functional(settings: VaspSettings, potcars: list[str]) -> str:
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


def _hubbard(settings: VaspSettings) -> str | None:
    if not settings.flag("LDAU"):
        return None
    values = [float(x) for x in settings.text("LDAUU").split()]
    elements = [element for element, _ in settings.potcars]
    named = [f"{e} {u:g} eV" for e, u in zip(elements, values, strict=False) if u]
    return ", ".join(named) or None


def not_self_consistent(steps: int, most: int) -> str:
    """Why an ionic step is refused that took all electronic steps that it was allowed."""
    return (
        f"not self-consistent: {steps} electronic steps of at most {most} (NELM); raise NELM "
        "or change ALGO"
    )


def of_machine_learning(count: int) -> str:
    """Why ionic steps are left out that are not VASP's own."""
    return f"{count} ionic steps are of VASP's machine-learned force field, not of DFT, and skipped"
