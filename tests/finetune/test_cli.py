"""``umlip-finetune`` as a user meets it, and ``umlip-bench`` on what it made."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

import umlip_bench
from tests.support.narrowing import as_a
from umlip_bench.cli import main as bench_main
from umlip_bench.cli.finetune import COMMANDS
from umlip_bench.cli.finetune import main as finetune_main
from umlip_bench.potentials.corrections.scaled import ScaledPotential

CHGNET = "chgnet-0.3.0"
ONE = ("--model", CHGNET, "--labels", "one.xyz", "--device", "cpu")


@dataclass(frozen=True)
class Done:
    status: int
    stdout: str
    stderr: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a command in this process: importing everything anew takes seconds each time."""

    def run(main: Callable[[Sequence[str]], int], *arguments: object) -> Done:
        capsys.readouterr()
        status = main([str(a) for a in arguments])
        return Done(status, *capsys.readouterr())

    return run


@pytest.fixture
def finetune(run: Callable[..., Done]) -> Callable[..., Done]:
    return lambda *arguments: run(finetune_main, *arguments)


@pytest.fixture
def bench(run: Callable[..., Done]) -> Callable[..., Done]:
    return lambda *arguments: run(bench_main, *arguments)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bench: Callable[..., Done]) -> Path:
    """A folder with one labelled frame of silicon carbide."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    done = bench("data", "export", "pbe-mini", "one.xyz", "--material", "SiC", "--frame", "0")
    assert (done.status, done.stdout) == (0, "one.xyz: 1 frame\n")
    return tmp_path


def refused(done: Done) -> str:
    assert (done.status, done.stdout) == (2, "")
    # Before it may stand what the labels' own manifest says.
    lines = [line for line in done.stderr.splitlines() if not line.startswith("Note: ")]
    assert lines[0].startswith("umlip-finetune: ")
    return done.stderr


def test_help_imports_nothing_slow() -> None:
    code = """
import sys
from umlip_bench.cli.finetune import main
assert main(["--help"]) == 0
slow = {"torch", "ase", "numpy", "scipy", "pymatgen", "mace", "chgnet", "matgl", "yaml"}
sys.exit(", ".join(slow & set(sys.modules)) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stderr.strip(), done.returncode) == ("", 0)
    assert "few DFT labels" in done.stdout


@pytest.mark.seconds
@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_has_an_example(
    finetune: Callable[..., Done], command: str
) -> None:
    examples = finetune(command, "--help").stdout.split("examples:")[1]
    assert f"umlip-finetune {command} " in examples


def test_the_installed_script() -> None:
    script = Path(sys.executable).parent / "umlip-finetune"
    if not script.exists():
        pytest.skip("the package is importable, but its script is not installed")
    done = subprocess.run([script, "--version"], capture_output=True, text=True)
    assert done.stdout.startswith("umlip-finetune 0.")


@pytest.mark.model
def test_fit_then_run_beside_the_parent(
    finetune: Callable[..., Done], bench: Callable[..., Done], here: Path
) -> None:
    """The README's example. The slope is the parent's times c, r2 the parent's.

    States of use are not told, so that one label does not resolve its factor from one.
    """
    done = finetune("fit", *ONE, "--method", "scalar", "--out", "chgnet-mine")
    assert done.status == 0, done.stderr
    for text in ("c = ", "shrunk", "force slope", "stress MAE (GPa)", "Not resolved", "in-sample"):
        assert text in done.stdout
    assert "use it as --model chgnet-mine" in done.stderr
    card = yaml.safe_load((here / "chgnet-mine" / "card.yaml").read_text())
    assert card["labels"]["source"]["name"] == "one.xyz"
    assert card["labels"]["n_components"] == 24
    message = refused(finetune("fit", *ONE, "--out", "chgnet-mine"))
    assert "chgnet-mine exists; remove it or choose another --out" in message

    done = bench(
        *("run", "high-energy", "--model", "chgnet-mine", "--model", CHGNET),
        *("--data", "one.xyz", "--out", "runs", "--device", "cpu"),
    )
    assert done.status == 0, done.stderr
    mine = as_a(ScaledPotential, umlip_bench.potential("chgnet-mine", device="cpu"))
    factor = mine.factor
    lines = map(json.loads, (here / "runs" / "cases.jsonl").read_text().splitlines())
    by_model = {line["model"]: line["metrics"] for line in lines}
    mine, parent = by_model["chgnet-mine"], by_model[CHGNET]
    assert mine["slope"] == pytest.approx(factor * parent["slope"], rel=1e-6)
    assert mine["inverse"] == pytest.approx(parent["inverse"] / factor, rel=1e-6)
    assert mine["stress_slope"] == pytest.approx(factor * parent["stress_slope"], rel=1e-6)
    assert mine["r2"] == pytest.approx(parent["r2"], rel=1e-6)
    models = yaml.safe_load((here / "runs" / "run.yaml").read_text())["models"]
    assert models["chgnet-mine"]["parent"] == CHGNET
    assert models["chgnet-mine"]["sha256"] != models[CHGNET]["sha256"]


@pytest.mark.model
def test_what_a_user_can_mend(
    finetune: Callable[..., Done], bench: Callable[..., Done], here: Path
) -> None:
    assert "name of a published model" in refused(finetune("fit", *ONE, "--out", CHGNET))
    labels = ("--model", CHGNET, "--labels")
    message = refused(finetune("fit", *labels, "none.xyz", "--out", "x"))
    assert "none.xyz: no such file" in message
    message = refused(finetune("fit", *ONE, "--method", "e0", "--states", "one.xyz", "--out", "x"))
    assert "--states is not an option of the method e0" in message
    message = refused(finetune("fit", *ONE, "--states", "none.xyz", "--out", "x"))
    assert "none.xyz" in message
    done = finetune("fit", *ONE, "--out", "x", "--reference", "Si")
    assert done.status == 2
    assert "'Si' is not an element and its energy in eV" in done.stderr
    message = refused(finetune("fit", *ONE, "--out", "x", "--reference", "Si=-5.4"))
    assert "also hold C" in message
    assert not (here / "x").exists()


@pytest.mark.seconds
def test_exporting_what_is_not_there(bench: Callable[..., Done], here: Path) -> None:
    export = ("data", "export", "pbe-mini", "two.xyz", "--material")
    assert "has no material 'Sic'; it has Al," in bench(*export, "Sic").stderr
    assert "there is no frame 5; there are 0 to 4" in bench(*export, "SiC", "--frame", 5).stderr
    assert not (here / "two.xyz").exists()


@pytest.mark.model
def test_evaluate(finetune: Callable[..., Done], here: Path) -> None:
    done = finetune(
        *("evaluate", "--model", CHGNET, "--material", "MgO", "--material", "SiC"),
        *("--max-frames", "3", "--out", "evaluation.json", "--device", "cpu"),
    )
    assert done.status == 0, done.stderr
    assert "chgnet-0.3.0 on pbe-mini: 1 label" in done.stdout
    outcomes = json.loads((here / "evaluation.json").read_text())["outcomes"]
    assert {o["material"] for o in outcomes} == {"MgO", "SiC"}
    assert all(o["n_frames"] == 3 for o in outcomes)
    message = refused(finetune("evaluate", "--model", CHGNET, "--material", "Unobtainium"))
    assert "it has Al, AlN" in message
