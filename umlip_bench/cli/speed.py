"""``umlip-bench speed``: the engine against the library's own calculator under ASE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from json import dumps
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, get_args

from annotated_types import Ge

from umlip_bench.cli.declare import Name, OnDevice
from umlip_bench.ground.limits import Count

if TYPE_CHECKING:
    from umlip_bench.engine.speed.comparison import Comparison

Work = Literal["static", "relax", "relax-cell", "phonons", "neb", "md"]

IN_FLIGHT = {"cpu": (1, 4, 16, 32), "cuda": (1, 8, 64, 512)}
"""For single points; longer work is timed with everything at once."""


@dataclass(frozen=True, kw_only=True)
class Speed(OnDevice):
    """Time the engine against the library's own calculator under ASE, in turn and on the same structures.

    Both must come to the same end. Relaxations are timed against matcalc too, if installed.

      static      energy, forces and stress of small cells
      relax       FIRE, cell fixed
      relax-cell  FIRE, cell free
      phonons     forces on displaced supercells of 64 atoms
      neb         climbing-image elastic bands
      md          Langevin dynamics
    """

    name = "umlip-bench speed"
    examples = """\
  umlip-bench speed --model chgnet-0.3.0
  umlip-bench speed --model m3gnet-mp-2021.2.8 --work relax --work relax-cell --json
"""
    renamed: ClassVar = {"--structures": "--n-structures"}
    model: Name
    """as for `umlip-bench run`"""
    work: tuple[Work, ...] = ()
    """what to time; repeatable (default: all)"""
    in_flight: tuple[Count, ...] = ()
    """structures under way at once; repeatable (default: all, and several for static)"""
    n_structures: Count | None = None
    """structures or paths of each kind of work"""
    repeats: Annotated[int, Ge(5)] = 7
    """paired repeats"""
    threads: Count = 1
    """CPU threads"""
    json: bool = False
    """print JSON instead of a table"""

    def run(self) -> int:
        import torch

        from umlip_bench.cli.console import errors
        from umlip_bench.engine.speed.comparison import ALL_AT_ONCE, compare
        from umlip_bench.engine.speed.workloads import make
        from umlip_bench.potentials.loading import potential as load_potential

        torch.set_num_threads(self.threads)
        potential = load_potential(self.model, device=self.device, dtype=self.dtype)
        kind = potential.device.type
        device = (
            torch.cuda.get_device_name(potential.device)
            if kind == "cuda"
            else f"CPU, {self.threads} thread(s)"
        )
        found = []
        for name in self.work or get_args(Work):
            work = make(name, potential.device, self.n_structures)
            in_flight = self.in_flight or (IN_FLIGHT[kind] if name == "static" else (ALL_AT_ONCE,))
            with errors().status(f"{name}: {work.description}"):
                found.append(compare(work, potential, in_flight, self.repeats))
        if self.json:
            content = {
                "model": potential.card.name,
                "device": device,
                "dtype": self.dtype,
                "results": [asdict(comparison) for comparison in found],
            }
            print(dumps(content, indent=1))
        else:
            _print(f"{potential.card.name}, {device}, {self.dtype}", found, self.repeats)
        return 0


def _print(title: str, found: Sequence[Comparison], repeats: int) -> None:
    from rich.table import Table

    from umlip_bench.cli.console import output
    from umlip_bench.engine.speed.comparison import ALL_AT_ONCE

    table = Table(title=title, title_justify="left")
    for name in ("work", "against", "unit"):
        table.add_column(name)
    for name in ("in flight", "theirs, 1/s", "ours, 1/s", "ratio", "range"):
        table.add_column(name, justify="right")
    for comparison in found:
        for t in comparison.timings:
            table.add_row(
                comparison.work,
                t.against,
                comparison.unit,
                "all" if t.in_flight == ALL_AT_ONCE else str(t.in_flight),
                f"{t.theirs_per_s:.2f}",
                f"{t.ours_per_s:.2f}",
                f"{t.ratio:.2f}",
                f"{t.ratio_low:.2f} to {t.ratio_high:.2f}",
            )
    console = output()
    console.print(table)
    console.print(
        f"Ratios are medians of {repeats} paired repeats. Both sides came to the same end, but for:",
        highlight=False,
    )
    for comparison in found:
        worst, tolerated = comparison.difference, comparison.tolerance
        console.print(
            f"  {comparison.work}: {worst.energy:.0e} eV/atom, {worst.forces:.0e} eV/Å, "
            f"{worst.positions:.0e} Å (tolerated {tolerated.energy:.0e}, {tolerated.forces:.0e}, "
            f"{tolerated.positions:.0e}); {comparison.description}",
            highlight=False,
        )


COMMAND = Speed
