"""What several suites say of a crystal in the same words."""

from __future__ import annotations

from collections.abc import Iterator

from umlip_bench.analysis.properties import Property
from umlip_bench.ground.conventional_cell import ConventionalCell

BULK_MODULUS = "bulk modulus"
"""A quantity that both energies and stresses give."""
SAME_LENGTH, SAME_ANGLE = 1e-6, 1e-4
"""Å and degrees; differences of an idealised cell that are rounding."""


def lattice_properties(cell: ConventionalCell | None) -> Iterator[Property]:
    """Space group and lattice constants of the conventional cell; nothing where it is not known.

    Without lengths that are a's and angles of 90°, which the space group tells.
    """
    if cell is None:
        return
    yield Property(key="space_group", label="space group", text=cell.space_group, once=True)
    lengths = cell.constants[:3]
    for symbol, length in zip("abc", lengths, strict=True):
        if symbol == "a" or abs(length - lengths[0]) > SAME_LENGTH:
            yield _constant(symbol, symbol, length, "Å", 4)
    angles = (("alpha", "α"), ("beta", "β"), ("gamma", "γ"))
    for (name, symbol), angle in zip(angles, cell.constants[3:], strict=True):
        if abs(angle - 90.0) > SAME_ANGLE:
            yield _constant(name, symbol, angle, "°", 2)


def _constant(name: str, symbol: str, value: float, unit: str, digits: int) -> Property:
    key = f"lattice_{name}"
    return Property(key=key, label=symbol, value=float(value), unit=unit, digits=digits, once=True)
