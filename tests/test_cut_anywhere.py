"""Every command that resumes: cut at any byte of what it keeps, it goes on and ends the same."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from umlip_bench.cli import main as bench
from umlip_bench.cli.finetune import main as finetune

from .finetune.test_label import STAND_IN
from .finetune.test_methods import install

EMT_MODEL = "ase:ase.calculators.emt:EMT"
N_CUTS = 6


@dataclass(frozen=True)
class Resumable:
    """A command, where it keeps what it has, and what is to be the same in the end.

    Parameters
    ----------
    program
        Main function.
    arguments
        Of a run in the current folder.
    journal
        Folder of the journal that is cut.
    results
        The files of the result, and what of one is to be the same.
    """

    program: Callable[[Sequence[str]], int]
    arguments: tuple[str, ...]
    journal: str
    results: tuple[tuple[str, Callable[[Path], object]], ...]


def content(path: Path) -> object:
    return path.read_bytes()


def without_seconds(path: Path) -> object:
    """A table of a curve, but for what its fits took."""
    return [line.rsplit(",", 2)[0] for line in path.read_text().splitlines()]


def numbers(path: Path) -> object:
    """Numbers to seven digits (EMT, as in `relaxed`), but for what fits took."""

    def rounded(value: object) -> object:
        match value:
            case dict():
                return {k: rounded(each) for k, each in value.items() if k != "seconds"}
            case list():
                return [rounded(each) for each in value]
            case float():
                return round(value, 7) + 0.0
        return value

    return rounded(json.loads(path.read_text()))


def relaxed(path: Path) -> object:
    """Frames to six digits: EMT keeps neighbours between calls, and sums in the order of its last."""
    frames = ase.io.read(path, ":")
    return [
        (str(f.symbols), f.info["index"], f.info["key"], (np.round(f.positions, 6) + 0.0).tolist())
        for f in frames
    ]


COMMANDS = {
    "run": Resumable(
        bench,
        ("run", "high-energy", "--model", EMT_MODEL, "--data", "frames.xyz", "--out", "run"),
        "run/journal",
        (("run/summary.json", content), ("run/cases.jsonl", content)),
    ),
    "relax": Resumable(
        bench,
        ("relax", "frames.xyz", "--model", EMT_MODEL, "--out", "relaxed.xyz"),
        "relaxed.xyz.work",
        (("relaxed.xyz", relaxed),),
    ),
    "label": Resumable(
        finetune,
        ("label", "--engine", "gpaw", "few.xyz", "--out", "labels.xyz", "--spin", "none"),
        "labels.xyz.work",
        (("labels.xyz", content),),
    ),
    "curve": Resumable(
        finetune,
        (
            *("curve", "--model", EMT_MODEL, "--labels", "frames.xyz", "--material", "Cu"),
            *("--method", "scalar", "--method", "e0", "--sizes", "1,2", "--out", "curve"),
        ),
        "curve/trials",
        (("curve/curve.csv", without_seconds), ("curve/curve.json", content)),
    ),
    "race": Resumable(
        finetune,
        (
            *("race", "--model", EMT_MODEL, "--labels", "frames.xyz", "--material", "Cu"),
            *("--method", "mine", "--sizes", "1,2", "--choices", "1", "--out", "race"),
        ),
        "race/trials",
        (("race/race.json", numbers),),
    ),
    "ladder": Resumable(
        finetune,
        (
            *("ladder", "--model", EMT_MODEL, "--labels", "frames.xyz"),
            *("--method", "e0", "--method", "mine", "--out", "ladder.json"),
        ),
        "ladder.trials",
        (("ladder.json", numbers),),
    ),
    "evaluate": Resumable(
        finetune,
        (
            *("evaluate", "--model", EMT_MODEL, "--labels", "frames.xyz", "--material", "Cu"),
            *("--method", "mine", "--sizes", "1", "--out", "evaluation.json"),
        ),
        "evaluation.trials",
        (("evaluation.json", numbers),),
    ),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Frames of copper and nickel, whose labels are a quarter steeper than EMT; a stand-in for GPAW.

    Also a method of another package, which is fitted in no time.
    """
    install(tmp_path / "site", {"mine": "mine_module:Mine"})
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "gpaw.py").write_text(STAND_IN)
    monkeypatch.setenv("STAND_IN_LOG", str(tmp_path / "calculations.txt"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"), prepend=":")
    frames = []
    for k in range(8):
        atoms = bulk(("Cu", "Ni")[k % 2]) * (2, 2, 1)
        atoms.rattle(0.08, seed=k)
        atoms.calc = EMT()
        energy, forces, stress = (
            atoms.get_potential_energy(),
            atoms.get_forces(),
            atoms.get_stress(voigt=False),
        )
        atoms.calc = None
        atoms.info = {"system": ("Cu", "Ni")[k % 2], "REF_energy": 1.25 * energy}
        atoms.info["REF_stress"] = 1.25 * stress
        atoms.arrays["REF_forces"] = 1.25 * forces
        frames.append(atoms)
    ase.io.write(tmp_path / "frames.xyz", frames, format="extxyz")
    # Each of these gets a process of its own.
    ase.io.write(tmp_path / "few.xyz", frames[:3], format="extxyz")
    return tmp_path


@pytest.mark.seconds
@pytest.mark.parametrize("name", COMMANDS)
def test_cut_at_any_byte_it_goes_on_and_ends_the_same(name: str, folder: Path) -> None:
    command = COMMANDS[name]
    device = () if name == "label" else ("--device", "cpu", "--dtype", "float64")
    arguments = [*command.arguments, *device]
    assert command.program(arguments) == 0
    expected = {file: read(folder / file) for file, read in command.results}
    # With its arrays: EMT's last digits differ when something is computed again.
    shutil.copytree(folder / command.journal, folder / "whole")
    (kept,) = (folder / command.journal).glob("*.jsonl")
    whole = kept.read_bytes()
    n_entries = whole.count(b"\n")
    assert n_entries >= 2
    cuts = np.random.default_rng(0).integers(0, len(whole), N_CUTS - 2)
    for cut in (0, *sorted(int(c) for c in cuts), len(whole) - 1):
        for file in expected:
            (folder / file).unlink(missing_ok=True)
        shutil.rmtree(folder / command.journal)
        shutil.copytree(folder / "whole", folder / command.journal)
        kept.write_bytes(whole[:cut])
        assert command.program(arguments) == 0
        found = {file: read(folder / file) for file, read in command.results}
        assert found == expected, f"cut at byte {cut} of {len(whole)}"
        lines = sum(
            path.read_bytes().count(b"\n") for path in (folder / command.journal).glob("*.jsonl")
        )
        assert lines == n_entries, "something was computed twice, or not at all"


@pytest.mark.seconds
@pytest.mark.parametrize("name", ["run", "relax"])
def test_a_journal_that_is_gone_is_made_anew(name: str, folder: Path) -> None:
    command = COMMANDS[name]
    arguments = [*command.arguments, "--device", "cpu", "--dtype", "float64"]
    assert command.program(arguments) == 0
    expected = {file: read(folder / file) for file, read in command.results}
    shutil.rmtree(folder / command.journal)
    if name == "relax":  # without its folder the file is a stranger's
        (folder / "relaxed.xyz").unlink()
    assert command.program(arguments) == 0
    assert {file: read(folder / file) for file, read in command.results} == expected
