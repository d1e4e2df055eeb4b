"""Factors without labels: what two potentials say of each other, and how far it can be trusted."""

import csv
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

import umlip_bench
from tests.conftest import LoadModel
from umlip_bench.cli.finetune import main as finetune
from umlip_bench.finetune.agreement import (
    COLUMNS,
    LEVEL,
    TABLE,
    Agreement,
    Calibration,
    calibration_of,
    compared,
    factor_of_states,
    read_table,
)
from umlip_bench.finetune.agreement_study import agreements, coverage
from umlip_bench.ground.errors import CorrectionError

from ..support.labels import stiffer
from ..support.structures import distorted

SECOND = "tensornet-matpes-pbe-2025.1"
EMT_MODEL = "ase:ase.calculators.emt:EMT"


def rows(
    n: int, seed: int = 0, model: str = "mine", second: str = "other", slope: float = 0.8
) -> list[Agreement]:
    """Materials of a law that is known, whose scatter grows with the disagreement."""
    rng = np.random.default_rng(seed)
    ratio = rng.normal(0.0, 0.3, n)
    r2 = rng.uniform(0.8, 1.0, n)
    scatter = np.sqrt(0.05**2 + 0.2**2 * (1 - r2) / r2)
    factor = 0.1 + slope * ratio + scatter * rng.normal(size=n)
    return [
        Agreement("set", f"m{k}", f"m{k}", model, second, 5, *map(float, each))
        for k, each in enumerate(zip(factor, ratio, r2, strict=True))
    ]


def write(path: Path, found: Sequence[Agreement]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(astuple(row) for row in found)
    return path


class TestLaw:
    def test_constants_are_found_again(self) -> None:
        law = Calibration(rows(2000)).law
        assert law.intercept == pytest.approx(0.1, abs=0.01)
        assert law.slope == pytest.approx(0.8, abs=0.02)
        scatter = law.scatter(np.array([1.0, 0.8]))
        # Student's t makes a common factor of it, which conformal intervals do not see.
        expected = np.sqrt([0.05**2, 0.05**2 + 0.2**2 * 0.25])
        assert scatter[1] / scatter[0] == pytest.approx(expected[1] / expected[0], rel=0.1)

    def test_the_interval_holds_nine_of_ten(self) -> None:
        held = []
        for seed in range(12):
            calibration = Calibration(rows(40, seed))
            for row in rows(200, seed + 100):
                if calibration.rows and row.r2 > 0.8:
                    try:
                        _, low, high = calibration.interval(row.log_ratio, row.r2)
                    except CorrectionError:
                        continue
                    held.append(low <= row.log_factor <= high)
        # 12 calibrations of 40 materials: the standard deviation of the mean is 0.014.
        assert np.mean(held) == pytest.approx(LEVEL, abs=0.04)

    def test_more_disagreement_is_a_wider_interval(self) -> None:
        calibration = Calibration(rows(60))
        _, low, high = calibration.interval(0.0, 0.99)
        _, lower, higher = calibration.interval(0.0, 0.85)
        assert lower < low < high < higher

    def test_it_says_when_it_does_not_know(self) -> None:
        calibration = Calibration(rows(60))
        with pytest.raises(CorrectionError, match=r"r2 0\.30.*label a frame"):
            calibration.interval(0.0, 0.3)
        with pytest.raises(CorrectionError, match=r"factor of 20\.09, and on none of the 60"):
            calibration.interval(3.0, 0.99)
        with pytest.raises(CorrectionError, match="12 materials for mine by other, of 20"):
            Calibration(rows(12))
        with pytest.raises(
            CorrectionError, match=r"no calibration of that by other.*mine by other"
        ):
            calibration_of("that", "other", rows(30))


class TestStates:
    @pytest.fixture(scope="class")
    def chgnet(self, load_model: LoadModel) -> umlip_bench.Potential:
        return load_model("chgnet-0.3.0")

    def test_a_stiffer_second_potential(self, chgnet: umlip_bench.Potential) -> None:
        """Forces 1.25 times as large ask for 1.25; what that means for DFT's says the calibration."""
        calibration = Calibration(rows(60))
        found = factor_of_states(chgnet, stiffer(chgnet, 1.25), distorted(4), calibration)
        assert found.ratio == pytest.approx(1.25, rel=1e-4)
        assert found.r2 == pytest.approx(1.0, abs=1e-6)
        assert (found.n_states, found.n_components, found.n_materials) == (4, 24, 60)
        law = calibration.law
        assert np.log(found.factor) == pytest.approx(
            law.intercept + law.slope * np.log(1.25), abs=1e-4
        )
        assert found.low < found.factor < found.high

    def test_the_material_itself_is_left_out_of_the_calibration(
        self, chgnet: umlip_bench.Potential
    ) -> None:
        known = [*rows(59), Agreement("set", "a", "Si", "mine", "other", 5, 9.0, 0.1, 0.99)]
        found = factor_of_states(chgnet, stiffer(chgnet, 1.25), distorted(2), Calibration(known))
        assert found.n_materials == 59

    def test_states_at_rest_say_nothing(self, chgnet: umlip_bench.Potential) -> None:
        with pytest.raises(CorrectionError, match="at rest"):
            factor_of_states(chgnet, chgnet, [bulk("Si", "diamond", a=5.43)], Calibration(rows(30)))

    def test_opposite_forces(self) -> None:
        forces = [np.ones((2, 3))]
        with pytest.raises(CorrectionError, match="opposite"):
            compared(forces, [-forces[0]])


class TestTable:
    @pytest.mark.parametrize("model", ["chgnet-0.3.0", "m3gnet-mp-2021.2.8"])
    def test_the_interval_holds_dft_s_factor_of_systems_left_out(self, model: str) -> None:
        """The shipped table: 85 to 95 % of materials, by far narrower than the model's usual factor alone."""
        own = [row for row in read_table() if (row.model, row.second) == (model, SECOND)]
        found = coverage(own, lambda row: row.formula)
        assert found.n >= 150
        assert found.n_unknown <= 0.05 * found.n
        assert 0.85 <= found.held <= 0.95
        assert found.width < 0.75 * found.usual

    def test_it_is_of_the_run_folders(self, tmp_path: Path) -> None:
        """A pair of models in a run: the second is 0.8 of the first, DFT 1.25 times it."""
        frames = [bulk("Cu") * (2, 1, 1) for _ in range(3)]
        for seed, atoms in enumerate(frames):
            atoms.rattle(0.05, seed=seed)
            atoms.calc = EMT()
            energy, forces = atoms.get_potential_energy(), atoms.get_forces()
            atoms.calc = None
            atoms.info = {"REF_energy": 1.25 * energy, "system": "Cu"}
            atoms.arrays["REF_forces"] = 1.25 * forces
        ase.io.write(tmp_path / "frames.xyz", frames)

        class Softer(EMT):
            def calculate(self, *args: object, **kwargs: object) -> None:
                super().calculate(*args, **kwargs)
                for name in ("energy", "energies", "forces"):
                    self.results[name] = 0.8 * self.results[name]

        run = umlip_bench.run(
            {"emt": EMT(), "softer": Softer()},
            data=str(tmp_path / "frames.xyz"),
            suites=["high-energy"],
        )
        found = {(row.model, row.second): row for row in agreements(run.folder)}
        assert found["emt", "softer"].log_ratio == pytest.approx(np.log(0.8), abs=1e-6)
        assert found["emt", "softer"].log_factor == pytest.approx(np.log(1.25), abs=1e-6)
        assert found["softer", "emt"].log_ratio == pytest.approx(np.log(1.25), abs=1e-6)
        assert found["softer", "emt"].r2 == pytest.approx(1.0)

    def test_tables_that_are_none(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.csv"
        path.write_text("a,b\n1,2\n")
        with pytest.raises(CorrectionError, match="its columns are a, b"):
            read_table(path)
        write(path, rows(2))
        path.write_text(
            path.read_text().replace("m1,m1,mine,other,5,", "m1,m1,mine,other,5,nan,", 1)
        )
        with pytest.raises(CorrectionError, match="cannot be read as a calibration"):
            read_table(path)
        with pytest.raises(CorrectionError, match="cannot be read"):
            read_table(tmp_path / "none.csv")
        assert TABLE.exists()


def test_the_command_writes_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    states = [bulk("Cu") * (2, 2, 1) for _ in range(3)]
    for seed, atoms in enumerate(states):
        atoms.rattle(0.08, seed=seed)
    ase.io.write("md.xyz", states)
    write(Path("mine.csv"), rows(40, model=EMT_MODEL, second=EMT_MODEL))
    command = ["estimate", "--model", EMT_MODEL, "--by", EMT_MODEL, "--calibration", "mine.csv"]
    assert finetune([*command, "--states", "md.xyz", "--out", "mine"]) == 0
    said = capsys.readouterr().out
    assert "no label" in said
    assert "asks for 1.000, with r2 1.000" in said
    mine, parent = umlip_bench.load("mine"), umlip_bench.load(EMT_MODEL)
    law = Calibration(rows(40)).law
    forces = []
    for calculator in (mine, parent):
        states[0].calc = calculator
        forces.append(states[0].get_forces())
    np.testing.assert_allclose(forces[0], np.exp(law.intercept) * forces[1], rtol=1e-6)
    assert "n_frames: 0" in Path("mine/card.yaml").read_text()
    assert Path("mine/settings.yaml").exists()
    assert finetune([*command, "--out", "other"]) == 2
    assert "either --structure FILE" in capsys.readouterr().err
