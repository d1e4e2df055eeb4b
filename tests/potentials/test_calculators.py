"""Calculators of one's own: functions, files, arguments, YAML, objects; none is taken for another."""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones

import umlip_bench
from umlip_bench import finetune
from umlip_bench.cli import main
from umlip_bench.finetune import Estimator
from umlip_bench.ground.errors import (
    ContentError,
    CorrectionError,
    UmlipBenchError,
    UnknownModelError,
    WeightsError,
)
from umlip_bench.potentials.adapters import foreign_identity
from umlip_bench.potentials.loading import locate
from umlip_bench.potentials.weights import WeightsStore

from ..support.labels import labelled

CRYSTAL = bulk("Ar", "fcc", a=1.7)
FILE = """
from pathlib import Path
from ase.calculators.lj import LennardJones

class Soft(LennardJones):
    pass

def make(epsilon=1.0, parameters="", shifted=False, label=None, parts=()):
    if parameters:
        epsilon = float(Path(parameters).read_text())
    assert shifted in (True, False), shifted
    return Soft(epsilon=epsilon, rc=2.5, smooth=shifted)

ready = make(3.0)
number = 3.0
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a calculator, entered; what is imported of it is forgotten."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mycalc.py").write_text(FILE)
    (tmp_path / "two.txt").write_text("2.0")
    before, path = set(sys.modules), list(sys.path)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) in {str(f) for f in tmp_path.glob("*.py")}:
            del sys.modules[name]


def energy(name: str) -> float:
    (prediction,) = umlip_bench.predict(umlip_bench.potential(name, device="cpu"), CRYSTAL)
    return prediction.energy


def of_epsilon(epsilon: float, smooth: bool = False) -> float:
    atoms = CRYSTAL.copy()
    atoms.calc = LennardJones(epsilon=epsilon, rc=2.5, smooth=smooth)
    return float(atoms.get_potential_energy())


def digest(name: str) -> str:
    return locate(name, WeightsStore()).sha256


@pytest.mark.parametrize(
    ("name", "epsilon", "smooth"),
    [
        ("ase:./mycalc.py:make", 1.0, False),
        ("ase:mycalc.py:make", 1.0, False),
        ("ase:mycalc:make", 1.0, False),  # files of the current folder are modules
        ("ase:./mycalc.py:make?epsilon=1.5", 1.5, False),
        ("ase:./mycalc.py:make?epsilon=15e-1&shifted=true", 1.5, True),
        ("ase:./mycalc.py:make?shifted=False&epsilon=2", 2.0, False),
        ("ase:./mycalc.py:make?parameters=two.txt", 2.0, False),
        ("ase:./mycalc.py:make?parameters=./two%2Etxt", 2.0, False),
        ("ase:./mycalc.py:make?parts=[1,2]", 1.0, False),
        ("ase:./mycalc.py:Soft?epsilon=1.5&rc=2.5", 1.5, False),
        ("ase:ase.calculators.lj:LennardJones?epsilon=1.5&rc=2.5", 1.5, False),
        ("ase:./mycalc.py:ready", 3.0, False),
    ],
)
def test_what_is_named_is_what_computes(
    here: Path, name: str, epsilon: float, smooth: bool
) -> None:
    assert energy(name) == pytest.approx(of_epsilon(epsilon, smooth), abs=1e-12)
    assert energy(f"mine={name}") == pytest.approx(of_epsilon(epsilon, smooth), abs=1e-12)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ase:./none.py:make", "there is no file ./none.py"),
        ("ase:./mycalc.py:mak", r"mycalc.py has no 'mak'; it defines Soft, make"),
        ("ase:./mycalc.py", "write ase:module.path:ClassName or ase:./file.py:function"),
        ("ase:./mycalc.py:make?epsilon", "'epsilon' is no argument"),
        ("ase:./mycalc.py:make?epsilon=1&epsilon=2", "given twice"),
        ("ase:./mycalc.py:make?sigma=1", r"sigma=1 \(TypeError.*it takes \(epsilon=1.0"),
        ("ase:./mycalc.py:make?parameters=none.txt", "FileNotFoundError"),
        ("ase:./mycalc.py:number", "is not callable but"),
        ("ase:./mycalc.py:Path", "is not an ASE calculator"),
        ("ase:./mycalc.py:ready?epsilon=1", "is a calculator already"),
        ("ase:./broken.py:make", r"cannot be imported \(ZeroDivisionError"),
    ],
)
def test_what_is_wrong_is_said(here: Path, name: str, said: str) -> None:
    (here / "broken.py").write_text("1 / 0\n")
    with pytest.raises(UnknownModelError, match=said) as caught:
        umlip_bench.potential(name, device="cpu")
    assert repr(name) in str(caught.value)


def test_a_broken_file_that_is_mended_is_read_again(here: Path) -> None:
    (here / "broken.py").write_text("1 / 0\n")
    with pytest.raises(UnknownModelError):
        digest("ase:./broken.py:make")
    (here / "broken.py").write_text(FILE)
    assert energy("ase:./broken.py:make") == pytest.approx(of_epsilon(1.0))
    (here / "broken.py").write_text(FILE.replace("epsilon=1.0", "epsilon=4.0"))
    assert energy("ase:./broken.py:make") == pytest.approx(of_epsilon(4.0))


# ---- identity


def test_everything_that_is_written_counts(here: Path) -> None:
    (here / "other.txt").write_text("2.0 ")
    (here / "folder").mkdir()
    (here / "folder" / "a.txt").write_text("1")
    make = "ase:./mycalc.py:make"
    seen = {digest(make), digest("ase:./mycalc.py:Soft")}
    names = ["epsilon=2", "epsilon=2.5", "shifted=true", "parameters=two.txt"]
    names += ["parameters=other.txt", "parts=[1]", "parts=[%22folder%22]"]
    seen |= {digest(f"{make}?{each}") for each in names}
    assert len(seen) == 9
    (here / "two.txt").write_text("2.5")
    (here / "folder" / "a.txt").write_text("2")
    again = {digest(f"{make}?{each}") for each in ("parameters=two.txt", "parts=[%22folder%22]")}
    assert not again & seen
    (here / "mycalc.py").write_text(FILE + "# a constant beside the class may count\n")
    assert digest(make) not in seen | again
    (here / "mycalc.py").write_text(FILE)
    assert digest(make) in seen  # nothing but what is written
    assert digest(f"{make}?label=one") != digest(make)


def test_a_file_that_a_default_names_counts(here: Path) -> None:
    (here / "mycalc.py").write_text(FILE.replace('parameters=""', 'parameters="two.txt"'))
    first = digest("ase:./mycalc.py:make")
    (here / "two.txt").write_text("2.5")
    assert digest("ase:./mycalc.py:make") != first


def test_versions_of_what_a_file_imports_count(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = digest("ase:./mycalc.py:make")
    monkeypatch.setattr(foreign_identity, "version", lambda owner: "99.0")
    assert digest("ase:./mycalc.py:make") != first


def test_a_folder_of_too_many_files_is_no_argument(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign_identity, "MAX_FILES", 1)
    with pytest.raises(WeightsError, match=r"has \d+ files, and at most 1 are read"):
        digest("ase:./mycalc.py:make?parts=.")
    assert digest("ase:./mycalc.py:make?label=.")  # where it writes


# ---- YAML and cards


def write_yaml(folder: Path, **changes: object) -> Path:
    weights = folder / "two.txt"
    content = {
        "target": "./mycalc.py:make",
        "arguments": {"parameters": "./two.txt", "shifted": True},
        "name": "my-lj",
        "functional": "PBE",
        "elements": "Ar Kr",
        "licence": "MIT",
        "weights": [
            {"path": "two.txt", "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}
        ],
        **changes,
    }
    path = folder / "my.yaml"
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))
    return path


def test_a_calculator_in_yaml(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_yaml(here)
    first = locate("my.yaml", WeightsStore())
    assert energy("my.yaml") == pytest.approx(of_epsilon(2.0, smooth=True))
    card = first.card
    assert (card.name, card.elements, card.licence) == ("my-lj", ("Ar", "Kr"), "MIT")
    assert card.level_of_theory.functional == "PBE"
    with pytest.raises(UmlipBenchError, match="Cu"):
        umlip_bench.predict(umlip_bench.potential("my.yaml"), bulk("Cu"))
    digests = {first.sha256, digest(str(write_yaml(here, elements="18")))}
    digests.add(digest(str(write_yaml(here, arguments={"parameters": "./two.txt"}))))
    digests.add(digest(str(write_yaml(here, target="./mycalc.py:Soft", arguments={}))))
    assert len(digests) == 4
    # It is found from any folder, and is the same wherever its folder lies.
    write_yaml(here)
    moved = here / "moved"
    moved.mkdir()
    for file in ("my.yaml", "two.txt", "mycalc.py"):
        (moved / file).write_bytes((here / file).read_bytes())
    monkeypatch.chdir(moved)
    assert digest("my.yaml") == first.sha256 == digest(str(path))
    (here / "two.txt").write_text("2.5")
    with pytest.raises(WeightsError, match=r"weights: .*two.txt has sha256 .*, not "):
        digest(str(path))
    write_yaml(here)  # of the new file
    assert digest(str(path)) != first.sha256


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"target": None}, "has no 'target'"),
        ({"factory": "x"}, "unknown field 'factory'; allowed: "),
        ({"elements": "Ar Xx"}, "'Xx' is no chemical symbol"),
        ({"weights": [{"path": "none"}]}, "there is no .*none"),
        ({"target": "nothing"}, "does not name a calculator"),
        ({"arguments": {"sigma": 1}}, "my.yaml.*sigma=1"),
    ],
)
def test_yaml_that_is_no_calculator(here: Path, changes: dict[str, object], said: str) -> None:
    write_yaml(here, **changes)
    with pytest.raises(
        (ContentError, WeightsError, UnknownModelError), match=f"(?s)my.yaml.*{said}|{said}"
    ):
        umlip_bench.potential("my.yaml", device="cpu")


def test_a_card_beside_a_file_says_what_the_file_does_not(here: Path) -> None:
    plain = locate("ase:./mycalc.py:make", WeightsStore())
    (here / "mycalc.card.yaml").write_text("functional: r2SCAN\nname: my-lj\n")
    carded = locate("ase:./mycalc.py:make?epsilon=1", WeightsStore()).card
    assert (carded.name, str(carded.level_of_theory)) == ("my-lj", "r2SCAN")
    same = locate("ase:./mycalc.py:make", WeightsStore())
    assert same.sha256 == plain.sha256  # it computes the same
    (here / "mycalc.card.yaml").write_text("functionals: r2SCAN\n")
    with pytest.raises(ContentError, match=r"mycalc.card.yaml: unknown field 'functionals'"):
        locate("ase:./mycalc.py:make", WeightsStore())


def test_a_name_of_one_s_own(here: Path) -> None:
    weights = locate("mine=ase:./mycalc.py:make?epsilon=2", WeightsStore())
    assert weights.card.name == "mine"
    assert weights.sha256 == digest("ase:./mycalc.py:make?epsilon=2")
    with pytest.raises(UnknownModelError, match="must not pass for it"):
        locate("chgnet-0.3.0=ase:./mycalc.py:make", WeightsStore())


# ---- on the way


@pytest.mark.seconds
def test_no_stale_result_of_a_changed_calculator(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", "eos", "--structure", "ar.cif", "--out", "run", "--device", "cpu"]
    bulk("Ar", "fcc", a=1.6).write("ar.cif")
    assert main([*command, "--model", "mine=ase:./mycalc.py:make?parameters=two.txt"]) == 0
    for _ in range(2):  # a name with slashes is no path
        assert main([*command, "--model", "ase:./mycalc.py:make?epsilon=1"]) == 0
    assert main(["report", "run"]) == 0
    for changed in ("?epsilon=2", "?parameters=two.txt&shifted=true"):
        assert main([*command, "--model", f"mine=ase:./mycalc.py:make{changed}"]) == 2
        assert "another model of the name mine" in capsys.readouterr().err
    (here / "two.txt").write_text("2.5")
    assert main([*command, "--model", "mine=ase:./mycalc.py:make?parameters=two.txt"]) == 2
    assert "--new-model" in capsys.readouterr().err


def test_a_correction_finds_its_parent_from_any_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_yaml(here)
    frames = [bulk("Ar", "fcc", a=1.6, cubic=True) for _ in range(2)]
    for k, atoms in enumerate(frames):
        atoms.rattle(0.05, seed=k)
    for name in ("my.yaml", "ase:./mycalc.py:make?parameters=two.txt"):
        monkeypatch.chdir(here)
        parent = umlip_bench.potential(name, device="cpu")
        fit = finetune.fit_scalar(
            parent, labelled(parent, frames), estimator=Estimator.MSE, references={"Ar": 0.0}
        )
        out = here / f"corrected-{name[:2]}"
        finetune.save(fit, parent, out)
        (here / "elsewhere").mkdir(exist_ok=True)
        monkeypatch.chdir(here / "elsewhere")
        if name.endswith("two.txt"):  # relative to where one is
            with pytest.raises(WeightsError, match=r"cannot be had|weights found for it"):
                locate(str(out), WeightsStore())
            monkeypatch.chdir(here)
        assert locate(str(out), WeightsStore()).sha256


# ---- objects


def test_a_calculator_object(here: Path) -> None:
    calculator = LennardJones(epsilon=2.0, rc=2.5)
    model = umlip_bench.potential(calculator)
    (prediction,) = umlip_bench.predict(model, CRYSTAL)
    assert prediction.energy == pytest.approx(of_epsilon(2.0))
    assert model.card.name == "LennardJones"
    # It is the same before and after it has computed, and another one with other values.
    again = umlip_bench.potential(calculator)
    other = umlip_bench.potential(LennardJones(epsilon=2.5, rc=2.5))
    assert again.weights.sha256 == model.weights.sha256 != other.weights.sha256


def test_a_calculator_of_ours_is_its_potential() -> None:
    ours = umlip_bench.load("ase:ase.calculators.lj:LennardJones?epsilon=2.0", device="cpu")
    assert umlip_bench.potential(ours) is ours.potential


@pytest.mark.parametrize("thing", [3.0, None, LennardJones])
def test_what_is_no_model_at_all(thing: object) -> None:
    with pytest.raises(UnknownModelError, match="neither the name of a model nor"):
        umlip_bench.potential(thing)


def test_a_correction_of_an_object_cannot_be_written(here: Path) -> None:
    parent = umlip_bench.potential(LennardJones(epsilon=2.0, rc=2.5))
    frames = [bulk("Ar", "fcc", a=1.6, cubic=True) for _ in range(2)]
    for k, atoms in enumerate(frames):
        atoms.rattle(0.05, seed=k)
    fit = finetune.fit_scalar(
        parent, labelled(parent, frames), estimator=Estimator.MSE, references={"Ar": 0.0}
    )
    with pytest.raises(CorrectionError, match=r"name it ase:\./file\.py:NAME"):
        finetune.save(fit, parent, here / "mine")
