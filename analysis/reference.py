"""What a run's reference values are: DFT's, or those of another potential.

Data that another potential labelled say so in their name, and with it every row, table and page of a run.
"""

from __future__ import annotations

from collections.abc import Sequence

from umlip_bench.analysis.summary import Row

DFT = "DFT"
RELATIVE = " relative to "
"""Between what was labelled and by which potential, in the name of data."""


def relative_name(what: str, model: str) -> str:
    """Name of data that a potential labelled.

    Examples
    --------
    >>> relative_name("NaCl.cif", "chgnet-0.3.0")
    'NaCl.cif relative to chgnet-0.3.0'
    """
    return f"{what}{RELATIVE}{model}"


def reference_of(data: str) -> str:
    """Whose the reference values of data are, by their name.

    Examples
    --------
    >>> reference_of("NaCl.cif relative to chgnet-0.3.0"), reference_of("pbe-mini")
    ('chgnet-0.3.0', 'DFT')
    """
    return data.rpartition(RELATIVE)[2] if RELATIVE in data else DFT


def reference_of_rows(rows: Sequence[Row]) -> str:
    """As `reference_of`, of rows of one data set."""
    return reference_of(rows[0].data) if rows else DFT
