"""``umlip-bench calibrate``: measure memory and time of a model's calls on this machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from json import dumps

from umlip_bench.cli.declare import Names, OnDevice
from umlip_bench.ground.limits import Count


@dataclass(frozen=True, kw_only=True)
class CalibrateCommand(OnDevice):
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

        from umlip_bench.cli.console import output
        from umlip_bench.engine.calibration_table import print_calibration, throughput
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
            per_second = throughput(potential)
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
                print_calibration(potential, calibration, per_second, path, output())
        if self.json:
            print(dumps(results, indent=1))
        return 0


COMMAND = CalibrateCommand
