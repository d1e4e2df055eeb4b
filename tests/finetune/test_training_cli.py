"""The commands that train: fit, ladder, curve, on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import LoadModel
from umlip_bench.cli.finetune import main
from umlip_bench.finetune import ladder
from umlip_bench.finetune.training import checkpoint, labels

FEW = ("Si", "MgO")
BRIEF = ["--epochs", "2", "--device", "cpu"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def few_other_materials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retention by two small materials instead of fourteen, which take seconds."""
    for module in (labels, ladder):
        full = module.other_materials
        monkeypatch.setattr(
            module,
            "other_materials",
            lambda *given, full=full: {k: v[:1] for k, v in full(*given).items() if k in FEW},
        )


@pytest.fixture
def one(here: Path) -> Path:
    """The first frame of SiC in the embedded set."""
    from umlip_bench.cli import main as bench

    path = here / "one.xyz"
    assert (
        bench(["data", "export", "pbe-mini", str(path), "--material", "SiC", "--frame", "0"]) == 0
    )
    return path


def test_fit_full_then_use_it(
    one: Path, here: Path, capsys: pytest.CaptureFixture[str], load_model: LoadModel
) -> None:
    load_model("chgnet-0.3.0")
    command = ["fit", "--model", "chgnet-0.3.0", "--labels", str(one), "--method", "full", *BRIEF]
    assert main([*command, "--held-out", "pbe-mini", "--out", "mine"]) == 0
    shown = capsys.readouterr()
    assert "held out, 4 frames" in shown.out
    assert "Energies: not trained on" in shown.out
    assert "2 other materials" in shown.out
    card = yaml.safe_load((here / "mine" / "card.yaml").read_text())
    assert (card["method"], card["fit"]["epochs"]) == ("full", {"trained": 2, "kept": 2})
    assert card["labels"]["source"]["name"] == "one.xyz"
    assert [path.name for path in here.iterdir() if path.name.startswith(".")] == []
    # Once more on top, and a folder that exists is refused.
    assert (
        main(
            [
                "fit",
                "--model",
                "mine",
                "--labels",
                str(one),
                "--method",
                "head",
                *BRIEF[:2],
                "--out",
                "twice",
            ]
        )
        == 0
    )
    assert main([*command, "--out", "mine"]) == 2
    assert "exists" in capsys.readouterr().err


def test_an_interrupted_fit_goes_on(
    one: Path,
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    load_model: LoadModel,
) -> None:
    from umlip_bench.finetune.training import loop

    load_model("chgnet-0.3.0")
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    command = ["fit", "--model", "chgnet-0.3.0", "--labels", str(one), "--method", "head", *BRIEF]
    step = loop._Run.epoch
    done: list[object] = []

    def stop_after_one(run: Any) -> None:
        if done:
            raise KeyboardInterrupt
        done.append(step(run))

    with monkeypatch.context() as patch:
        patch.setattr(loop._Run, "epoch", stop_after_one)
        assert main([*command, "--out", "mine"]) == 130
    assert "rerun the command to resume" in capsys.readouterr().err
    assert main([*command, "--out", "mine"]) == 0
    assert main([*command, "--out", "whole"]) == 0
    digests = [
        yaml.safe_load((here / name / "card.yaml").read_text())["trained"]["card"]["files"]
        for name in ("mine", "whole")
    ]
    assert digests[0] == digests[1]


def test_e0(
    one: Path, here: Path, capsys: pytest.CaptureFixture[str], load_model: LoadModel
) -> None:
    load_model("chgnet-0.3.0")
    command = ["fit", "--model", "chgnet-0.3.0", "--labels", str(one), "--method", "e0"]
    assert main([*command, "--device", "cpu", "--out", "mine"]) == 0
    assert "independent composition" in capsys.readouterr().out
    assert yaml.safe_load((here / "mine" / "card.yaml").read_text())["e0"]["shifts"].keys() == {
        "C",
        "Si",
    }


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "scalar", "--epochs", "3"], "--epochs is not an option of the method scalar"),
        (["--method", "full", "--estimator", "mse"], "--estimator is not an option of the method"),
        (["--method", "e0", "--replay", "1"], "--replay is not an option of the method e0"),
        (["--method", "full", "--held-out", "one.xyz"], "beside the labels themselves"),
    ],
)
def test_what_would_be_ignored_is_refused(
    one: Path, here: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    command = ["fit", "--model", "chgnet-0.3.0", "--labels", str(one), "--out", "mine", *options]
    assert main(command) == 2
    assert message in capsys.readouterr().err
    assert not (here / "mine").exists()


def test_ladder_and_curve(
    one: Path, here: Path, capsys: pytest.CaptureFixture[str], load_model: LoadModel
) -> None:
    load_model("chgnet-0.3.0")
    climb = ["ladder", "--model", "chgnet-0.3.0", "--labels", str(one), "--held-out", "pbe-mini"]
    assert main([*climb, "--method", "e0", "--method", "head", *BRIEF, "--out", "l.json"]) == 0
    found = json.loads((here / "l.json").read_text())
    assert [rung["method"] for rung in found["rungs"]] == ["none", "e0", "head"]
    assert "Recommended: " in capsys.readouterr().out

    curve = ["curve", "--model", "chgnet-0.3.0", "--labels", "pbe-mini", "--material", "SiC"]
    options = ["--method", "head", "--sizes", "1,2", "--choices", "2", *BRIEF, "--out", "c"]
    assert main([*curve, *options]) == 0
    assert {p.name for p in (here / "c").iterdir()} == {
        "curve.csv",
        "curve.json",
        "curve.png",
        "settings.yaml",
        "trials",
    }
    assert main([*curve[:-2], *options]) == 2
    assert "name one with --material" in capsys.readouterr().err


@pytest.mark.slow
def test_training_is_faster_than_the_library_s(
    capsys: pytest.CaptureFixture[str], load_model: LoadModel
) -> None:
    """The figure of the README, on one thread; also that gradients are the library's."""
    load_model("chgnet-0.3.0")
    assert main(["speed", "--max-frames", "16", "--repeats", "5", "--device", "cpu", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["gradient_difference"] < 1e-3
    assert found["ratio"] > 1.5
