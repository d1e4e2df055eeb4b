"""Runs of a slow calculator on a few metals, by one process or many, and what they leave."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import ase.io
import numpy as np
import torch
from ase.build import bulk
from ase.calculators.emt import EMT

from umlip_bench import datasets
from umlip_bench.benchmarks.suite import Mode
from umlip_bench.potentials.loading import locate
from umlip_bench.potentials.weights import WeightsStore
from umlip_bench.running.jobs import Jobs
from umlip_bench.running.runner import RunOutcome, run_suites
from umlip_bench.running.source import from_dataset

METALS = ("Ag", "Al", "Au", "Cu", "Ni", "Pd", "Pt")
N = 3 * len(METALS)

CALCULATOR = '''\
"""EMT, slower, and deadly where a file says so."""

import os
import time
from pathlib import Path

from ase.calculators.emt import EMT

HERE = Path(__file__).parent


class Slow(EMT):
    def calculate(self, *args, **kwargs):
        time.sleep(0.02)
        # The process that runs the command writes its number down; all others die while lives are left.
        lives = HERE / "lives"
        if lives.exists() and os.getpid() != int((HERE / "parent").read_text()):
            left = int(lives.read_text())
            if left:
                lives.write_text(str(left - 1))
                os._exit(1)
        super().calculate(*args, **kwargs)
'''


class Silent:
    def __init__(self) -> None:
        self.n = 0

    def start(self, model: str, total: int, finished: int) -> None:
        self.n = finished

    def advance(self, n: int = 1) -> None:
        self.n += n


def run(
    out: Path,
    jobs: Jobs | None,
    progress: Silent | None = None,
    *,
    join: bool = False,
    time_limit: float | None = None,
    only_plan: bool = False,
) -> RunOutcome:
    """All cases of `labelled`, by the calculator beside them."""
    source = from_dataset(["high-energy"], datasets.load("metals.xyz"), Mode.STANDARD)
    return run_suites(
        source.plans,
        [locate("ase:slow:Slow", WeightsStore())],
        source.data,
        out,
        device=torch.device("cpu"),
        dtype=torch.float64,
        progress=progress or Silent(),
        jobs=jobs,
        join=join,
        time_limit=time_limit,
        only_plan=only_plan,
    )


def keys(out: Path) -> list[list[str]]:
    """Keys in each file of the journal."""
    return [
        [json.loads(line)["key"] for line in path.read_text().splitlines()]
        for path in sorted((out / "journal").glob("*.jsonl"))
    ]


def writers(out: Path) -> set[str]:
    """Processes that have written into the journal."""
    return {path.stem.rsplit("-", 2)[1] for path in (out / "journal").glob("*.jsonl")}


def summary(out: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads((out / "summary.json").read_text())["rows"]
    return rows


def equal(first: Sequence[dict[str, object]], second: Sequence[dict[str, object]]) -> bool:
    def close(a: object, b: object) -> bool:
        if isinstance(a, float) and isinstance(b, float):
            # What a factor leaves of proportional labels are their last digits, 1e-8 eV/Å, and rounding.
            return bool(np.isclose(a, b, rtol=1e-9, atol=1e-12))
        return a == b

    return len(first) == len(second) and all(
        a.keys() == b.keys() and all(close(a[key], b[key]) for key in a)
        for a, b in zip(first, second, strict=True)
    )


def labelled(folder: Path, n_each: int = 3) -> None:
    """Write a calculator, and labels of so many materials of each metal, into a folder."""
    (folder / "slow.py").write_text(CALCULATOR)
    (folder / "parent").write_text(str(os.getpid()))
    rng = np.random.default_rng(0)
    frames = []
    for metal in METALS:
        for k in range(n_each):
            for _ in range(2):
                atoms = bulk(metal, cubic=True) * (1, 1, k % 3 + 1)
                atoms.positions += rng.normal(0, 0.1, atoms.positions.shape)
                atoms.calc = EMT()
                forces, energy = atoms.get_forces(), atoms.get_potential_energy()
                atoms.calc = None
                atoms.info = {"system": f"{metal}-{k}", "REF_energy": energy}
                atoms.arrays["REF_forces"] = 1.25 * forces
                frames.append(atoms)
    ase.io.write(folder / "metals.xyz", frames, format="extxyz")


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def children(of: int) -> set[int]:
    """Processes that a process has started, and those that they have."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if parent == of:
            found.add(int(stat.parent.name))
    return found.union(*map(children, found))
