"""No file that is read chooses what is imported or run, unless the user trusts it."""

import hashlib
import json
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from ase.build import bulk
from ase.calculators.emt import EMT
from pymatgen.core import Lattice, Structure

import umlip_bench
from umlip_bench import datasets
from umlip_bench.cli import main
from umlip_bench.cli.finetune import main as finetune
from umlip_bench.ground import plugins, trust
from umlip_bench.ground.errors import DataError, JournalError, UmlipBenchError, WeightsError
from umlip_bench.ground.packed import unpack
from umlip_bench.ground.plugins import installed
from umlip_bench.ground.structures import read_structure
from umlip_bench.potentials.loading import locate
from umlip_bench.potentials.weights import WeightsStore

MARK = "ran.txt"
EVIL = f"""
from pathlib import Path
Path({MARK!r}).write_text("imported")
class Evil:
    def __init__(self, *args, **kwargs):
        Path({MARK!r}).write_text("made")
"""
SHA = "0" * 64


class Runs:
    """Unpickled, it runs code."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.write_text, (Path(MARK), "unpickled")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of somebody's files, with a module that may be imported, and nothing that is trusted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(trust.VARIABLE, str(tmp_path / "trusted"))
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "evil.py").write_text(EVIL)
    (tmp_path / "script.py").write_text(EVIL)
    monkeypatch.syspath_prepend(tmp_path / "site")
    return tmp_path


def corrected(place: Path, parent: dict[str, object], **content: object) -> Path:
    """A folder that says that it corrects something."""
    folder = place / "theirs"
    folder.mkdir(exist_ok=True)
    card = {"schema": 1, "name": "theirs", "method": "scalar", "scalar": {"factor": 1.1}}
    (folder / "card.yaml").write_text(yaml.safe_dump({**card, "parent": parent, **content}))
    return folder


def pickled(path: Path) -> None:
    """A file that torch reads, and that runs code when it is unpickled."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": Runs()}, path)


PARENTS: Mapping[str, Mapping[str, str | None]] = {
    "a calculator": {"name": "ase:evil:Evil", "family": "ase", "path": None},
    "a calculator of another family": {"name": "ase:evil:Evil", "family": "chgnet", "path": None},
    "a calculator as a file": {"name": "x", "family": "ase", "path": "parent/ase:evil:Evil"},
    "a script": {"name": "script.py:one", "family": "environment", "path": None},
    "a script of another family": {"name": "script.py:one", "family": "mace", "path": None},
    "a path": {"name": "loose.model", "family": "mace", "path": None},
    "a path with its family": {"name": "mace:loose.model", "family": "mace", "path": None},
    "a path as a calculator's": {"name": "mace:loose.model", "family": "ase", "path": None},
    "a file outside": {"name": "x", "family": "mace", "path": "../loose.model"},
    "a pickle inside": {"name": "x", "family": "mace", "path": "parent/loose.model"},
    "a checkpoint inside": {"name": "x", "family": "chgnet", "path": "parent/loose.pth.tar"},
    "no family": {"name": "evil:Evil", "family": "evil", "path": None},
    "a folder here": {"name": "sevennet:7net-0", "family": "environment", "path": None},
}


@pytest.mark.model  # the families' packages are imported
@pytest.mark.parametrize("name", PARENTS)
def test_a_parent_that_would_run_code_is_refused(name: str, place: Path) -> None:
    folder = corrected(place, {**PARENTS[name], "sha256": SHA})
    for path in ("loose.model", "theirs/parent/loose.model", "theirs/parent/loose.pth.tar"):
        pickled(place / path)
    (place / "theirs" / "parent" / "ase:evil:Evil").write_bytes(b"x")
    # A folder with the name of a parent is not that parent.
    shutil.copytree(folder, place / "sevennet:7net-0")
    with pytest.raises(WeightsError, match="theirs"):
        umlip_bench.potential(str(folder), device="cpu")
    assert not (place / MARK).exists()


@pytest.mark.parametrize("family", ["ase", "environment", "corrected", "mace"])
def test_trained_weights_that_would_run_code_are_refused(family: str, place: Path) -> None:
    folder = place / "theirs"
    pickled(folder / "weights" / "loose.model")
    content = (folder / "weights" / "loose.model").read_bytes()
    card = {
        "name": "ase:evil:Evil",
        "family": family,
        "architecture": "x",
        "training_set": "x",
        "elements": "Si",
        "licence": "x",
        "citation": "x",
        "level_of_theory": {"functional": "PBE"},
        "files": {"loose.model": hashlib.sha256(content).hexdigest()},
    }
    corrected(
        place,
        {"name": "ase:evil:Evil", "family": family, "sha256": SHA, "path": None},
        method="full",
        trained={"card": card},
    )
    with pytest.raises(WeightsError) as refused:
        umlip_bench.potential(str(folder), device="cpu")
    if family == "mace":
        assert "--trust" in str(refused.value)
    assert not (place / MARK).exists()


@pytest.mark.model
def test_a_checkpoint_of_chgnet_holds_nothing_but_numbers(place: Path) -> None:
    pickled(place / "mine.pth.tar")
    with pytest.raises(WeightsError, match=r"mine\.pth\.tar cannot be read"):
        umlip_bench.potential("mine.pth.tar", device="cpu")
    assert not (place / MARK).exists()
    # The file would have run code.
    torch.load(place / "mine.pth.tar", weights_only=False)
    assert (place / MARK).read_text() == "unpickled"


EMT_MODEL = "ase:ase.calculators.emt:EMT"


def fitted(place: Path) -> Path:
    """A factor on a calculator, fitted by the command."""
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=0)
    atoms.calc = EMT()
    atoms.info["REF_energy"] = 1.2 * atoms.get_potential_energy()
    atoms.arrays["REF_forces"] = 1.2 * atoms.get_forces()
    atoms.calc = None
    atoms.write(place / "labels.xyz", format="extxyz")
    arguments = ["fit", "--model", EMT_MODEL, "--labels", "labels.xyz", "--method", "scalar"]
    options = ["--estimator", "mse", "--device", "cpu", "--out", "mine"]
    assert finetune([*arguments, *options]) == 0
    return place / "mine"


def test_what_one_fitted_oneself_is_trusted_and_what_came_is_once_asked_for(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fitted(place)
    assert umlip_bench.potential("mine", device="cpu").card.name == "mine"
    # On another machine, which remembers nothing of it, one is asked.
    monkeypatch.setenv(trust.VARIABLE, str(place / "other"))
    with pytest.raises(WeightsError, match=f"names {EMT_MODEL}, whose code .* --trust once"):
        umlip_bench.potential("mine", device="cpu")
    command = ["relax", "labels.xyz", "--model", str(folder), "--device", "cpu", "--steps", "1"]
    assert main([*command, "--out", "refused.xyz"]) == 2
    assert "--trust" in capsys.readouterr().err
    assert main([*command, "--out", "done.xyz", "--trust"]) == 0
    umlip_bench.potential("mine", device="cpu")
    # Another calculator is not trusted with it.
    card = yaml.safe_load((folder / "card.yaml").read_text())
    card["parent"]["name"] = "ase:evil:Evil"
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    with pytest.raises(WeightsError, match="--trust"):
        locate(str(folder), WeightsStore())
    assert not (place / MARK).exists()


def test_a_cache_that_cannot_be_written_keeps_nobody_from_fitting(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "file").write_text("")
    monkeypatch.setenv(trust.VARIABLE, str(place / "file"))
    assert fitted(place).is_dir()


@pytest.mark.parametrize("kind", ["structure", "record", "entry"])
def test_json_of_pymatgen_makes_nothing_that_it_names(kind: str, place: Path) -> None:
    """pymatgen's own reader makes what the properties of a site name."""
    structure = Structure(
        Lattice.cubic(4.2), ["Mg", "O"], [[0, 0, 0], [0.5] * 3], site_properties={"a": [1, 2]}
    ).as_dict()
    named = {"@module": "evil", "@class": "Evil"}
    structure["sites"][0]["properties"]["a"] = named
    labels = {"structure": structure, "energy": -1.0, "forces": [[0.0] * 3] * 2, "more": named}
    entry = {**labels, "@class": "ComputedStructureEntry", "parameters": named, "data": named}
    content = {"structure": structure, "record": [labels], "entry": [entry]}[kind]
    path = place / "theirs.json"
    path.write_text(json.dumps(content))
    if kind == "structure":
        assert len(read_structure(path)) == 2
    else:
        assert len(datasets.load(str(path)).frames) == 1
    assert not (place / MARK).exists()


@pytest.mark.parametrize("name", ["../..", "../outside.xyz", "/etc/hostname", "link.xyz"])
def test_files_of_a_manifest_lie_in_its_folder(name: str, place: Path) -> None:
    data = place / "data"
    data.mkdir()
    (place / "outside.xyz").write_text("secret")
    (data / "link.xyz").symlink_to(place / "outside.xyz")
    bulk("Si").write(data / "a.xyz", format="extxyz")
    manifest = {"level_of_theory": {"functional": "PBE"}, "files": {name: SHA}}
    (data / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    with pytest.raises(DataError, match="is outside its folder"):
        datasets.load(str(data))


TAGS = {
    "python object": f"!!python/object/apply:os.system ['touch {MARK}']",
    "python module": "!!python/module:evil",
    "python name": "!!python/name:evil.Evil",
}


@pytest.mark.parametrize("tag", TAGS)
def test_tags_of_yaml_are_not_obeyed(tag: str, place: Path) -> None:
    bulk("Si").write(place / "a.xyz", format="extxyz")
    (place / "a.manifest.yaml").write_text(
        f"level_of_theory: {{functional: PBE}}\ntitle: {TAGS[tag]}\n"
    )
    with pytest.raises(DataError, match=r"a\.manifest\.yaml"):
        datasets.load(str(place / "a.xyz"))
    assert not (place / MARK).exists()


def test_arrays_of_objects_are_not_unpickled(place: Path) -> None:
    np.savez(place / "a.npz", a=np.array([Runs()], dtype=object))
    with pytest.raises(JournalError):
        unpack((place / "a.npz").read_bytes())
    with (place / "a.traj").open("wb") as file:
        pickle.dump(Runs(), file)
    with pytest.raises(UmlipBenchError):
        datasets.load(str(place / "a.traj"))
    assert not (place / MARK).exists()


GROUPS = {
    "umlip_bench.potentials": "chgnet",
    "umlip_bench.suites": "eos",
    "umlip_bench.methods": "scalar",
}


@pytest.mark.parametrize("group", GROUPS)
def test_plug_ins_cannot_replace_what_is_built_in(group: str, place: Path) -> None:
    name = GROUPS[group]
    before = installed(group).found[name].value
    info = place / "site" / "evil-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Evil\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = evil:Evil\nbroken = no:thing\n")
    plugins._installed.cache_clear()
    try:
        now = installed(group)
        assert now.found[name].value == before
        assert any("evil:Evil of evil" in said for said in now.left_out)
        taken = plugins.load(group, lambda _, found: found)
        assert any(said.startswith("broken (no:thing of evil)") for said in taken.left_out)
    finally:
        plugins._installed.cache_clear()
    assert not (place / MARK).exists()
