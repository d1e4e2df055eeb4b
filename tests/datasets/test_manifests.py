import shutil
from pathlib import Path

import pytest

from umlip_bench import datasets
from umlip_bench.cli import main
from umlip_bench.datasets import manifests
from umlip_bench.ground.errors import DataError


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    path = tmp_path / "silicon.xyz"
    assert main(["data", "export", "pbe-mini", str(path), "--material", "Si"]) == 0
    return path


def test_an_exported_set_keeps_what_is_known_of_it(exported: Path) -> None:
    original, again = datasets.load("pbe-mini").manifest, datasets.load(str(exported))
    assert again.manifest.level_of_theory == original.level_of_theory
    assert again.manifest.id == "silicon.xyz"
    for field in ("title", "settings", "source", "licence", "citation", "caveats"):
        assert getattr(again.manifest, field) == getattr(original, field)
    assert {case.level_of_theory for case in again.cases} == {original.level_of_theory}


def test_labels_that_are_not_the_manifests_are_refused(exported: Path) -> None:
    exported.write_text(exported.read_text().replace("0.0", "0.1"))
    with pytest.raises(DataError, match=r"silicon\.xyz has sha256 .*silicon\.manifest\.yaml says"):
        datasets.load(str(exported))


def test_without_a_manifest_nothing_is_known(exported: Path) -> None:
    manifests.path_of(exported).unlink()
    dataset = datasets.load(str(exported))
    assert dataset.manifest.level_of_theory.functional == "unknown"
    assert dataset.manifest.licence == manifests.NOT_STATED


def test_a_folder_has_its_own(exported: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    shutil.copy(exported, folder)
    (folder / manifests.NAME).write_text(
        "level_of_theory: {functional: r2SCAN, pseudopotentials: mine}\ncaveats: [few]\n"
    )
    manifest = datasets.load(str(folder)).manifest
    assert manifest.level_of_theory.functional == "r2SCAN"
    assert manifest.level_of_theory.pseudopotentials == "mine"
    assert manifest.caveats == ("few",)


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("level_of_theory: {functional: PBE", "no YAML"),
        ("PBE", "expected fields, found 'PBE'"),
        ("title: mine", "missing field 'level_of_theory'"),
        ("level_of_theory: PBE", "level_of_theory: expected fields, found 'PBE'"),
        ("level_of_theory: {functional: 3}", "field 'functional': 3: input should be a valid"),
        ("level_of_theory: {functional: PBE}\ncaveats: few", "field 'caveats': 'few': input"),
        ("level_of_theory: {functional: PBE}\ncaveats: [few, 3]", r"field 'caveats\[1\]': 3: "),
        ("level_of_theory: {functional: PBE}\ntitle: a\ntitle: b", "line 3 gives 'title' a second"),
        ("level_of_theory: {hubbard_u: MP}", "missing field 'functional'"),
        (
            "level_of_theory: {functional: PBE}\nfunctional: PBE",
            "unknown field 'functional'; allowed",
        ),
    ],
)
def test_what_is_no_manifest_is_refused(exported: Path, text: str, message: str) -> None:
    manifests.path_of(exported).write_text(text)
    with pytest.raises(DataError, match=message) as refused:
        datasets.load(str(exported))
    assert "needed is at least `level_of_theory: {functional: PBE}`" in str(refused.value)


def test_a_file_that_the_manifest_names_must_be_there(exported: Path) -> None:
    path = manifests.path_of(exported)
    path.write_text("level_of_theory: {functional: PBE}\nfiles: {other.xyz: aa}\n")
    with pytest.raises(DataError, match=r"names other\.xyz, which is not there"):
        datasets.load(str(exported))
