"""``umlip-bench speed``: the engine against the library's own calculator under ASE."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from json import dumps
from typing import Annotated, ClassVar, Literal, get_args

from annotated_types import Ge

from umlip_bench.cli.declare import Compiles, Name
from umlip_bench.ground.limits import Count

Work = Literal["static", "relax", "relax-cell", "phonons", "neb", "md"]

IN_FLIGHT = {"cpu": (1, 4, 16, 32), "cuda": (1, 8, 64, 512)}
"""For single points; longer work is timed with everything at once."""
QUICK_REPEATS = 5


@dataclass(frozen=True, kw_only=True)
class SpeedCommand(Compiles):
    """Time the engine against the library's own calculator under ASE, in turn and on the same structures.

    Both must come to the same end. Each kind of work is printed as it ends.

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
  umlip-bench speed --model chgnet-0.3.0 --quick
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
    quick: bool = False
    """few structures and no bands: a first impression, in less than a minute"""
    matcalc: bool = False
    """time relaxations against matcalc too; its import looks for a network, and waits for it"""
    torch_sim: bool = False
    """time single points and relaxations against torch-sim too, for MACE models; it needs Python 3.12"""
    threads: Count = 1
    """CPU threads"""
    json: bool = False
    """print JSON instead of a table"""

    def run(self) -> int:
        import torch

        from umlip_bench.cli.console import errors, output
        from umlip_bench.engine.speed.comparison import compare
        from umlip_bench.engine.speed.sizes import make
        from umlip_bench.engine.speed.table import print_comparison, print_legend
        from umlip_bench.potentials.loading import potential as load_potential

        self._check()
        self.use_compiled()
        torch.set_num_threads(self.threads)
        potential = load_potential(self.model, device=self.device, dtype=self.dtype)
        kind = potential.device.type
        device = (
            torch.cuda.get_device_name(potential.device)
            if kind == "cuda"
            else f"CPU, {self.threads} thread(s)"
        )
        repeats = QUICK_REPEATS if self.quick else self.repeats
        if not self.json:
            output().print(f"{potential.card.name}, {device}, {self.dtype}", highlight=False)
        found = []
        for name, n in self._sizes().items():
            work = make(name, potential.device, n, self._against())
            with errors().status(f"{name}: {work.description}"):
                found.append(compare(work, potential, self._at_once(name, kind), repeats))
            if not self.json:
                print_comparison(found[-1], output())
        if self.json:
            content = {
                "model": potential.card.name,
                "device": device,
                "dtype": self.dtype,
                "results": [asdict(comparison) for comparison in found],
            }
            print(dumps(content, indent=1))
        else:
            print_legend(repeats, output())
        return 0

    def _check(self) -> None:
        """Refuse options that would do nothing, or nothing good."""
        from importlib.util import find_spec

        from umlip_bench.ground.errors import UmlipBenchError

        if self.quick and "neb" in self.work:
            raise UmlipBenchError(
                "--quick leaves out neb, which takes minutes; give one of the two"
            )
        for asked, module, package in (
            (self.matcalc, "matcalc", "matcalc"),
            (self.torch_sim, "torch_sim", "torch-sim-atomistic"),
        ):
            if asked and find_spec(module) is None:
                option = f"--{module.replace('_', '-')}"
                raise UmlipBenchError(
                    f"{module} is not installed: pip install {package}, or leave out {option}"
                )

    def _against(self) -> list[str]:
        from umlip_bench.engine.speed.workloads import MATCALC, TORCH_SIM

        asked = {MATCALC: self.matcalc, TORCH_SIM: self.torch_sim}
        return [name for name, wanted in asked.items() if wanted]

    def _sizes(self) -> dict[str, int | None]:
        """Structures of each kind of work; ``None`` for as many as suit the device."""
        from umlip_bench.engine.speed.sizes import QUICK

        if self.quick:
            return {name: self.n_structures or QUICK[name] for name in self.work or QUICK}
        return dict.fromkeys(self.work or get_args(Work), self.n_structures)

    def _at_once(self, name: str, kind: str) -> tuple[int, ...]:
        from umlip_bench.engine.speed.comparison import ALL_AT_ONCE

        usual = IN_FLIGHT[kind] if name == "static" and not self.quick else (ALL_AT_ONCE,)
        return self.in_flight or usual


COMMAND = SpeedCommand
