import dataclasses
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from ase import Atoms

from umlip_bench.cli import PROGRAM
from umlip_bench.engine.requests import Task
from umlip_bench.engine.speed.comparison import (
    ALL_AT_ONCE,
    Comparison,
    Timing,
    compare,
    run_work,
)
from umlip_bench.engine.speed.ends import Difference, End, difference
from umlip_bench.engine.speed.sizes import make
from umlip_bench.engine.speed.workloads import Bands, Dynamics, SinglePoints, Work
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
        def _task(self, atoms: Atoms) -> Task[list[End]]:
            (end,) = yield from super()._task(atoms)
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


def test_matcalc_is_imported_only_if_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Its import waits for a network; whether it is installed makes no difference."""
    cpu = torch.device("cpu")
    assert set(make("relax", cpu, 1).others) == {"ase"}
    assert set(make("relax-cell", cpu, 1, ["matcalc"]).others) == {"ase", "matcalc"}
    if find_spec("matcalc") is None:
        assert PROGRAM.main(["speed", "--model", "chgnet-0.3.0", "--matcalc"]) == 2
        assert "matcalc is not installed" in capsys.readouterr().err


def test_torch_sim_is_asked_for_too(capsys: pytest.CaptureFixture[str]) -> None:
    cpu = torch.device("cpu")
    assert set(make("static", cpu, 1, ["torch-sim", "matcalc"]).others) == {"ase", "torch-sim"}
    assert set(make("relax", cpu, 1, ["torch-sim"]).others) == {"ase", "torch-sim"}
    assert set(make("md", cpu, 1, ["torch-sim"]).others) == {"ase"}
    if find_spec("torch_sim") is None:
        assert PROGRAM.main(["speed", "--model", "chgnet-0.3.0", "--torch-sim"]) == 2
        assert (
            "pip install torch-sim-atomistic, or leave out --torch-sim" in capsys.readouterr().err
        )


@pytest.mark.model
@pytest.mark.skipif(find_spec("torch_sim") is None, reason="torch-sim is not installed")
@pytest.mark.parametrize("name", ["static", "relax", "relax-cell"])
def test_torch_sim_comes_to_the_same_end(name: str, small_mace: Path) -> None:
    model = potential(str(small_mace), device="cpu", dtype="float64")
    work = make(name, model.device, 2, ["torch-sim"])
    mine = run_work(work, model, ALL_AT_ONCE)
    found = difference(work.others["torch-sim"](model.reference_calculator()), mine)
    assert found.within(Difference(energy=1e-6, forces=1e-4, positions=1e-4)), found


def test_work_is_printed_as_it_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was measured before an interruption stays; times of processor and clock."""
    timing = Timing("ase", ALL_AT_ONCE, 1.0, 4.0, 4.0, 3.5, 4.5, 3.9, 3.8, 4.1, 5)
    nothing = Difference(0.0, 0.0, 0.0)
    done: list[str] = []

    def compared(work: Work, model: object, at_once: tuple[int, ...], repeats: int) -> Comparison:
        if done:
            raise KeyboardInterrupt
        assert (repeats, at_once) == (5, (ALL_AT_ONCE,))
        done.append(work.name)
        return Comparison(work.name, work.description, work.unit, 1, (timing,), nothing, nothing)

    monkeypatch.setattr("umlip_bench.engine.speed.comparison.compare", compared)
    monkeypatch.setenv("COLUMNS", "120")
    words = ["speed", "--model", "ase:ase.calculators.emt:EMT", "--quick"]
    assert PROGRAM.main([*words, "--work", "static", "--work", "md"]) == 130
    printed = capsys.readouterr().out
    assert "static, structures: 4 cells" in printed
    assert "3.80 to 4.10" in printed
    assert PROGRAM.main([*words, "--work", "neb"]) == 2
    assert "--quick leaves out neb" in capsys.readouterr().err
