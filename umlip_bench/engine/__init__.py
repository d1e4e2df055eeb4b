"""Continuous batching: measurements are generators, the engine fills the model's calls.

Ask for any number of things at once, or write a measurement as a generator:

>>> from ase.build import bulk
>>> import umlip_bench
>>> from umlip_bench import engine
>>> model = umlip_bench.potential("ase:ase.calculators.emt:EMT", dtype="float64")
>>> structures = [bulk("Cu"), bulk("Al")]
>>> for outcome in engine.run_requests(model, [engine.Relax(a, cell=True) for a in structures]):
...     if isinstance(outcome, engine.Done):
...         print(outcome.key, f"{outcome.result.energy:.3f} eV")
0 -0.007 eV
1 -0.005 eV
"""

from umlip_bench.engine.bands import ApproxBand, ApproxBandResult, Band, BandResult
from umlip_bench.engine.cell_filter import FrechetCellFilter
from umlip_bench.engine.dynamics import Langevin, Trajectory
from umlip_bench.engine.fire import Fire
from umlip_bench.engine.independent import run_requests
from umlip_bench.engine.lbfgs import Lbfgs, ScaledLbfgs
from umlip_bench.engine.relaxation import Relax, Relaxed
from umlip_bench.engine.requests import About, Procedure, Request, Rounding, Static, Task
from umlip_bench.engine.scheduler import Done, Failed, run_tasks

__all__ = [
    "About",
    "ApproxBand",
    "ApproxBandResult",
    "Band",
    "BandResult",
    "Done",
    "Failed",
    "Fire",
    "FrechetCellFilter",
    "Langevin",
    "Lbfgs",
    "Procedure",
    "Relax",
    "Relaxed",
    "Request",
    "Rounding",
    "ScaledLbfgs",
    "Static",
    "Task",
    "Trajectory",
    "run_requests",
    "run_tasks",
]
