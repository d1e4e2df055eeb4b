"""What a model did in one check: what was measured, what is allowed, and where."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.under_factor import Energies, Power
from umlip_bench.ground.readonly import ReadOnlyArrays

FloatArray = NDArray[np.float64]
NAN = float("nan")


class SanityCheck(StrEnum):
    """What is checked."""

    DIMER = "dimer"
    """Two atoms repel inside their minimum."""
    COMPRESSION = "compression"
    """A crystal costs energy to compress, and presses back."""
    SIZE = "size consistency"
    """Energies of twice the cell, and of two bodies far apart, add up."""
    ROTATION = "rotation"
    """A structure that is turned has the same energy, and its forces turn with it."""
    DRIFT = "energy drift"
    """Dynamics without a thermostat keep their energy."""
    FORCES = "forces"
    """They are gradients of the energy."""


@dataclass(frozen=True)
class Measured:
    """A number that checks of one kind give.

    Parameters
    ----------
    key
        Its column in tables of cases.
    label
        What tables call it.
    check
        The kind.
    what
        In words, for a model that fails: ``"energy falls by"``.
    unit
        Of the number.
    """

    key: str
    label: str
    check: SanityCheck
    what: str
    unit: str


MEASURED = (
    Measured("dimer_fall", "dimer, fall", SanityCheck.DIMER, "energy falls by", "eV"),
    Measured("dimer_pull", "dimer, attraction", SanityCheck.DIMER, "atoms attract with", "eV/Å"),
    Measured(
        "compression_fall",
        "compressed, fall",
        SanityCheck.COMPRESSION,
        "energy falls by",
        "eV/atom",
    ),
    Measured(
        "compression_tension", "compressed, tension", SanityCheck.COMPRESSION, "tension of", "GPa"
    ),
    Measured("doubled", "two cells", SanityCheck.SIZE, "energy of two cells is off by", "μeV/atom"),
    Measured(
        "apart",
        "two bodies apart",
        SanityCheck.SIZE,
        "energy of two bodies far apart is off by",
        "μeV/atom",
    ),
    Measured(
        "turned_energy", "turned, energy", SanityCheck.ROTATION, "energy changes by", "μeV/atom"
    ),
    Measured("turned_forces", "turned, forces", SanityCheck.ROTATION, "forces are off by", "meV/Å"),
    Measured("drift", "energy drift", SanityCheck.DRIFT, "energy drifts by", "meV/atom/ps"),
    Measured(
        "gradient",
        "forces and slope",
        SanityCheck.FORCES,
        "forces differ from the slope of the energy by",
        "meV/Å",
    ),
)
"""In the order of tables."""


@dataclass(frozen=True)
class SanityFinding:
    """A number of a check, and the most that passes.

    Parameters
    ----------
    key
        As in `MEASURED`.
    value
        In the unit there; not negative.
    allowed
        In the same unit.
    where
        In words: ``"from 0.90 to 0.75 Å"``; empty if there is only one place.
    """

    key: str
    value: Annotated[float, Power(1.0)]
    allowed: float
    where: str = ""

    @property
    def passed(self) -> bool:
        """Whether it is no more than is allowed."""
        return self.value <= self.allowed


@dataclass(frozen=True, eq=False)
class SanityResult(ReadOnlyArrays):
    """What came of one check of one model.

    Parameters
    ----------
    name
        Of the case.
    check
        What was checked.
    findings
        None where the check could not be made, or broke off.
    along, energies
        Shape (P,), of checks along a curve: Å between two atoms, volume over that of the crystal, or ps;
        and eV of the whole, in dynamics the total. Empty for the others.
    broke
        Why the check broke off, which the model could not stand; empty if it did not.
    left_out
        Why the model was not checked, through no fault of it; empty if it was.
    """

    name: str
    check: SanityCheck
    findings: tuple[SanityFinding, ...]
    along: FloatArray
    energies: Energies
    broke: str = ""
    left_out: str = ""

    @property
    def passed(self) -> float:
        """One or zero; nan for a model that was not checked."""
        if self.left_out:
            return NAN
        return float(not self.broke and all(each.passed for each in self.findings))

    def value(self, key: str) -> float:
        """A number by its key; nan where the check has none."""
        return next((each.value for each in self.findings if each.key == key), NAN)

    def beyond(self, measured: Measured) -> float:
        """Rank of a number that there is not, since the check broke off."""
        return np.inf if self.broke and self.check is measured.check else NAN

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it failed, in words; empty if it did not."""
        if self.broke:
            return (self.broke,)
        words = {each.key: each for each in MEASURED}
        return tuple(
            f"{words[each.key].what} {each.value:.2g} {words[each.key].unit}"
            f"{' ' if each.where else ''}{each.where} (allowed: {each.allowed:.2g})"
            for each in self.findings
            if not each.passed
        )
