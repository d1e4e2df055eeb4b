"""``umlip-bench speed``: the engine against the library's own calculator under ASE."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from json import dumps
from typing import Annotated, ClassVar, Literal, get_args

from annotated_types import Ge

from umlip_bench.cli.declare import Name, OnDevice
from umlip_bench.ground.limits import Count

Work = Literal["static", "relax", "relax-cell", "phonons", "neb", "md"]

IN_FLIGHT = {"cpu": (1, 4, 16, 32), "cuda": (1, 8, 64, 512)}
"""For single points; longer work is timed with everything at once."""


@dataclass(frozen=True, kw_only=True)
class SpeedCommand(OnDevice):
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

        from umlip_bench.cli.console import errors, output
        from umlip_bench.engine.speed.comparison import ALL_AT_ONCE, compare
        from umlip_bench.engine.speed.table import print_speed
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
            title = f"{potential.card.name}, {device}, {self.dtype}"
            print_speed(title, found, self.repeats, output())
        return 0


COMMAND = SpeedCommand
