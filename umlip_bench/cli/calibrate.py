"""``umlip-bench calibrate``: measure memory and time of a model's calls on this machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umlip_bench.cli.declare import Names, OnDevice
from umlip_bench.ground.limits import Count

if TYPE_CHECKING:
    from umlip_bench.engine.calibration import Calibration
    from umlip_bench.potentials.protocol import Potential

CELLS = {10: (5, 2, 1), 100: (5, 5, 4)}
"""Numbers of atoms of the cells that throughput is told for, and repeats of the primitive cell."""
CELLS_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class Calibrate(OnDevice):
    """Fit how much memory and time the calls of a model take on this machine.

    On a CPU the batch is found that runs fastest, too. Later commands use what was found; without it they use
    defaults.
    """

    name = "umlip-bench calibrate"
    examples = """\
  umlip-bench calibrate --model chgnet-0.3.0
  umlip-bench calibrate --model m3gnet-mp-2021.2.8 --model my.model --device cuda
"""
    model: Names
    """repeatable"""
    threads: Count | None = None
    """CPU threads; a calibration holds for this number only (default: torch's)"""
    json: bool = False
    """print JSON instead of a table"""

    def run(self) -> int:
        import torch

        from umlip_bench.engine.calibrator import calibrate, check_takes_batches
        from umlip_bench.potentials.loading import potential as load_potential

        if self.threads:
            torch.set_num_threads(self.threads)
        potentials = [
            load_potential(name, device=self.device, dtype=self.dtype) for name in self.model
        ]
        for potential in potentials:
            check_takes_batches(potential)
        results = []
        for potential in potentials:
            calibration = calibrate(potential)
            path = calibration.save()
            per_second = {n: _per_second(potential, n) for n in CELLS}
            if self.json:
                results.append(
                    {
                        "model": potential.card.name,
                        **asdict(calibration),
                        "structures_per_s": per_second,
                        "file": str(path),
                    }
                )
            else:
                _print(potential, calibration, per_second, path)
        if self.json:
            print(dumps(results, indent=1))
        return 0


def _per_second(potential: Potential, n_atoms: int) -> float:
    """Predicted throughput of cells as dense as aluminium."""
    from ase.build import bulk

    from umlip_bench.engine.packing import Packer

    cell = bulk(potential.card.elements[0], "fcc", a=4.05).repeat(CELLS[n_atoms])
    seconds = Packer(potential).seconds([potential.prepare(cell)] * CELLS_AT_ONCE)
    assert seconds is not None, "it was calibrated just now"
    return CELLS_AT_ONCE / seconds


def _print(
    potential: Potential, calibration: Calibration, per_second: dict[int, float], path: Path
) -> None:
    from rich.table import Table

    from umlip_bench.cli.console import output

    key = calibration.key
    batch = calibration.edges_per_batch
    where = key.device if batch is None else f"{key.device}, {key.threads} thread(s)"
    table = Table(title=f"{potential.card.name}, {where}, {key.dtype}", title_justify="left")
    for column in ("", "call", "first angle", "atom", "edge", "angle", "median error", "worst"):
        table.add_column(column, justify="right" if column else "left")
    kind = "memory at peak" if batch is None else "memory saved"
    rows: list[tuple[str, Any, float, str, Any]] = [
        (f"{kind} (kB)", calibration.memory, 1e-3, ".1f", calibration.memory_errors),
        ("time (µs)", calibration.duration, 1e6, ".1f", calibration.duration_errors),
    ]
    for label, terms, factor, form, errors in rows:
        values = (
            terms.per_call,
            terms.per_call_with_angles,
            terms.per_atom,
            terms.per_edge,
            terms.per_angle,
        )
        table.add_row(
            label,
            *(format(factor * value, form) for value in values),
            f"{100 * errors.median:.2g} %",
            f"{100 * errors.worst:.2g} %",
        )
    console = output()
    console.print(table)
    lines = [
        f"fitted to {calibration.n_fitted} batches, errors on {calibration.n_held_out} others",
        "predicted: "
        + ", ".join(f"{rate:.3g} cells of {n} atoms a second" for n, rate in per_second.items()),
    ]
    if batch is not None:
        lines.append(f"batches on this CPU: {batch} edges")
    lines.append(f"kept in {path}")
    console.print("\n".join(lines), highlight=False, soft_wrap=True)


COMMAND = Calibrate
