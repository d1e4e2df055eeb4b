"""``umlip-bench compare`` and ``export`` on runs of toy models."""

from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones

from umlip_bench.cli import main

SCALED = """
from ase.calculators.lj import LennardJones

class Scaled(LennardJones):
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        for name in ("energy", "free_energy", "forces", "stress"):
            self.results[name] = {factor} * self.results[name]
"""
LJ = "ase:ase.calculators.lj:LennardJones"
STIFF = "ase:compared_lj:Scaled"
FACTOR = 1.25


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders: ``both`` with a model and one of 1.25 times its forces, ``alone`` with the first."""
    folder = tmp_path_factory.mktemp("compare")
    (folder / "compared_lj.py").write_text(SCALED.format(factor=FACTOR))
    rng = np.random.default_rng(0)
    frames = []
    for system in range(7):
        atoms = bulk("Ar", "fcc", a=1.6, cubic=True)
        atoms.positions += rng.normal(0, 0.05, (4, 3))
        atoms.calc = LennardJones()
        forces = atoms.get_forces()
        atoms.calc = None
        atoms.info = {"system": f"Ar-{system}", "REF_energy": float(system)}
        atoms.arrays["REF_forces"] = 1.3 * forces + rng.normal(0, 0.1, (4, 3))
        frames.append(atoms)
    ase.io.write(folder / "data.xyz", frames, format="extxyz")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        data = ["--data", str(folder / "data.xyz"), "--device", "cpu"]
        for out, models in (("both", [LJ, STIFF]), ("alone", [LJ])):
            named = [word for model in models for word in ("--model", model)]
            assert main(["run", "high-energy", *named, *data, "--out", str(folder / out)]) == 0
    return folder


def differences(path: Path) -> pd.DataFrame:
    return pd.read_csv(path).set_index("metric")


@pytest.mark.seconds
def test_model_against_model(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "table.csv"
    arguments = ["compare", str(runs / "both"), "--models", LJ, STIFF, "--out", str(out)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "high-energy (fixed-geometry)" in printed
    assert "what changed" not in printed
    slope = differences(out).loc["slope_median"]
    assert slope["second"] == pytest.approx(FACTOR * slope["first"])
    assert slope["difference"] == pytest.approx((FACTOR - 1) * slope["first"])
    assert 0 < slope["ci_low"] < slope["difference"] < slope["ci_high"]
    assert (slope["first_model"], slope["second_model"]) == (LJ, STIFF)
    # Two models in a folder need no names; the other way round the sign is the other.
    assert main(["compare", str(runs / "both")]) == 0
    assert main([*arguments[:3], STIFF, LJ, "--out", str(out)]) == 0
    assert differences(out).loc["slope_median", "difference"] == -slope["difference"]


def test_run_against_run(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # whatever the length of the folder's path
    out = tmp_path / "table.parquet"
    assert main(["compare", str(runs / "alone"), str(runs / "both"), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "what changed" in printed
    assert "models that only one has" in printed
    table = pd.read_parquet(out)
    # Only the model that both have, against itself: nothing differs.
    assert set(table["first_model"]) == set(table["second_model"]) == {LJ}
    assert (table[["difference", "ci_low", "ci_high"]] == 0).all(axis=None)


def test_a_model_of_each_run(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.csv"
    for arguments in (
        [f"{runs / 'alone'}:{LJ}", f"{runs / 'both'}:{STIFF}"],
        [str(runs / "alone"), f"{runs / 'both'}:{STIFF}"],
        [str(runs / "alone"), str(runs / "both"), "--models", LJ, STIFF],
    ):
        assert main(["compare", *arguments, "--out", str(out)]) == 0
        slope = differences(out).loc["slope_median"]
        assert slope["difference"] == pytest.approx((FACTOR - 1) * slope["first"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{both}", "--models", "x", STIFF], f"'x'; it has {LJ}"),
        (["{both}:x", "{both}"], "'x'"),
        (["{alone}"], "a second run folder"),
        (["{both}:" + LJ], "--models"),
        (["{both}", "--models", LJ, LJ], "itself"),
        (["{both}:" + LJ, "{both}", "--models", LJ, STIFF], "leave one out"),
        (["{both}"] * 3, "one or two"),
        (["{both}", "{both}-of-them"], "not a run folder"),
        (["{both}", "--out", "table.xlsx"], ".csv or .parquet"),
    ],
)
def test_errors_say_what_to_do(
    runs: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    filled = [each.format(both=runs / "both", alone=runs / "alone") for each in arguments]
    assert main(["compare", *filled]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_export_lists_what_it_wrote(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], format: str
) -> None:
    arguments = ["export", str(runs / "both"), "--out", str(tmp_path), "--format", format]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    for name, n_rows in (("cases-high-energy", 14), ("predictions", 2 * 7 * 12)):
        assert f"{tmp_path / name}.{format}: {n_rows} rows" in printed
        assert (tmp_path / f"{name}.{format}").exists()
