import dataclasses
from typing import Any

import pytest
import torch

from umlip_bench.engine.speed.comparison import ALL_AT_ONCE, compare, run_work
from umlip_bench.engine.speed.workloads import (
    Bands,
    Difference,
    Dynamics,
    End,
    SinglePoints,
    difference,
    make,
)
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.potentials.loading import potential

WORK = ["static", "relax", "relax-cell", "phonons", "neb", "md"]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bands, "steps", 2)
    monkeypatch.setattr(Dynamics, "steps", 5)


@pytest.mark.model
@pytest.mark.parametrize("name", WORK)
def test_both_sides_come_to_the_same_end(name: str, short: None) -> None:
    """In float64 to rounding, so that what is timed is the same work."""
    model = potential("chgnet-0.3.0", device="cpu", dtype="float32")
    work = make(name, model.device, 1)
    found = difference(
        work.library(model.reference_calculator()), run_work(work, model, ALL_AT_ONCE)
    )
    # Far below what is tolerated for runs of any length.
    assert found.within(Difference(energy=1e-6, forces=1e-4, positions=1e-4)), found


@pytest.mark.model
def test_sides_that_differ_are_not_timed() -> None:
    model = potential("chgnet-0.3.0", device="cpu")

    class Shifted(SinglePoints):
        def ends(self, request: Any, answer: Any) -> list[End]:
            (end,) = super().ends(request, answer)
            return [dataclasses.replace(end, energy=end.energy + 0.01)]

    static = make("static", model.device, 1)
    assert isinstance(static, SinglePoints)
    work = Shifted(static.structures)
    with pytest.raises(UmlipBenchError, match="the timing would mean nothing"):
        compare(work, model, [1], 5)
    with pytest.raises(UmlipBenchError, match="4 repeats are too few"):
        compare(work, model, [1], 4)


def test_a_gpu_is_given_more() -> None:
    assert make("static", torch.device("cuda")).n == 16 * make("static", torch.device("cpu")).n
