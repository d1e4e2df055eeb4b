"""What is probably a mistake in the labels is not called softness."""

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import units

from tests.datasets.test_consistency import frames
from tests.support.narrowing import some
from umlip_bench.analysis.card_text import model_card
from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.frames import FrameComparison, MaterialComparison
from umlip_bench.analysis.label_suspicion import label_suspicion
from umlip_bench.analysis.runs import read_run
from umlip_bench.benchmarks import load_suite
from umlip_bench.cli import main

HARTREE_PER_BOHR = units.Hartree / units.Bohr
SUITE = load_suite("high-energy")
UNITS = {
    -1.0: "gradients",
    -0.85: "gradients",
    HARTREE_PER_BOHR: "Hartree/bohr",
    0.8 * HARTREE_PER_BOHR: "Hartree/bohr",
    HARTREE_PER_BOHR / 2: "Rydberg/bohr",
    1 / HARTREE_PER_BOHR: "unit twice",
    2 / HARTREE_PER_BOHR: "unit twice",
}


@pytest.mark.parametrize("slope", UNITS)
def test_slopes_of_units_and_signs(slope: float) -> None:
    assert UNITS[slope] in some(label_suspicion(slope, 0.9))


@pytest.mark.parametrize("r2", [0.29, 0.0, 0.1])
def test_what_hardly_correlates(r2: float) -> None:
    assert "another order of atoms" in some(label_suspicion(0.5, r2))


@pytest.mark.parametrize(
    ("slope", "r2"), [(1.0, 1.0), (0.4, 0.8), (0.15, 0.5), (1.6, 0.4), (0.8, 0.99)]
)
def test_softness_is_not_suspicious(slope: float, r2: float) -> None:
    assert label_suspicion(slope, r2) is None


def material(name: str, factor: float | np.ndarray, seed: int = 0) -> MaterialComparison:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(3):
        forces = rng.normal(size=(5, 3))
        found.append(FrameComparison("X", 0.0, 0.0, forces, factor * forces))
    return MaterialComparison(name, tuple(found))


def test_a_negative_slope_is_not_softened() -> None:
    materials = [material("a", 0.8), material("b", -1.0, 1), material("c", 1.1, 2)]
    rows = {row.metric: row for row in SUITE.rows("m", "d", materials, 0)}
    assert rows["share_softened"].value == pytest.approx(1 / 3)
    assert rows["share_suspicious"].value == pytest.approx(1 / 3)
    said = SUITE.verdict(list(rows.values()), "m")
    assert "1/3 softened" in said
    assert "1/3 probably not softness but mistakes in the labels" in said


def test_sound_materials_have_no_such_row() -> None:
    materials = [material(str(k), 0.7 + 0.1 * k, k) for k in range(6)]
    rows = SUITE.rows("m", "d", materials, 0)
    # Two of them are of the states near the lowest, which six materials have.
    assert len(rows) == 18
    assert "share_suspicious" not in {row.metric for row in rows}
    assert SUITE.case_table(materials) is None
    assert SUITE.case_table([]) is None


@pytest.mark.parametrize("factor", [-1.0, HARTREE_PER_BOHR, 1 / HARTREE_PER_BOHR])
def test_a_verdict_over_wrong_labels_is_not_one_on_softness(factor: float | np.ndarray) -> None:
    materials = [material(str(k), factor, k) for k in range(7)]
    said = SUITE.verdict(SUITE.rows("m", "d", materials, 0), "m")
    assert said.startswith("m: probably not softness: ")
    assert "; 7/7 probably not softness" in said


@pytest.mark.seconds
def test_run_card_and_report_say_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Labels of EMT measured with the same EMT: every sound ratio is 1."""
    spoil = {
        "gradient": lambda f: -f,
        "HaBohr": lambda f: f / HARTREE_PER_BOHR,
        "order": lambda f: np.roll(f, 1, axis=0),
        "sound": lambda f: f,
    }
    everything = []
    for name, change in spoil.items():
        for crystal in ("Cu", "Pt"):
            for frame in frames(crystal, n=3):
                atoms = frame.atoms.copy()
                atoms.info = {"REF_energy": frame.energy, "system": f"{name} {crystal}"}
                atoms.arrays["REF_forces"] = change(frame.forces)
                everything.append(atoms)
    ase.io.write(tmp_path / "hi.xyz", everything, format="extxyz")
    folder = tmp_path / "run"
    model = "ase:ase.calculators.emt:EMT"
    arguments = ["--model", model, "--data", str(tmp_path / "hi.xyz"), "--out", str(folder)]
    assert main(["run", "high-energy", "--device", "cpu", *arguments]) == 0
    shown = capsys.readouterr().out
    assert "6/8 probably not softness but mistakes in the labels" in " ".join(shown.split())
    assert "Probably not softness" in shown
    for name in ("gradient Cu", "HaBohr Pt", "order Cu"):
        assert name in shown
    run = read_run(folder)
    (name,) = run.models
    card = model_card(Side(run, name, name))
    assert "probably mistaken" in card
    assert "in 6 of 8" in card
