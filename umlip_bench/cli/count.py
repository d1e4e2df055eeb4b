"""``umlip-bench count``: what a call to a model asks of a device."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from json import dumps
from typing import Literal

from umlip_bench.cli.declare import Command, Names


@dataclass(frozen=True, kw_only=True)
class CountCommand(Command):
    """Count what one call to a model, forward and backward, asks of a device.

    Kernels that are launched, bytes that they read and write, arithmetic, and points at which the host waits
    for the device, from torch's dispatcher on a CPU: the same on every machine. Counted for 8 small cells
    and for one cell of 64 atoms, each as one call.
    """

    name = "umlip-bench count"
    examples = """\
  umlip-bench count --model chgnet-0.3.0
  umlip-bench count --model chgnet-0.3.0 --compiled
  umlip-bench count --model chgnet-0.3.0 --model m3gnet-mp-2021.2.8 --operations
"""
    model: Names
    """repeatable"""
    dtype: Literal["float32", "float64"] = "float32"
    """number format of the models"""
    compiled: bool = False
    """count the models as torch compiles them, too, which takes minutes"""
    operations: bool = False
    """kernels and bytes by kind of operation, too"""
    json: bool = False
    """print JSON instead of tables"""

    def run(self) -> int:
        from umlip_bench.cli.console import output
        from umlip_bench.engine.speed.counting import count_model
        from umlip_bench.engine.speed.counting_table import print_counts
        from umlip_bench.potentials.loading import potential as load_potential

        counted = {}
        for name in self.model:
            potential = load_potential(name, device="cpu", dtype=self.dtype)
            counted[name] = count_model(potential)
            if self.compiled:
                from umlip_bench.engine.speed.compiled_counting import count_compiled

                counted[f"{name}, compiled"] = count_compiled(potential)
        if self.json:
            content = {
                model: {cells: asdict(counts) for cells, counts in found.items()}
                for model, found in counted.items()
            }
            print(dumps(content, indent=1))
        else:
            print_counts(counted, output(), operations=self.operations)
        return 0


COMMAND = CountCommand
