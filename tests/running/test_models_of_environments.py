"""A run with models of environments: what it keeps of them, and what becomes of it if one is killed."""

from importlib.metadata import version
from pathlib import Path
from platform import python_version

import ase.io
import numpy as np
import pytest
import yaml
from ase.build import bulk
from ase.calculators.lj import LennardJones

from umlip_bench.analysis.card import card_content
from umlip_bench.analysis.compared_models import sides
from umlip_bench.analysis.run_files import VERSIONS
from umlip_bench.analysis.runs import read_run
from umlip_bench.cli import main
from umlip_bench.environments.environment import Environment

pytestmark = pytest.mark.seconds


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Labels of four crystals, for which the potential of `calculators` is too soft."""
    rng = np.random.default_rng(0)
    frames = []
    for a in (3.0, 3.1, 3.2, 3.3):
        atoms = bulk("Ar", "fcc", a=a, cubic=True)
        atoms.positions += rng.normal(0, 0.1, (4, 3))
        atoms.calc = LennardJones(sigma=2.0, epsilon=0.1, rc=6.0, smooth=True)
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = None
        atoms.info = {"system": f"Ar-{a}", "REF_energy": 1.25 * energy}
        atoms.arrays["REF_forces"] = 1.25 * forces
        frames.append(atoms)
    path = tmp_path / "data.xyz"
    ase.io.write(path, frames, format="extxyz")
    return path


def test_the_versions_of_its_environment_are_kept_with_a_model(
    calculators: Environment, data: Path, tmp_path: Path
) -> None:
    models = [f"{tmp_path / 'calculators.py'}:lj", "ase:ase.calculators.lj:LennardJones"]
    options = [word for model in models for word in ("--model", model)]
    command = ["run", "high-energy", *options, "--data", str(data), "--out", str(tmp_path / "run")]
    assert main([*command, "--device", "cpu"]) == 0
    there = {"python": python_version(), "ase": version("ase")}
    # A second command finds it as the first left it.
    for _ in range(2):
        entries = yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())["models"]
        assert entries["calculators:lj"][VERSIONS] == there
        assert VERSIONS not in entries[models[1]]
        run = read_run(tmp_path / "run")
        of_theirs, of_ours = (card_content(side).versions for side in sides([run]))
        assert {name: of_theirs[name] for name in there} == there
        assert "torch" not in of_theirs
        assert of_ours["torch"] == version("torch")
        assert main([*command, "--device", "cpu"]) == 0
