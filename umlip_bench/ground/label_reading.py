"""How a user's labels are to be understood where their files do not say it themselves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from umlip_bench.ground.errors import DataError


class StressUnit(StrEnum):
    """What the numbers of a stress are."""

    ASE = "ase"
    """eV/Å³ with ASE's sign: pressure is -trace/3."""
    GPA = "gpa"
    """GPa with ASE's sign."""
    VASP = "vasp"
    """kbar as VASP writes them, of the opposite sign: pressure is trace/3."""


class Units(StrEnum):
    """What lengths and energies of a form without units of its own are in."""

    METAL = "metal"
    """eV and Å."""
    ATOMIC = "atomic"
    """Hartree and bohr."""


@dataclass(frozen=True)
class LabelReading:
    """How labels of one's own are to be read.

    Parameters
    ----------
    energy_key
        the key of total energies, eV, where files have several sets of labels or names that are not known
    forces_key
        the key of forces, eV/Å
    stress_key
        the key of stresses
    virial_key
        the key of virials, eV: minus volume times stress, as GAP, MACE, GPUMD and DeePMD have them
    stress_unit
        what stresses are, where files do not say it: eV/Å³ (ase) or GPa with ASE's sign, or kbar with VASP's,
        where pressure is positive
    units
        what lengths and energies of an n2p2 or RuNNer input.data are, which does not say it: Å and eV
        (metal), or bohr and hartree
    functional
        what the labels were computed with, e.g. PBE, where neither the files nor a manifest say it
    """

    energy_key: str | None = None
    forces_key: str | None = None
    stress_key: str | None = None
    virial_key: str | None = None
    stress_unit: StressUnit | None = None
    units: Units | None = None
    functional: str | None = None

    def __post_init__(self) -> None:
        if self.stress_key is not None and self.virial_key is not None:
            raise DataError(
                f"--stress-key {self.stress_key} and --virial-key {self.virial_key} both stand for the "
                "stress; give one of them"
            )


AS_FOUND = LabelReading()
"""Nothing is said."""
