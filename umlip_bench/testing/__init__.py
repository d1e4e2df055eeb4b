"""What every potential must hold, as a check that any package can run on its own.

`check_potential` holds a potential against physics, against its own library's calculator and against
itself; ``python -m umlip_bench.testing NAME`` prints what it measured. The package's own families are
tested by the same code.
"""

from umlip_bench.testing.contract import CHECKS, check_potential
from umlip_bench.testing.report import Check, ContractError, ContractReport, Measurement

__all__ = [
    "CHECKS",
    "Check",
    "ContractError",
    "ContractReport",
    "Measurement",
    "check_potential",
]
