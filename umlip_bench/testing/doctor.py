"""The state of an installation, for its user and for a report of a bug."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch

from umlip_bench.environments.places import environments_folder
from umlip_bench.environments.tables import Built, states
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.plugins import installed
from umlip_bench.ground.store.store import cache_folder
from umlip_bench.ground.version import RECORDED_PACKAGES, __version__, versions
from umlip_bench.potentials.catalogue import catalogue
from umlip_bench.potentials.model_tables import availability, to_fetch
from umlip_bench.potentials.weights import WeightsStore
from umlip_bench.testing.contract import check_potential
from umlip_bench.testing.report import ContractReport

SELF_TEST = ("reference calculator", "derivatives", "supercells", "refusals")
"""Parts of the contract that an installation is tried by: those that other versions of packages, other
processors and damaged weights break, and that take seconds."""
PLUGINS = ("umlip_bench.potentials", "umlip_bench.suites", "umlip_bench.methods")
VARIABLES = (
    "UMLIP_BENCH_MODELS",
    "UMLIP_BENCH_DATA",
    "UMLIP_BENCH_CACHE",
    "UMLIP_BENCH_ENVIRONMENTS",
    "OMP_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
)
"""Of the environment, that change what the package does."""


@dataclass(frozen=True)
class Fact:
    """One thing about an installation.

    Parameters
    ----------
    name
        Of what.
    value
        What it is.
    wrong
        Whether it keeps something from working.
    """

    name: str
    value: str
    wrong: bool = False


@dataclass(frozen=True)
class Examination:
    """How one model did in the self-test.

    Parameters
    ----------
    model
        Its name.
    report
        What was measured; ``None`` if it could not be loaded.
    reason
        Why it could not be loaded, or why nothing was tried.
    seconds
        That it took.
    """

    model: str
    report: ContractReport | None
    reason: str
    seconds: float

    @property
    def wrong(self) -> bool:
        """Whether it was tried and is not as it should be."""
        return self.report is None or not self.report.passed


def facts() -> Iterator[Fact]:
    """What is installed, and where things go; nothing slow is done."""
    yield Fact("umlip_bench", __version__)
    yield Fact("python", f"{platform.python_version()} on {platform.platform()}")
    found = versions(RECORDED_PACKAGES)
    yield Fact("packages", ", ".join(f"{name} {version}" for name, version in found.items()))
    yield Fact("devices", ", ".join(_devices()))
    for variable in VARIABLES:
        if variable in os.environ:
            yield Fact(variable, os.environ[variable])
    yield _folder("cache", cache_folder(""))
    yield from _environments()
    for group in PLUGINS:
        for said in installed(group).left_out:
            yield Fact("plug-in", said, wrong=True)


def models_here() -> tuple[list[str], list[Fact]]:
    """Names of catalogued models whose weights are on this machine, and what there is about the others."""
    store = WeightsStore()
    here, others, damaged = [], [], []
    for card in catalogue().values():
        state = availability(card, store)
        if state.here:
            here.append(card.name)
        elif state.text == to_fetch(card):
            others.append(card.name)
        else:
            damaged.append(Fact(card.name, state.text, wrong=True))
    if others:
        damaged.append(Fact("weights not here (umlip-bench models fetch NAME)", ", ".join(others)))
    return here, damaged


def examine(models: Iterable[str], device: str = "cpu") -> Iterator[Examination]:
    """Hold models to `SELF_TEST`, one after the other.

    Parameters
    ----------
    models
        Names as of `umlip_bench.potential`.
    device
        As there.
    """
    for model in models:
        start = perf_counter()
        try:
            report, reason = check_potential(model, only=SELF_TEST, device=device), ""
        except UmlipBenchError as error:
            report, reason = None, str(error)
        yield Examination(model, report, reason, perf_counter() - start)


def _devices() -> Iterator[str]:
    threads = torch.get_num_threads()
    yield f"CPU {platform.processor() or platform.machine()}, {os.cpu_count()} cores, {threads} threads"
    if not torch.cuda.is_available():
        yield f"no CUDA device (torch {torch.__version__})"
    for index in range(torch.cuda.device_count()):
        yield f"cuda:{index} {torch.cuda.get_device_name(index)}"


def _environments() -> Iterator[Fact]:
    try:
        folder = _folder("environments", environments_folder())
        yield folder
        if folder.wrong:
            return
        for state in states():
            if state.built is not Built.NO:
                yield Fact(
                    f"environment {state.name}", str(state.built), state.built is not Built.YES
                )
    except UmlipBenchError as error:
        yield Fact("environments", str(error), wrong=True)


def _folder(name: str, folder: Path) -> Fact:
    """A folder that is written to, and whether it can be."""
    above = next(each for each in (folder, *folder.parents) if each.exists())
    if not above.is_dir():
        return Fact(name, f"{folder}: {above} is not a folder", wrong=True)
    if not os.access(above, os.W_OK | os.X_OK):
        return Fact(name, f"{folder} cannot be written to", wrong=True)
    return Fact(name, str(folder))
