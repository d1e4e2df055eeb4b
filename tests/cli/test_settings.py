"""Settings as files: what commands leave, what ``--config`` takes, and that one reproduces the other."""

import inspect
import json
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import yaml
from ase.build import bulk
from ase.calculators.lj import LennardJones
from cyclopts import Parameter

import umlip_bench
from tests.support.commands import commands_of
from tests.support.narrowing import as_a
from umlip_bench.cli import PROGRAM as BENCH
from umlip_bench.cli import main
from umlip_bench.cli.declare import Command
from umlip_bench.cli.finetune import PROGRAM as FINETUNE
from umlip_bench.cli.finetune.curve import CurveCommand
from umlip_bench.cli.finetune.evaluate import EvaluateCommand
from umlip_bench.cli.finetune.fit import FitCommand
from umlip_bench.cli.finetune.suggest import SuggestCommand
from umlip_bench.cli.options import make, options_of, plain
from umlip_bench.cli.relax import RelaxCommand
from umlip_bench.cli.report import ReportCommand
from umlip_bench.cli.run import RunCommand
from umlip_bench.cli.settings_file import settings_text
from umlip_bench.finetune.estimators import Estimator
from umlip_bench.finetune.labelling.settings import Spin

LJ = "ase:ase.calculators.lj:LennardJones"
COMMANDS = [*commands_of(BENCH), *commands_of(FINETUNE)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with labels of two materials."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    frames = []
    for k in range(4):
        atoms = bulk("Ar", "fcc", a=1.6 + 0.02 * k, cubic=True)
        atoms.positions += rng.normal(0, 0.05, (4, 3))
        atoms.calc = LennardJones()
        atoms.info = {"system": f"Ar-{k % 2}", "REF_energy": float(k)}
        atoms.arrays["REF_forces"] = 1.2 * atoms.get_forces() + rng.normal(0, 0.1, (4, 3))
        atoms.calc = None
        frames.append(atoms)
    ase.io.write("my.xyz", frames, format="extxyz")
    return tmp_path


def run(*arguments: str) -> int:
    return main(["run", *map(str, arguments)])


def settings(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def cases(folder: Path) -> list[Any]:
    return [json.loads(line) for line in (folder / "cases.jsonl").read_text().splitlines()]


# ---- what commands leave


@pytest.mark.seconds
def test_a_run_is_reproduced_by_its_settings(here: Path) -> None:
    given = ("high-energy", "--model", LJ, "--data", "my.xyz", "--dtype", "float64")
    assert run(*given, "--device", "cpu", "--out", "first") == 0
    left = settings(here / "first" / "settings.yaml")
    assert left["command"] == "umlip-bench run"
    assert (left["suites"], left["model"], left["mode"]) == (["high-energy"], [LJ], "standard")
    assert run("--config", "first/settings.yaml", "--out", "again") == 0
    assert cases(here / "again") == cases(here / "first")
    for name in ("summary.json", "plan.json"):
        assert (here / "again" / name).read_bytes() == (here / "first" / name).read_bytes()
    # Only the place is another.
    assert settings(here / "again" / "settings.yaml") == {**left, "out": "again"}


def test_what_was_not_named_is_resolved(here: Path) -> None:
    assert run("--model", LJ, "--data", "my.xyz", "--out", "all", "--device", "cpu") == 0
    assert settings(here / "all" / "settings.yaml")["suites"] == ["high-energy"]


@pytest.mark.seconds
def test_every_command_on_a_folder_leaves_its_settings(here: Path) -> None:
    common = ("high-energy", "--data", "my.xyz", "--device", "cpu", "--out", "both")
    morse = "ase:ase.calculators.morse:MorsePotential"
    for model in (LJ, morse, morse, LJ):
        assert run("--model", model, *common) == 0
    left = [settings(path)["model"] for path in sorted((here / "both").glob("settings*.yaml"))]
    assert left == [[morse], [LJ]]  # settings-2.yaml sorts before settings.yaml


@pytest.mark.seconds
def test_a_relaxation_is_reproduced_by_its_settings(here: Path) -> None:
    command = ["relax", "my.xyz", "--model", LJ, "--steps", "3", "--device", "cpu"]
    assert main([*command, "--out", "one.xyz"]) == 0
    assert main(["relax", "--config", "one.xyz.work/settings.yaml", "--out", "two.xyz"]) == 0
    assert (here / "two.xyz").read_bytes() == (here / "one.xyz").read_bytes()


@pytest.mark.seconds
def test_what_reads_a_run_leaves_its_settings_too(here: Path) -> None:
    assert (
        run("high-energy", "--model", LJ, "--data", "my.xyz", "--device", "cpu", "--out", "r") == 0
    )
    assert main(["export", "r", "--out", "tables"]) == 0
    assert settings(here / "tables" / "settings.yaml")["format"] == "csv"
    assert main(["card", "r", "--out", "card.md"]) == 0
    assert main(["card", "r", "--out", "card.md"]) == 0  # still known as ours
    assert "command: umlip-bench card" in (here / "card.md").read_text()
    assert main(["report", "r"]) == 0
    assert main(["report", "r"]) == 0
    page = (here / "r" / "report.html").read_text()
    assert "<!-- settings:\ncommand: umlip-bench report" in page


# ---- what --config takes


def test_the_command_line_goes_before_the_file(here: Path) -> None:
    (here / "s.yaml").write_text("data: my.xyz\nmodel: [nix-1.0]\nout: there\ndtype: float64\n")
    assert run("high-energy", "--config", "s.yaml", "--model", LJ) == 0
    left = settings(here / "there" / "settings.yaml")
    assert (left["model"], left["dtype"]) == ([LJ], "float64")


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("moddel: x\n", "'moddel' is no option of umlip-bench run; there are join, suites, model"),
        ("max-index: nan\n", "max-index in s.yaml: 'nan' is not a whole number of at least 1"),
        ("max-index: [1, 2]\n", "max-index is [1, 2]; one plain value is wanted"),
        ("mode: fast\n", "'fast'"),
        ("model: {a: 1}\n", "one plain value is wanted"),
        ("command: umlip-bench relax\n", "has settings of 'umlip-bench relax', not of"),
        ("- 1\n", "expected options with their values"),
        ("a: 1\na: 2\n", "a second time"),
        ("a: &a [*a]\n", "alias"),
        ("mode: !!python/object/apply:os.getcwd []\n", "tag"),
    ],
)
def test_files_that_are_refused(
    here: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    (here / "s.yaml").write_text(text)
    assert run("--config", "s.yaml", "--out", "x") == 2
    said = capsys.readouterr().err
    assert words in said.replace('"', "'")
    assert "s.yaml" in said
    assert not (here / "x").exists()


def test_a_file_that_is_not_there(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--config", "none.yaml", "--out", "x") == 2
    assert "none.yaml cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("--data=", "--out", "x"), "--data"),
        (("--data", "my.xyz", "--model", "", "--out", "x"), "--model"),
        (("--config", "", "--out", "x"), "--config"),
        (("--out", ""), "--out"),
        (("", "--out", "x"), "SUITE"),
        (("--config", "s.yaml", "--out", "x"), "functional in s.yaml"),
    ],
)
def test_what_is_empty_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], option: str
) -> None:
    """An empty path would be the folder that one stands in, with all below it."""
    (here / "s.yaml").write_text("functional: ''\n")
    before = set(here.iterdir())
    assert run(*words) == 2
    assert f"{option} '' is empty" in capsys.readouterr().err
    assert set(here.iterdir()) == before


def test_a_flag_in_a_file(here: Path) -> None:
    (here / "s.yaml").write_text(f"model: {LJ}\ncell: true\nsteps: 2\nfiles: my.xyz\nout: o.xyz\n")
    assert main(["relax", "--config", "s.yaml", "--device", "cpu"]) == 0
    left = settings(here / "o.xyz.work" / "settings.yaml")
    assert (left["cell"], left["steps"], left["files"]) == (True, 2, ["my.xyz"])
    (here / "t.yaml").write_text("cell: maybe\n")
    assert main(["relax", "--config", "t.yaml", "my.xyz", "--model", LJ, "--out", "p.xyz"]) == 2


# ---- every command

VALUES: dict[type[Command], dict[str, Any]] = {
    RunCommand: {"suites": ("eos", "phonons"), "ion": "Li", "max-index": 3, "new-model": True},
    RelaxCommand: {"fmax": 1e-5, "pressure": -2.5, "optimizer": "lbfgs", "cell": True},
    SuggestCommand: {
        "strain": (0.01, -0.2),
        "pseudo": (("Si", "Si.upf"),),
        "codes": ("qe",),
        "relax-cell": False,
        "spin": Spin.NONE,
        "kpoint-density": 3.5,
    },
    FitCommand: {"reference": {"Ar": -0.05}, "huber": 0.25, "seed": 7, "estimator": Estimator.MSE},
    EvaluateCommand: {"sizes": ("1", "rest"), "method": ("scalar", "full"), "choices": 5},
    CurveCommand: {"sizes": (2, 30), "method": ("scratch",)},
}
"""Values of every kind, by command."""


@pytest.mark.seconds
@pytest.mark.parametrize("kind", VALUES)
def test_a_command_comes_back_from_what_it_leaves(
    here: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Command]
) -> None:
    values = {
        name: (("x",) if option.is_tuple else "x") if option.default is MISSING else option.default
        # Anew: other tests install methods of their own.
        for name, option in options_of(kind, anew=True).items()
    }
    command = make(kind, {**values, **VALUES[kind]})
    made = []

    def run(command: Command) -> int:
        made.append(command)
        return 0

    monkeypatch.setattr(kind, "run", run)
    (here / "s.yaml").write_text(settings_text(command), encoding="utf-8")
    program = FINETUNE if kind.name.startswith("umlip-finetune") else BENCH
    assert program.main([kind.name.split()[1], "--config", "s.yaml"]) == 0
    (again,) = made
    assert plain(again) == plain(command)
    for name, value in VALUES[kind].items():
        assert options_of(kind)[name].of(again) == value


def test_parts_share_what_they_have_in_common(here: Path) -> None:
    """One density of k-points, for GPAW's inputs and Quantum ESPRESSO's."""
    values = {name: option.default for name, option in options_of(SuggestCommand).items()}
    given = {"structure": "x", "model": ("x",), "out": "x", "kpoint-density": 3.5}
    command = as_a(SuggestCommand, make(SuggestCommand, {**values, **given}))
    assert command.gpaw.kpoint_density == command.espresso.kpoint_density == 3.5


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.name)
def test_every_option_says_what_it_is(kind: type[Command]) -> None:
    for option in options_of(kind).values():
        own = [mark.help for mark in option.marks if isinstance(mark, Parameter) and mark.help]
        assert option.help or own, option.name


def test_defaults_are_those_of_the_python_functions() -> None:
    """Of those whose modules are too slow for help, so that numbers stand here and there."""
    from umlip_bench.analysis.report.figures import PIXELS_PER_INCH
    from umlip_bench.engine import Relax as Request
    from umlip_bench.finetune.evaluation import MOST_CHOICES

    of_potential = inspect.signature(umlip_bench.potential).parameters
    request = {field.name: field.default for field in fields(Request)}
    assert default(RunCommand, "device") == of_potential["device"].default
    assert default(RunCommand, "dtype") == of_potential["dtype"].default
    assert default(RelaxCommand, "fmax") == request["fmax"]
    assert default(RelaxCommand, "steps") == request["steps"]
    assert default(EvaluateCommand, "choices") == MOST_CHOICES
    assert default(ReportCommand, "dpi") == PIXELS_PER_INCH


def default(kind: type[Command], name: str) -> Any:
    return options_of(kind)[name].default
