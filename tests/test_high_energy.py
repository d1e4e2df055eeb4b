"""The high-energy suite end to end, against a script that shares no code with it."""

import contextlib
import io
import json
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.io import read, write
from scipy import stats

from umlip_bench.cli import main
from umlip_bench.datasets import embedded

pytestmark = pytest.mark.model

PBE_MINI = files("umlip_bench.datasets") / "pbe_mini" / "pbe_mini.xyz"


def run(*arguments: str) -> str:
    """What a run prints."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert main(["run", "high-energy", *arguments]) == 0
    return said.getvalue()


def read_cases(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "cases.jsonl").read_text().splitlines()]


def independent(path: Traversable, calculator: Calculator) -> dict[str, dict[str, Any]]:
    """Slope, inverse, r2, MAE, energy slope and stress slope of each material, one by one."""
    materials: dict[str, list[Atoms]] = {}
    for atoms in read(path, ":"):
        materials.setdefault(atoms.info["system"], []).append(atoms)
    table = {}
    for name, frames in materials.items():
        given, found, e, tensors = [], [], [], []
        for atoms in frames:
            given.append(atoms.arrays["REF_forces"])
            e_dft, s_dft = atoms.info["REF_energy"], np.reshape(atoms.info["REF_stress"], (3, 3))
            atoms.calc = calculator
            found.append(atoms.get_forces())
            e.append((e_dft / len(atoms), atoms.get_potential_energy() / len(atoms)))
            voigt = s_dft[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
            tensors.append((voigt, atoms.get_stress()))
        x, y = (np.concatenate(a).ravel() for a in (given, found))
        s = np.swapaxes(np.array(tensors), 0, 1).reshape(2, -1)
        table[name] = {
            "slope": (x @ y) / (x @ x),
            "inverse": (x @ y) / (y @ y),
            "r2": (x @ y) ** 2 / (x @ x) / (y @ y),
            "mae": np.abs(y - x).mean(),
            "cmae_rotate": np.abs(y * (x @ x) / (x @ y) - x).mean(),
            "energy_slope": stats.linregress(*np.transpose(e)).slope if len(e) > 1 else None,
            "stress_slope": stats.linregress(*s).slope,
            "stress_mae": np.abs(s[1] - s[0]).mean(),
        }
    return table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "chgnet"
    run("--model", "chgnet-0.3.0", "--out", str(out), "--device", "cpu")
    return out


def test_an_independent_script_gives_the_same_numbers(folder: Path) -> None:
    from chgnet.model import CHGNet
    from chgnet.model.dynamics import CHGNetCalculator

    expected = independent(PBE_MINI, CHGNetCalculator(CHGNet.load(verbose=False), use_device="cpu"))
    lines = read_cases(folder)
    assert {line["case"] for line in lines} == set(expected)
    for line in lines:
        for metric, value in expected[line["case"]].items():
            if value is None:
                assert line["metrics"][metric] is None
            else:
                assert line["metrics"][metric] == pytest.approx(value, abs=1e-3)

    rows = {r["metric"]: r for r in json.loads((folder / "summary.json").read_text())["rows"]}
    for row, metric in [
        ("slope_median", "slope"),
        ("inverse_median", "inverse"),
        ("r2_median", "r2"),
        ("mae", "mae"),
        ("cmae_rotate", "cmae_rotate"),
        ("energy_slope_median", "energy_slope"),
        ("stress_slope_median", "stress_slope"),
        ("stress_mae", "stress_mae"),
    ]:
        values = [m[metric] for m in expected.values() if m[metric] is not None]
        assert rows[row]["value"] == pytest.approx(np.median(values), abs=1e-3)
        assert rows[row]["n_cases"] == len(values)
    softened = np.mean([m["slope"] < 1 for m in expected.values()])
    assert rows["share_softened"]["value"] == pytest.approx(softened)


# CHGNet's own calculator on these frames, as measured when they were computed (slope, r2, MAE).
MEASURED = {
    "AlN": (0.800, 0.989, 0.224),
    "Al": (0.924, 0.990, 0.093),
    "CaF2": (0.908, 0.996, 0.051),
    "GaAs": (0.540, 0.940, 0.424),
    "Li2O": (0.809, 0.984, 0.170),
    "LiF": (0.774, 0.995, 0.119),
    "MgO": (0.884, 0.993, 0.097),
    "MgS": (0.959, 0.989, 0.049),
    "Mg": (0.738, 0.980, 0.109),
    "NaCl": (0.866, 0.985, 0.063),
    "SiC": (0.640, 0.984, 0.499),
    "Si": (0.536, 0.958, 0.434),
    "SrTiO3": (0.949, 0.993, 0.057),
    "TiO2": (0.855, 0.963, 0.154),
    "ZnS": (0.781, 0.985, 0.208),
}


# The frames that there were when that was measured.
FIRST_FRAMES = {"Al": 1, "Mg": 1, "AlN": 4}


@pytest.fixture(scope="module")
def first_frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on those frames alone."""
    folder = tmp_path_factory.mktemp("first")
    frames = [
        atoms
        for atoms in read(PBE_MINI, ":")
        if atoms.info["frame"] < FIRST_FRAMES.get(atoms.info["system"], 3)
    ]
    write(folder / "first.xyz", frames, format="extxyz")
    data = ("--data", str(folder / "first.xyz"), "--out", str(folder / "run"))
    run("--model", "chgnet-0.3.0", *data, "--device", "cpu")
    return folder / "run"


def test_figures_recorded_with_the_data(first_frames: Path) -> None:
    found = {line["case"]: line["metrics"] for line in read_cases(first_frames)}
    for name, (slope, r2, mae) in MEASURED.items():
        numbers = found[name]
        assert numbers["slope"] == pytest.approx(slope, abs=6e-4)
        assert numbers["r2"] == pytest.approx(r2, abs=6e-4)
        assert numbers["mae"] == pytest.approx(mae, abs=6e-4)


def test_any_extended_xyz_with_ref_keys(folder: Path, tmp_path: Path) -> None:
    """A subset under another name, stress in Voigt order, gives the subset's numbers."""
    frames = [atoms for atoms in read(PBE_MINI, ":") if atoms.info["system"] in ("NaCl", "Si")]
    for atoms in frames:
        s = np.reshape(atoms.info["REF_stress"], (3, 3))
        atoms.info["REF_stress"] = s[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    path = tmp_path / "mine.xyz"
    write(path, frames, format="extxyz")
    out = tmp_path / "run"
    said = run("--model", "chgnet-0.3.0", "--data", str(path), "--out", str(out), "--device", "cpu")
    assert "the data's functional is not known" in said
    rows = {r["metric"]: r for r in json.loads((out / "summary.json").read_text())["rows"]}
    full = {case["case"]: case["metrics"] for case in read_cases(folder)}
    slopes = [full["NaCl"]["slope"], full["Si"]["slope"]]
    assert rows["slope_median"]["value"] == pytest.approx(np.mean(slopes), abs=1e-4)
    # Two materials are too few for any interval whose coverage is known.
    assert rows["slope_median"]["ci_low"] is None
    mine = {m["case"]: m["metrics"] for m in read_cases(out)}
    assert mine["Si"]["stress_slope"] == pytest.approx(full["Si"]["stress_slope"], abs=1e-4)


def test_another_functional_is_set_apart(tmp_path: Path) -> None:
    said = run("--model", "chgnet-r2scan", "--out", str(tmp_path / "run"), "--device", "cpu")
    assert "Not comparable" in said
    assert "trained on r2SCAN, the data is PBE" in said


def test_predictions_are_kept(folder: Path) -> None:
    frames = embedded.read("pbe-mini").by_system()["AlN"]
    (line,) = [m for m in read_cases(folder) if m["case"] == "AlN"]
    with np.load(folder / "predictions" / f"{line['key']}.npz") as stored:
        np.testing.assert_array_equal(
            stored["frames/forces_reference"], np.concatenate([f.forces for f in frames])
        )
        x, y = stored["frames/forces_reference"].ravel(), stored["frames/forces_model"].ravel()
    assert (x @ y) / (x @ x) == pytest.approx(line["metrics"]["slope"], abs=1e-12)
