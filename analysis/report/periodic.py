"""Where the elements stand in the periodic table."""

from __future__ import annotations

from umlip_bench.ground.elements import SYMBOLS

NOBLE_GASES = (0, 2, 10, 18, 36, 54, 86, 118)
N_COLUMNS = 18
LONGEST = 32
F_BLOCK = range(3, 18)
"""Places in a period of 32, from lanthanum or actinium on, that are drawn below the table."""
F_BLOCK_ROW = 2.4
"""Rows between a period and its f block."""


def place(symbol: str) -> tuple[float, int]:
    """Row, from 1, and column, from 1 to 18, of an element."""
    number = SYMBOLS.index(symbol) + 1
    period = next(p for p, last in enumerate(NOBLE_GASES) if number <= last)
    within = number - NOBLE_GASES[period - 1]
    length = NOBLE_GASES[period] - NOBLE_GASES[period - 1]
    if length == LONGEST and within in F_BLOCK:
        return period + F_BLOCK_ROW, within
    # The s block stands on the left, all else on the right.
    return period, within if within <= 2 and number != 2 else within + N_COLUMNS - length
