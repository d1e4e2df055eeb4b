"""Another potential as the reference: numbers are relative to it, and say so wherever they stand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.mixing import LinearCombinationCalculator

import umlip_bench
from umlip_bench.cli import main
from umlip_bench.datasets import Dataset, extxyz
from umlip_bench.finetune import relative
from umlip_bench.finetune.labelling.settings import Sampling
from umlip_bench.finetune.relative import own_slope, relative_labels
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.running.measured_run import MeasuredRun

from ..support.narrowing import some

NAME = "ase:ase.calculators.emt:EMT"
BRIEF = Sampling(equilibration=20.0, interval=20.0, runs=2, states_per_run=4, enough_atoms=4)


class Softer(LinearCombinationCalculator):
    """EMT times 0.8."""

    def __init__(self) -> None:
        super().__init__([EMT()], [0.8])


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    reference = umlip_bench.potential(NAME, device="cpu")
    keep = tmp_path_factory.mktemp("labels") / "run"
    return relative_labels(reference, bulk("Cu"), "Cu.cif", sampling=BRIEF, keep=keep)


@pytest.fixture(scope="module")
def run(labels: Dataset) -> MeasuredRun:
    return umlip_bench.run({"softer": Softer(), "same": EMT()}, data=labels, device="cpu")


@pytest.mark.seconds
def test_states_carry_the_labels_of_the_reference(labels: Dataset) -> None:
    assert len(labels.frames) == BRIEF.runs * BRIEF.states_per_run
    model = umlip_bench.potential(NAME, device="cpu")
    for frame, own in zip(
        labels.frames, umlip_bench.predict(model, [f.atoms for f in labels.frames]), strict=True
    ):
        np.testing.assert_allclose(frame.forces, own.forces, atol=1e-6)
        np.testing.assert_allclose(some(frame.stress), some(own.stress), atol=1e-7)
        assert frame.energy == pytest.approx(own.energy, abs=1e-6)
    # They are no states at rest.
    assert min(np.abs(frame.forces).max() for frame in labels.frames) > 0.1


@pytest.mark.seconds
def test_numbers_are_relative_and_say_so(run: MeasuredRun, tmp_path: Path) -> None:
    table = run.summary()
    slopes = table[table.metric == "slope_median"].set_index("model").value
    assert slopes["softer"] == pytest.approx(0.8, abs=1e-6)
    assert slopes["same"] == pytest.approx(1.0, abs=1e-6)
    relative_to = f"relative to {NAME}"
    assert set(table.data) == {f"Cu.cif {relative_to}"}
    own = "itself: forces are"
    for page in (
        run._repr_html_(),
        run.card("softer"),
        run.report(tmp_path / "page.html").read_text(),
    ):
        assert relative_to in page
        assert f"stands for {NAME}" in page
        assert own in page
    assert f"of {NAME}" in run.card("softer")
    assert f"model over {NAME}" in run._repr_html_()


def test_how_soft_the_reference_is_itself(run: MeasuredRun) -> None:
    sentence = own_slope(umlip_bench.potential(NAME, device="cpu"))
    assert "of DFT's" in sentence
    assert "on pbe-mini" in sentence
    assert sentence in run.folder.data_notes


@pytest.mark.model
def test_a_reference_of_another_functional_is_not_judged_by_the_set() -> None:
    calculator = umlip_bench.potential(EMT())
    calculator.card = umlip_bench.potential("chgnet-r2scan", device="cpu").card
    assert "was trained on r2SCAN, and pbe-mini is PBE" in own_slope(calculator)


@pytest.mark.seconds
def test_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relative, "Sampling", lambda: BRIEF)
    run = umlip_bench.run(
        {"softer": Softer()}, structure=bulk("Cu"), against=NAME, device="cpu", out=tmp_path / "run"
    )
    (slope,) = run.summary().query("metric == 'slope_median'").value
    assert slope == pytest.approx(0.8, abs=1e-6)
    assert run.folder.data == f"Cu relative to {NAME}"
    assert list(tmp_path.glob("run.reference-*.xyz"))
    for wrong, words in (
        ({"data": "pbe-mini"}, "data does not go with against"),
        ({"structure": None}, "goes with a structure"),
        ({"suites": ["eos"]}, "eos does not go with against"),
        ({"ion": "Cu"}, "ion does not go with against"),
    ):
        given: dict[str, Any] = {"structure": bulk("Cu"), "against": EMT(), **wrong}
        with pytest.raises(UmlipBenchError, match=words):
            umlip_bench.run([Softer()], **given)


@pytest.mark.seconds
def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(relative, "Sampling", lambda: BRIEF)
    bulk("Cu").write("Cu.cif")
    Path("soft.py").write_text(
        "from ase.calculators.emt import EMT\n"
        "from ase.calculators.mixing import LinearCombinationCalculator\n"
        "def soft(): return LinearCombinationCalculator([EMT()], [0.8])\n"
    )
    command = ["run", "--structure", "Cu.cif", "--against", NAME, "--device", "cpu"]
    command += ["--model", "soft=ase:./soft.py:soft"]
    assert main([*command, "--out", "run"]) == 0
    said = capsys.readouterr().out
    assert f"forces are 0.80 of {NAME}" in " ".join(said.split())
    assert f"Cu.cif relative to {NAME}" in said
    assert "itself: forces are" in said
    # The labels are a file like any other, and are taken again.
    (kept,) = tmp_path.glob("run.reference-*.xyz")
    before = kept.stat().st_mtime_ns
    assert len(list(extxyz.read_frames(kept))) == BRIEF.runs * BRIEF.states_per_run
    assert main([*command, "--out", "run"]) == 0
    assert kept.stat().st_mtime_ns == before
    for wrong, reason in (
        (["--max-index", "2"], "--max-index does not go with --against"),
        (["eos"], "eos does not go with --against"),
    ):
        assert main([*command, *wrong, "--out", "other"]) == 2
        assert reason in capsys.readouterr().err
    assert main(["run", "--against", NAME, "--out", "other"]) == 2
    assert "goes with --structure FILE" in capsys.readouterr().err
