"""A method of another package is one class and one entry point, and appears wherever ours do."""

import json
from pathlib import Path

import ase.io
import pytest
import yaml
from ase.build import bulk
from ase.calculators.emt import EMT

import umlip_bench
from tests.support.narrowing import as_a
from umlip_bench import finetune
from umlip_bench.cli.finetune import main
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.method import Chosen, methods
from umlip_bench.finetune.method import method as named
from umlip_bench.ground.errors import CorrectionError, WeightsError
from umlip_bench.potentials.corrections.scaled import ScaledPotential

EMT_MODEL = "ase:ase.calculators.emt:EMT"
OURS = ["scalar", "e0", "head", "lora", "full", "scratch"]

MODULE = '''
from dataclasses import dataclass

from umlip_bench.finetune.method import ChangeFit, Method
from umlip_bench.ground.limits import Positive


@dataclass(frozen=True)
class Settings:
    """How much.

    Parameters
    ----------
    stretch
        What the factor of the first label is multiplied with.
    """

    stretch: Positive = 1.0


class Mine(Method[Settings]):
    name = "mine"
    help = "the factor of the first label alone"
    rung = 15.0
    settings = Settings

    def fit(self, parent, labels, settings, around):
        from umlip_bench.engine.prediction import predict
        from umlip_bench.potentials.corrections.modification import ScalarCorrection

        (found,) = predict(parent, [labels[0].atoms])
        x, y = labels[0].forces.ravel(), found.forces.ravel()
        return ChangeFit(self.name, ScalarCorrection(settings.stretch * (x @ y) / (y @ y)), len(labels))

    @classmethod
    def change(cls):
        from umlip_bench.potentials.corrections.modification import ScalarCorrection

        return ScalarCorrection


class Scalar(Mine):
    name = "scalar"


class Own(Method):
    """Changes a model by a change of its own."""

    name = "own"
    help = "twice the energy surface"
    rung = 16.0

    def fit(self, parent, labels, settings, around):
        return ChangeFit(self.name, self.change()(2.0), len(labels))

    @classmethod
    def change(cls):
        import mine_change

        return mine_change.Times


class Nameless(Method[Settings]):
    help = "says neither its name nor its place"
'''


CHANGE = """
from dataclasses import dataclass

from umlip_bench.potentials.corrections.modification import ForeignChange, ScalarCorrection, damaged
from umlip_bench.potentials.corrections.scaled import scaled


@dataclass(frozen=True)
class Times(ForeignChange):
    factor: float

    section = "times"

    def to_plain(self):
        return {"factor": self.factor}

    def numbers(self):
        return {"factor": self.factor.hex()}

    def describe(self, architecture):
        return f"{architecture}, times {self.factor}"

    @classmethod
    def read(cls, path, content):
        factor = content.get("times", {}).get("factor")
        if not isinstance(factor, float):
            raise damaged(path, f"times.factor is {factor!r}")
        return cls(factor)

    def put_on(self, parent, weights):
        return scaled(weights, parent, ScalarCorrection(self.factor))
"""


def install(site: Path, points: dict[str, str]) -> None:
    """A package with these entry points, as pip leaves it."""
    info = site / "mine-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "\n".join(["[umlip_bench.methods]", *(f"{k} = {v}" for k, v in points.items())]) + "\n"
    )
    (site / "mine_module.py").write_text(MODULE)
    (site / "mine_change.py").write_text(CHANGE)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with labels of copper that are a quarter steeper than EMT, and the method installed."""
    install(tmp_path / "site", {"mine": "mine_module:Mine"})
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    frames = []
    for k in range(4):
        atoms = bulk("Cu") * (2, 2, 1)
        atoms.rattle(0.08, seed=k)
        atoms.calc = EMT()
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = None
        atoms.info = {"system": "Cu", "REF_energy": 1.25 * energy}
        atoms.arrays["REF_forces"] = 1.25 * forces
        frames.append(atoms)
    ase.io.write("cu.xyz", frames, format="extxyz")
    return tmp_path


def run(*arguments: str) -> int:
    return main([*arguments, "--device", "cpu", "--dtype", "float64"])


LABELS = ("--model", EMT_MODEL, "--labels", "cu.xyz", "--method", "mine")


def test_ours_are_there_in_the_order_of_the_ladder() -> None:
    assert list(methods().found) == OURS


def test_fit(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fit", *LABELS, "--stretch", "2", "--out", "fitted") == 0
    assert "the factor of the first label alone" in capsys.readouterr().out
    card = yaml.safe_load((here / "fitted" / "card.yaml").read_text())
    assert (card["method"], card["labels"]["n_frames"]) == ("mine", 4)
    loaded = umlip_bench.potential("fitted", device="cpu")
    assert as_a(ScaledPotential, loaded).factor == pytest.approx(2.5)
    assert loaded.card.parent == EMT_MODEL


def test_fit_judges_by_frames_held_out_whatever_the_method(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = ase.io.read("cu.xyz", index=":")
    ase.io.write("one.xyz", frames[:1], format="extxyz")
    one = ("--model", EMT_MODEL, "--labels", "one.xyz", "--method", "mine")
    assert run("fit", *one, "--held-out", "cu.xyz", "--out", "fitted") == 0
    shown = capsys.readouterr().out
    (slope,) = (line for line in shown.splitlines() if "force slope" in line)
    assert [cell.strip() for cell in slope.split("│")[1:-1]] == [
        *("force slope", "0.800", "1.000"),
        "held out, 3 frames",
    ]


def test_options_of_other_methods_are_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fit", *LABELS, "--epochs", "2", "--out", "fitted") == 2
    assert "--epochs is not an option of the method mine" in capsys.readouterr().err


@pytest.mark.seconds
def test_ladder(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ladder", *LABELS, "--out", "ladder.json") == 0
    found = json.loads((here / "ladder.json").read_text())
    none, mine = found["rungs"]
    assert none["held_out"]["force_slope"] == pytest.approx(0.8)
    assert mine["held_out"]["force_slope"] == pytest.approx(1.0)
    assert found["recommended"] == "mine"


@pytest.mark.seconds
def test_curve(here: Path) -> None:
    assert run("curve", *LABELS, "--sizes", "1,2", "--out", "curve") == 0
    rows = json.loads((here / "curve" / "curve.json").read_text())["rows"]
    slopes = [r["value"] for r in rows if (r["method"], r["metric"]) == ("mine", "force_slope")]
    assert slopes == pytest.approx([1.0, 1.0])


@pytest.mark.seconds
def test_evaluate(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ("--model", EMT_MODEL, "--labels", "cu.xyz", "--method", "mine", "--sizes", "1")
    assert run("evaluate", *data, "--out", "all.json") == 0
    (outcome,) = json.loads((here / "all.json").read_text())["outcomes"]
    assert (outcome["estimator"], outcome["n_choices"]) == ("mine", 4)
    assert outcome["slope_after"] == pytest.approx(1.0)
    assert outcome["force_after"] < 1e-6 < outcome["force_before"]


@pytest.mark.seconds
@pytest.mark.parametrize("command", ["fit", "ladder", "curve", "evaluate"])
def test_help(here: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "mine: the factor of the first label alone" in shown
    assert "--stretch" in shown
    assert "What the factor of the first label is multiplied with" in shown


def test_a_change_of_its_own_is_kept_and_loaded(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(here / "other", {"own": "mine_module:Own"})
    (here / "other" / "mine-1.0.dist-info").rename(here / "other" / "own-1.0.dist-info")
    metadata = here / "other" / "own-1.0.dist-info" / "METADATA"
    metadata.write_text("Metadata-Version: 2.1\nName: own\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(here / "other")
    labels = umlip_bench.datasets.load("cu.xyz").frames
    model = umlip_bench.potential(EMT_MODEL)
    fit = finetune.fit(model, labels, "own")
    finetune.save(fit, model, "owned")
    loaded = umlip_bench.potential("owned", device="cpu")
    forces = [predict(m, [labels[0].atoms])[0].forces for m in (model, fit.put_on(model), loaded)]
    assert forces[1] == pytest.approx(2 * forces[0])
    assert forces[2] == pytest.approx(2 * forces[0])
    card = here / "owned" / "card.yaml"
    card.write_text(card.read_text().replace("factor: 2.0", "factor: two"))
    with pytest.raises(WeightsError, match=r"times.factor is 'two'"):
        umlip_bench.potential("owned")


def test_in_python(here: Path) -> None:
    labels = umlip_bench.datasets.load("cu.xyz").frames
    model = umlip_bench.potential(EMT_MODEL)
    chosen = Chosen(named("mine"), named("mine").settings(stretch=2.0))
    fit = finetune.fit(model, labels, "mine", chosen.settings)
    assert as_a(ScaledPotential, fit.put_on(model)).factor == pytest.approx(2.5)


def test_what_it_made_needs_it_to_be_installed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("fit", *LABELS, "--out", "fitted") == 0
    (here / "site" / "mine-1.0.dist-info" / "entry_points.txt").unlink()
    monkeypatch.syspath_prepend(here)  # the metadata is read anew
    with pytest.raises(WeightsError, match="method is 'mine', this version knows"):
        umlip_bench.potential("fitted")


def test_what_is_broken_or_would_replace_ours_is_named_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    points = {
        "mine": "mine_module:Mine",
        "scalar": "mine_module:Scalar",
        "gone": "no_such_module:Method",
        "nameless": "mine_module:Nameless",
        "text": "mine_module:__doc__",
        "other": "mine_module:Mine",
    }
    install(tmp_path / "site", points)
    monkeypatch.syspath_prepend(tmp_path / "site")
    found = methods()
    assert list(found.found) == ["scalar", "mine", *OURS[1:]]
    assert type(found.found["scalar"]).__module__ == "umlip_bench.finetune.methods.scalar"
    reasons = {each.split(" ")[0]: each for each in found.left_out}
    assert reasons.keys() == points.keys() - {"mine"}
    assert "umlip_bench.methods has one of that name, of umlip-bench" in reasons["scalar"]
    assert "ModuleNotFoundError" in reasons["gone"]
    assert "it has no name" in reasons["nameless"]
    assert "no subclass of umlip_bench.finetune.method.Method" in reasons["text"]
    assert "it calls itself 'mine'" in reasons["other"]
    assert main(["fit", "--help"]) == 0
    shown = capsys.readouterr()
    assert "Note: method gone (no_such_module:Method of mine) is left out" in shown.err
    assert "mine: the factor of the first label alone" in shown.out
    with pytest.raises(CorrectionError, match="'gone' is no method; known are scalar, mine"):
        named("gone")
