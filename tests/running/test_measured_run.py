"""Runs in Python: the same numbers as the command's, whatever a model or the data are given as."""

import json
import math
from html.parser import HTMLParser
from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.mixing import SumCalculator

import umlip_bench
from tests.support.labels import labelled
from umlip_bench import finetune
from umlip_bench.cli import main
from umlip_bench.datasets.given import as_dataset
from umlip_bench.finetune import Estimator
from umlip_bench.ground.errors import (
    ContentError,
    CorrectionError,
    DataError,
    OutputError,
    UmlipBenchError,
)
from umlip_bench.running.measured_run import MeasuredRun

METALS = ("Cu", "Al", "Ag", "Au", "Ni", "Pd", "Pt")
NAME = "ase:ase.calculators.emt:EMT"


class Stiff(SumCalculator):
    """EMT times two."""

    def __init__(self) -> None:
        super().__init__([EMT(), EMT()])


@pytest.fixture(scope="module")
def frames() -> list[Atoms]:
    """Two distorted crystals of each metal, with EMT's own labels."""
    made = []
    for symbol in METALS:
        for seed in range(2):
            atoms = bulk(symbol, cubic=True)
            atoms.rattle(0.05, seed=seed)
            atoms.calc = EMT()
            atoms.get_forces(), atoms.get_stress()
            made.append(atoms)
    return made


@pytest.fixture(scope="module")
def run(frames: list[Atoms]) -> MeasuredRun:
    models = {"emt": EMT(), "stiff": Stiff()}
    return umlip_bench.run(models, data=frames, suites=["high-energy"], device="cpu")


def slopes(run: MeasuredRun) -> dict[str, float]:
    table = run.summary()
    found = table[table.metric == "slope_median"]
    return dict(zip(found.model, found.value, strict=True))


def test_a_run_of_calculators(run: MeasuredRun) -> None:
    assert run.models == run.comparable == ("emt", "stiff")
    assert run.suites == ("high-energy",)
    assert slopes(run) == pytest.approx({"emt": 1.0, "stiff": 2.0})
    assert not run.failed
    cases = run.cases("high-energy")
    assert set(cases.case) == set(METALS)
    assert len(run.cases()) == 2 * len(METALS)
    assert list(run.cases().suite.unique()) == ["high-energy"]
    values = run.predictions()
    forces = values[(values.quantity == "forces") | (values.unit == "eV/Å")]
    stiff = forces[forces.model == "stiff"]
    np.testing.assert_allclose(stiff.model_value, 2 * stiff.reference, atol=1e-10)


def test_it_compares(run: MeasuredRun) -> None:
    rows = run.compare()
    (slope,) = rows[rows.metric == "slope_median"].itertuples()
    assert (slope.first_model, slope.second_model) == ("emt", "stiff")
    assert slope.difference == pytest.approx(1.0)
    turned = run.compare(models=["stiff", "emt"])
    assert turned[turned.metric == "slope_median"].difference.item() == pytest.approx(-1.0)
    with pytest.raises(DataError, match="compared with itself"):
        run.compare(run)
    for wrong in (["emt"], ["emt", "none"]):
        with pytest.raises(DataError):
            run.compare(models=wrong)


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


def test_a_notebook_shows_it(run: MeasuredRun) -> None:
    page = run._repr_html_()
    shown = _Tags(page)
    assert shown.tags.count("table") == 1
    assert shown.tags.count("tr") == 3  # a head, and a line for each model
    assert "svg" in shown.tags
    assert "stiff" in shown.text
    assert "http" not in page.replace("http://www.w3.org/", "")  # works offline
    assert "script" not in shown.tags


def test_names_are_no_markup(frames: list[Atoms]) -> None:
    models = {"<b>x</b>": EMT()}
    run = umlip_bench.run(models, data=frames, suites=["high-energy"], device="cpu")
    assert "<b>x</b>" not in run._repr_html_()


def test_charts_are_specifications(run: MeasuredRun) -> None:
    for chart in (run.parity("high-energy"), run.scales()):
        # Checked against the schema, as altair does before a notebook shows it.
        spec = chart.to_dict()
        assert spec["$schema"].startswith("https://vega.github.io/schema/vega-lite/")
        assert spec["concat"]
    quantities = run.predictions().quantity.unique()
    assert len(
        {json.dumps(run.parity("high-energy", q).to_dict(validate=False)) for q in quantities}
    ) == len(quantities)
    with pytest.raises(DataError, match="no quantity 'charges'"):
        run.parity("high-energy", "charges")
    with pytest.raises(DataError, match="no suite 'eos'; it has high-energy"):
        run.parity("eos")


def test_report_card_and_folder(run: MeasuredRun, tmp_path: Path) -> None:
    page = run.report(tmp_path / "page.html")
    assert "How soft are emt and stiff?" in page.read_text()
    assert run.card("stiff").startswith("# Report card: stiff")
    kept = run.save(tmp_path / "kept")
    assert main(["export", str(kept), "--out", str(tmp_path / "tables")]) == 0
    exported = pd.read_csv(tmp_path / "tables" / "summary.csv", float_precision="round_trip")
    pd.testing.assert_frame_equal(
        exported[["model", "metric", "value"]], run.summary()[["model", "metric", "value"]]
    )
    with pytest.raises(OutputError, match="exists"):
        run.save(kept)
    (tmp_path / "mine.html").write_text("mine")
    with pytest.raises(OutputError, match="was not written by"):
        run.report(tmp_path / "mine.html")


def test_a_folder_that_nobody_named_goes_with_the_run(frames: list[Atoms]) -> None:
    run = umlip_bench.run([EMT()], data=frames[:2], suites=["high-energy"], device="cpu")
    path = run.path
    assert path.exists()
    del run
    assert not path.exists()


@pytest.mark.seconds
def test_the_command_gives_the_same(
    frames: list[Atoms], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = []
    for atoms in frames:
        plain = atoms.copy()
        plain.info["REF_energy"] = atoms.get_potential_energy()
        plain.arrays["REF_forces"] = atoms.get_forces()
        plain.info["REF_stress"] = atoms.get_stress(voigt=False)
        files.append(plain)
    ase.io.write("labels.xyz", files, format="extxyz")
    command = ["run", "high-energy", "--data", "labels.xyz", "--model", f"mine={NAME}"]
    assert main([*command, "--out", "by-command", "--device", "cpu"]) == 0
    run = umlip_bench.run(
        {"mine": EMT()}, data="labels.xyz", suites=["high-energy"], out="by-python", device="cpu"
    )
    command_rows = json.loads(Path("by-command/summary.json").read_text())["rows"]
    assert command_rows == json.loads(Path("by-python/summary.json").read_text())["rows"]
    # It goes on where it was, the command too; another model is not taken for it.
    before = Path("by-python/cases.jsonl").read_text()
    umlip_bench.run({"mine": EMT()}, data="labels.xyz", suites=["high-energy"], out="by-python")
    assert Path("by-python/cases.jsonl").read_text() == before
    with pytest.raises(UmlipBenchError, match="another model of the name mine"):
        umlip_bench.run(
            {"mine": Stiff()}, data="labels.xyz", suites=["high-energy"], out="by-python"
        )
    assert run.report() == Path("by-python/report.html")


def test_one_model_by_two_names(frames: list[Atoms], tmp_path: Path) -> None:
    def measure(models: dict[str, object]) -> MeasuredRun:
        return umlip_bench.run(
            models,
            data=frames[:4],
            suites=["high-energy"],
            out=tmp_path / "run",
            device="cpu",
        )

    assert measure({"a": EMT(), "b": EMT()}).models == ("a", "b")
    run = measure({"c": EMT()})
    assert set(run.models) == {"a", "b", "c"}
    assert set(run.cases().model) == {"a", "b", "c"}
    assert run.failed == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"models": [3.0]}, "neither the name of a model nor an ASE calculator"),
        ({"models": [EMT(), Stiff(), EMT]}, "neither the name of a model nor an ASE calculator"),
        ({"suites": ["eosx"]}, "unknown suite 'eosx'"),
        ({"mode": "fast"}, "mode 'fast' is not known; there are quick, standard, full"),
        ({"data": []}, "no labels are given"),
        ({"data": [bulk("Cu")]}, "structure 0: REF_energy is missing"),
        ({"data": [3.0]}, "labels number 0: 3.0 is neither"),
        ({"data": "pbe-mini", "structure": bulk("Cu")}, "do not go together"),
        ({"structure": Atoms("Cu")}, "Cu"),
        ({"data": "none.xyz"}, "none.xyz"),
    ],
)
def test_what_cannot_be_run(given: dict[str, object], said: str) -> None:
    with pytest.raises(UmlipBenchError, match=said):
        umlip_bench.run(**{"models": [EMT()], "device": "cpu", **given})  # type: ignore[arg-type]


def test_a_structure_without_reference() -> None:
    run = umlip_bench.run([EMT()], structure=bulk("Cu"), suites=["eos"], device="cpu")
    assert "no verdict without reference values" in run._repr_html_()
    with pytest.raises(DataError, match="nothing was compared"):
        run.scales()
    with pytest.raises(DataError, match="no reference values"):
        run.parity("eos")


# ---- corrections


def test_a_correction_is_a_calculator(frames: list[Atoms], tmp_path: Path) -> None:
    soft = [atoms.copy() for atoms in frames[:4]]
    for atoms in soft:
        atoms.calc = Stiff()
        atoms.get_forces()
    corrected = umlip_bench.correct(EMT(), soft, estimator="mse")
    atoms = frames[0].copy()
    atoms.calc = corrected
    np.testing.assert_allclose(atoms.get_forces(), 2 * frames[0].get_forces(), atol=1e-12)
    assert corrected.potential.card.name == "EMT-scalar"
    # It is another model than its parent, for a run too.
    run = umlip_bench.run([EMT(), corrected], data=frames, suites=["high-energy"], device="cpu")
    assert slopes(run) == pytest.approx({"EMT": 1.0, "EMT-scalar": 2.0})
    assert run.folder.card("EMT-scalar").parent == "EMT"
    # What is kept in a folder gives the same.
    kept = umlip_bench.correct(NAME, soft, estimator="mse", out=tmp_path / "kept")
    atoms.calc = umlip_bench.load(str(tmp_path / "kept"), device="cpu")
    np.testing.assert_allclose(atoms.get_forces(), 2 * frames[0].get_forces(), atol=1e-12)
    assert kept.potential.card.name == "kept"


def test_corrections_that_are_none(frames: list[Atoms], tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(CorrectionError, match="exists"):
        umlip_bench.correct(NAME, frames[:2], out=tmp_path / "there")
    with pytest.raises(CorrectionError, match="leave name away"):
        umlip_bench.correct(NAME, frames[:2], out=tmp_path / "new", name="mine")
    with pytest.raises(CorrectionError, match="'magic' is no method"):
        umlip_bench.correct(NAME, frames[:2], method="magic")
    with pytest.raises(ContentError, match="unknown field 'estimators'"):
        umlip_bench.correct(NAME, frames[:2], estimators="mse")
    parent = umlip_bench.potential(NAME, device="cpu")
    fit = finetune.fit_scalar(
        parent, labelled(parent, [f.copy() for f in frames[:2]]), estimator=Estimator.MSE
    )
    with pytest.raises(UmlipBenchError, match=r"use what umlip_bench\.correct gives"):
        umlip_bench.run([fit.put_on(parent)], data=frames[:2], device="cpu")


@pytest.mark.model
def test_potentials_that_are_loaded(load_model: object, frames: list[Atoms]) -> None:
    model = load_model("chgnet-0.3.0")  # type: ignore[operator]
    run = umlip_bench.run({"mine": model}, data=frames[:2], suites=["high-energy"], device="cpu")
    assert run.models == ("mine",)
    assert model.card.name == "chgnet-0.3.0"  # as it was
    assert math.isfinite(slopes(run)["mine"])
    with pytest.raises(UmlipBenchError, match="was loaded in float32, and the run is in float64"):
        umlip_bench.run([model], data=frames[:2], dtype="float64", device="cpu")


def test_labels_in_all_forms(frames: list[Atoms]) -> None:
    dataset = as_dataset(frames[:2])
    assert as_dataset(dataset) is dataset
    assert as_dataset(dataset.frames).sha256 == dataset.sha256
    assert as_dataset(frames[0]).frames[0].energy == pytest.approx(frames[0].get_potential_energy())
    other = [atoms.copy() for atoms in frames[:2]]
    for atoms in other:
        atoms.calc = Stiff()
        atoms.get_forces()
    assert as_dataset(other).sha256 != dataset.sha256
