"""How labels were computed, and whether two levels of theory can be compared."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LevelOfTheory:
    """How labels were computed, as far as it is known.

    Parameters
    ----------
    functional
        Exchange-correlation functional, e.g. ``"PBE"`` or ``"r2SCAN"``; ``"unknown"`` if not stated.
    hubbard_u
        Where +U terms were applied, e.g. ``"MP"`` for the Materials Project's values; ``None`` for none.
    pseudopotentials
        Name of the set of pseudopotentials or PAW data, if known.
    energy_corrections
        Corrections contained in the energies, e.g. ``"MP2020"``; ``None`` for raw DFT energies.
    corrections_factor
        How many times they are contained: once, but in a scaled model, whose corrections grew with
        everything else, as many times as its factor.
    """

    functional: str
    hubbard_u: str | None = None
    pseudopotentials: str | None = None
    energy_corrections: str | None = None
    corrections_factor: float = 1.0

    def __str__(self) -> str:
        text = self.functional
        if self.hubbard_u:
            text += f"+U({self.hubbard_u})"
        if self.energy_corrections:
            times = "" if self.corrections_factor == 1.0 else f"{self.corrections_factor:.4f} x "
            text += f", {times}{self.energy_corrections} energies"
        return text

    @property
    def in_full(self) -> str:
        """As the text, with the pseudopotentials; says so where the functional is not stated."""
        functional = "functional not stated" if self.functional == "unknown" else str(self)
        return ", ".join([functional, *([self.pseudopotentials] if self.pseudopotentials else [])])


EXPERIMENT = "experiment"
"""In place of a functional, of values that were measured."""


def differs(model: LevelOfTheory, data: LevelOfTheory) -> bool:
    """Whether both functionals are known and not the same; what was measured has none."""
    return not {"unknown", EXPERIMENT} & {model.functional, data.functional} and (
        model.functional != data.functional
    )


def level_warning(model: LevelOfTheory, data: LevelOfTheory) -> str | None:
    """Why results of a model against data should be read with care, or ``None``.

    Energy corrections and +U do not touch forces; the functional does.
    """
    if data.functional == EXPERIMENT:
        return "the data were measured: what the model's functional itself misses is in the numbers"
    if "unknown" in (model.functional, data.functional):
        side = "model" if model.functional == "unknown" else "data"
        return f"the {side}'s functional is not known"
    if differs(model, data):
        return f"the model was trained on {model.functional}, the data is {data.functional}"
    return None
