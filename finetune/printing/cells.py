"""Numbers as they stand in the tables of fits and experiments."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from umlip_bench.finetune.comparison import BeforeAfter
from umlip_bench.ground.content import as_mapping
from umlip_bench.ground.plain import readable

GPA = 160.21766
"""GPa in one eV/Å³."""


@dataclass(frozen=True)
class Shown:
    """How a number is shown.

    Parameters
    ----------
    label
        With the unit.
    unit
        Factor to it.
    digits
        After the point.
    """

    label: str
    unit: float = 1.0
    digits: int = 3

    def cell(self, value: float) -> str:
        """A value in the number's own unit."""
        return "-" if math.isnan(value) else f"{self.unit * value:.{self.digits}f}"

    def interval(self, value: float, low: float | None, high: float | None) -> str:
        """A value with the ends of its interval, if there is one."""
        if low is None or high is None or math.isnan(value):
            return self.cell(value)
        return f"{self.cell(value)} [{self.cell(low)}, {self.cell(high)}]"

    def pair(self, pair: BeforeAfter) -> tuple[str, str]:
        """Before and after."""
        return self.cell(pair.before), self.cell(pair.after)


MEASURES = {
    "force_mae": Shown("force MAE (eV/Å)"),
    "force_slope": Shown("force slope"),
    "difference_mae": Shown("energy differences MAE (meV/atom)", 1000.0, 1),
    "stress_mae": Shown("stress MAE (GPa)", GPA, 2),
}
"""By field of `umlip_bench.finetune.measures.Measures`."""


def table_of(title: str, *columns: str, first: str = "", last: str | None = None) -> Table:
    """A table whose `columns` are numbers, right-aligned, between two of text."""
    table = Table(title=Text(title), title_justify="left")
    table.add_column(first)
    for name in columns:
        table.add_column(name, justify="right")
    if last is not None:
        table.add_column(last)
    return table


def frames(n: int) -> str:
    """A number of frames in words."""
    return f"{n} frame{'' if n == 1 else 's'}"


def content_of(value: object) -> dict[str, object]:
    """A dataclass as the object of a command's JSON."""
    return {"schema": 1, **as_mapping(readable(value))}
