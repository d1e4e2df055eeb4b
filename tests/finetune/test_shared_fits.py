"""Fits made by several processes: the same as by one, none twice, and none lost with one that dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import LoadModel
from umlip_bench.cli.finetune import main
from umlip_bench.datasets import Frame
from umlip_bench.finetune.curve import CurvePlan, CurvePoint, trace
from umlip_bench.finetune.experiment import TRIALS, Experiment, Fitted
from umlip_bench.finetune.method import Chosen
from umlip_bench.finetune.method import method as named
from umlip_bench.finetune.shared_fits import FitWork, SharedExperiment
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.ground.journal import Journal
from umlip_bench.potentials.protocol import Potential
from umlip_bench.running.jobs import Jobs, local_jobs
from umlip_bench.running.work import Worked

from ..support.labels import labelled, stiffer
from ..support.structures import distorted

CHGNET = "chgnet-0.3.0"
METHODS = tuple(
    Chosen(named(name), TrainingSettings(epochs=2, batch_size=2)) for name in ("head", "full")
)
PLAN = CurvePlan(METHODS, (1, 2), 2)
N_FITS = PLAN.n_points - 1
"""The model as it is, is judged by the same frames for both choices of labels."""


@pytest.fixture(scope="module")
def chgnet(load_model: LoadModel) -> Potential:
    return load_model(CHGNET, dtype="float64")


@pytest.fixture(scope="module")
def frames(chgnet: Potential) -> list[Frame]:
    return labelled(stiffer(chgnet, 1.25), distorted(4))


@pytest.fixture(scope="module")
def alone(chgnet: Potential, frames: list[Frame]) -> tuple[CurvePoint, ...]:
    return trace(Experiment(chgnet), frames, PLAN)


def the_same(one: Sequence[CurvePoint], other: Sequence[CurvePoint]) -> None:
    assert [(p.method, p.n_labels, p.seed) for p in one] == [
        (p.method, p.n_labels, p.seed) for p in other
    ]
    for a, b in zip(one, other, strict=True):
        assert a.held_out is not None
        assert b.held_out is not None
        for key, value in vars(a.held_out).items():
            np.testing.assert_allclose(getattr(b.held_out, key), value, rtol=1e-9, atol=1e-12)


def lines(folder: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in folder.glob("*.jsonl"))


@pytest.mark.model
def test_two_processes_make_what_one_makes(
    chgnet: Potential, frames: list[Frame], alone: tuple[CurvePoint, ...], tmp_path: Path
) -> None:
    jobs = local_jobs(2, torch.device("cpu"))
    assert jobs is not None
    experiment = SharedExperiment(chgnet, tmp_path / TRIALS, jobs=jobs)
    the_same(alone, trace(experiment, frames, PLAN))
    assert experiment.told == []
    # Each fit once, by both processes.
    assert lines(tmp_path / TRIALS) == N_FITS
    assert len(list((tmp_path / TRIALS).glob("*.jsonl"))) > 1
    # With everything there, nothing is started.
    none = replace(jobs, start=lambda: pytest.fail("started"))
    again = SharedExperiment(chgnet, tmp_path / TRIALS, jobs=none)
    the_same(alone, trace(again, frames, PLAN))
    assert lines(tmp_path / TRIALS) == N_FITS
    # What was damaged is made again, and told although it is whole in the end.
    lost = next((tmp_path / TRIALS / "arrays").glob("*.npz"))
    lost.write_bytes(lost.read_bytes()[:-9])
    mended = SharedExperiment(chgnet, tmp_path / TRIALS, jobs=jobs)
    the_same(alone, trace(mended, frames, PLAN))
    assert lines(tmp_path / TRIALS) == N_FITS + 1
    assert [lost.name in said for said in mended.damaged] == [True]


class KilledAfterOne(Executor):
    """Another process that makes the first fit of each chunk, and is killed."""

    def __init__(self) -> None:
        self.n_killed = 0

    def submit(self, do, work: FitWork, /) -> Future[Worked]:  # type: ignore[no-untyped-def, override]
        future: Future[Worked] = Future()
        with ProcessPoolExecutor(1) as pool:
            pool.submit(do, replace(work, fits=work.fits[:1])).result()
            end = pool.submit(_end)
            self.n_killed += isinstance(end.exception(), BrokenExecutor)
            future.set_exception(end.exception() or BrokenExecutor("it lived"))
        return future


def _end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.model
def test_a_process_that_dies_costs_what_it_had_not_ended(
    chgnet: Potential, frames: list[Frame], alone: tuple[CurvePoint, ...], tmp_path: Path
) -> None:
    others = KilledAfterOne()
    jobs = Jobs(lambda: others, lambda executor: None, 1, patience=0.0)
    experiment = SharedExperiment(chgnet, tmp_path / TRIALS, jobs=jobs)
    the_same(alone, trace(experiment, frames, PLAN))
    assert len(Journal(tmp_path / TRIALS, Fitted).keys()) == N_FITS
    assert lines(tmp_path / TRIALS) == N_FITS
    assert others.n_killed >= 1


@pytest.mark.model
def test_processes_need_a_place_for_their_fits(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--labels", "pbe-mini", "--material", "Si", "--method", "full", "--jobs", "2"]
    assert main(["evaluate", "--model", CHGNET, *arguments]) == 2
    assert "--jobs 2 needs --out" in capsys.readouterr().err
