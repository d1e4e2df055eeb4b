"""A result belongs to the model that produced it: fifty ways to change a calculator behind its name."""

import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import ase.io
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones

from umlip_bench.cli import main

NAME = "ase:my_calculator:Mine"

BASE = """
from ase.calculators.lj import LennardJones

SIGMA = 1.0


class Middle(LennardJones):
    default_epsilon = {epsilon}
"""
HELPER = """
def stiffness():
    return {stiffness}
"""
CALCULATOR = """
import json, os
from pathlib import Path

from my_base import SIGMA, Middle
from my_helper import stiffness

FACTOR = {factor}
{comment}

class Mine(Middle):
    scale = {scale}

    def __init__(self, cutoff={cutoff}):
        super().__init__(epsilon=self.default_epsilon, sigma=SIGMA, rc=cutoff)

    def calculate(self, *args, **kwargs):
        self.nl = None
        super().calculate(*args, **kwargs)
        data = json.loads(Path(__file__).with_name("parameters.json").read_text())
        factor = FACTOR * self.scale * stiffness() * data["factor"]
        factor *= float(os.environ.get("MY_FACTOR", "1"))
        for name in ("energy", "free_energy", "forces", "stress"):
            self.results[name] = {method} * factor * self.results[name]
"""
PLAIN = {
    "epsilon": 1.0,
    "stiffness": 1.0,
    "factor": 1.0,
    "scale": 1.0,
    "cutoff": 2.2,
    "method": 1.0,
    "data": 1.0,
    "environment": 1.0,
    "comment": "",
}
FACTORS = (0.5, 0.9, 0.999, 1.001, 1.1, 2.0, 10.0)
KINDS = ("epsilon", "stiffness", "factor", "scale", "method", "data", "environment")
MUTATIONS = [(kind, value) for kind in KINDS for value in FACTORS] + [("cutoff", 1.9)]


@pytest.fixture
def calculator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Write the calculator with some of its parameters changed, and forget what was imported of it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def write(**changes: object) -> None:
        values = {**PLAIN, **changes}
        (tmp_path / "my_base.py").write_text(BASE.format(**values))
        (tmp_path / "my_helper.py").write_text(HELPER.format(**values))
        (tmp_path / "my_calculator.py").write_text(CALCULATOR.format(**values))
        (tmp_path / "parameters.json").write_text(json.dumps({"factor": values["data"]}))
        monkeypatch.setenv("MY_FACTOR", str(values["environment"]))
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        for module in ("my_calculator", "my_base", "my_helper"):
            sys.modules.pop(module, None)
        importlib.invalidate_caches()

    frames = []
    for seed in range(2):
        atoms = bulk("Ar", "fcc", a=1.6, cubic=True)
        atoms.rattle(0.05, seed=seed)
        atoms.calc = LennardJones(rc=2.2)
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = None
        atoms.info = {"system": "Ar", "REF_energy": energy}
        atoms.arrays["REF_forces"] = forces
        frames.append(atoms)
    ase.io.write(tmp_path / "frames.xyz", frames, format="extxyz")
    yield write
    for module in ("my_calculator", "my_base", "my_helper"):
        sys.modules.pop(module, None)


def run(*more: str) -> int:
    command = ["run", "high-energy", "--model", NAME, "--data", "frames.xyz", "--out", "run"]
    return main([*command, "--device", "cpu", "--dtype", "float64", *more])


def slope() -> float:
    (line,) = Path("run/cases.jsonl").read_text().splitlines()
    return json.loads(line)["metrics"]["slope"]


@pytest.mark.seconds
def test_fifty_changed_calculators_and_no_stale_result(
    calculator: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(MUTATIONS) == 50
    calculator()
    assert run() == 0
    assert slope() == pytest.approx(1, abs=1e-6)
    refused = 0
    for kind, value in MUTATIONS:
        calculator(**{kind: value})
        capsys.readouterr()
        status = run()
        said = capsys.readouterr().err
        if status == 0:  # measured anew, not handed out
            assert slope() == pytest.approx(value, rel=1e-6), (kind, value)
        else:
            refused += 1
            assert status == 2
            assert "is not the model" in said or "another model of the name" in said, said
            assert "--new-model" in said
            assert slope() == pytest.approx(1, abs=1e-6)  # what is there is still its own
    assert refused == len(MUTATIONS)
    calculator()  # the first one may go on
    assert run() == 0
    assert slope() == pytest.approx(1, abs=1e-6)


@pytest.mark.seconds
@pytest.mark.parametrize("kind", ["factor", "stiffness", "data", "environment"])
def test_a_new_model_is_measured_anew_when_asked_to(
    calculator: Callable[..., None], kind: str
) -> None:
    calculator()
    assert run() == 0
    calculator(**{kind: 0.5})
    assert run("--new-model") == 0
    assert slope() == pytest.approx(0.5, rel=1e-6)
    assert run() == 0  # and is the folder's from now on
    assert slope() == pytest.approx(0.5, rel=1e-6)
    calculator()
    assert run() == 2
    assert run("--new-model") == 0
    assert slope() == pytest.approx(1, abs=1e-6)


@pytest.mark.seconds
def test_a_comment_elsewhere_is_no_other_model(calculator: Callable[..., None]) -> None:
    calculator()
    assert run() == 0
    before = slope()
    with open("my_helper.py", "a") as file:
        file.write("# a comment in a module that the class is not defined in\n")
    sys.modules.pop("my_helper")
    assert run() == 0
    assert slope() == before
    assert os.path.exists("run/models")
