"""Properties of a material as a suite declares them, and the rows that files have of them.

A run of a structure without reference values has nothing to compare: what it found are properties.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Generic, TypeVar

R = TypeVar("R")
NAN = float("nan")


@dataclass(frozen=True)
class Fact(Generic[R]):
    """A number of a case that is of no variant: its column, and how it follows from the result."""

    key: str
    of: Callable[[R], float | int]


@dataclass(frozen=True, kw_only=True)
class Property:
    """What a model says of one material in one variant.

    Parameters
    ----------
    key
        Its name in files, unique in the case and variant.
    label
        In words: ``"shear modulus G"``.
    value
        In `unit`; nan where there is none, or words say it.
    unit
        Of the value.
    digits
        After the point.
    text
        What is shown in place of a value: ``"none"``.
    remark
        What a reader should know of the value: ``"not converged"``.
    quantity
        What it is a measurement of, where several suites measure it, each in its way; empty elsewhere.
    measured
        How, in words, where there is a `quantity`.
    steps
        Of a quantity: what each step from the other way to this one makes of the value, in order, and in
        words; the last ends at `value`.
    once
        Whether a sheet shows it of the first suite alone that has it.
    """

    key: str
    label: str
    value: float = NAN
    unit: str = ""
    digits: int = 2
    text: str = ""
    remark: str = ""
    quantity: str = ""
    measured: str = ""
    steps: tuple[tuple[str, float], ...] = ()
    once: bool = False

    @property
    def shown(self) -> str:
        """The value as a sheet has it, without its unit."""
        number = f"{self.value:.{self.digits}f}" if math.isfinite(self.value) else "-"
        said = self.text or number
        return f"{said} ({self.remark})" if self.remark else said


@dataclass(frozen=True)
class PropertyRow:
    """A property in ``summary.json`` and in exports.

    Parameters
    ----------
    model, data, suite, variant, case
        Names.
    property, label, value, unit, text, remark
        As of `Property`.
    """

    model: str
    data: str
    suite: str
    variant: str
    case: str
    property: str
    label: str
    value: float
    unit: str
    text: str
    remark: str

    @classmethod
    def of(
        cls, found: Property, model: str, data: str, suite: str, variant: str, case: str
    ) -> PropertyRow:
        """The row of a property."""
        return cls(
            model=model,
            data=data,
            suite=suite,
            variant=variant,
            case=case,
            property=found.key,
            label=found.label,
            value=found.value,
            unit=found.unit,
            text=found.text,
            remark=found.remark,
        )

    def to_json(self) -> dict[str, str | float | None]:
        """Its fields by name; a value that is not finite is ``None``."""
        return {**asdict(self), "value": self.value if math.isfinite(self.value) else None}
