import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from umlip_bench.ground.errors import UnknownModelError
from umlip_bench.ground.model_card import ModelCard
from umlip_bench.ground.model_cards import parse_cards
from umlip_bench.potentials.catalogue import card, catalogue
from umlip_bench.potentials.weights import Origin, WeightsStore

from .support.narrowing import some

ENTRY = {
    "name": "toy-1",
    "family": "toy",
    "architecture": "Toy",
    "level_of_theory": {"functional": "PBE"},
    "training_set": "none",
    "elements": "1-3, 8",
    "licence": "MIT",
    "citation": "nobody",
}
FILE = {"name": "toy.pt", "url": "http://example.org/toy.pt"}


def parse(*entries: object) -> Mapping[str, ModelCard]:
    return parse_cards(yaml.safe_dump({"models": list(entries)}), "catalogue")


def test_names_are_unique_lower_case_and_in_the_order_of_the_file() -> None:
    names = list(catalogue())
    assert names[0] == "chgnet-0.3.0"
    assert all(re.fullmatch(r"[a-z0-9.-]+", name) for name in names)
    assert [each.name for each in catalogue().values()] == names
    assert {each.family for each in catalogue().values()} == {"chgnet", "matgl", "mace"}


@pytest.mark.parametrize("name", list(catalogue()))
def test_every_entry_is_usable(name: str) -> None:
    each = catalogue()[name]
    assert each.elements[:2] == ("H", "He")
    assert each.elements[-1] == "Pu"
    assert len(each.elements) == 89
    assert each.files
    assert each.folder
    for file in each.files:
        assert file.url.startswith("https://")
        assert file.url.endswith("/" + file.name)
        assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
    for field in fields(ModelCard):
        if field.type in ("str", "str | None"):
            assert isinstance(getattr(each, field.name), str | None), field.name


def test_no_two_models_share_a_folder() -> None:
    folders = [each.folder for each in catalogue().values()]
    assert len(set(folders)) == len(folders)


def test_catalogue_is_read_only() -> None:
    cards: Any = catalogue()
    with pytest.raises(TypeError):
        cards["mine"] = card("chgnet-0.3.0")


@pytest.mark.parametrize("name", ["chgnet-0.3.0", "chgnet-0.2.0", "chgnet-r2scan"])
def test_chgnet_weights_in_the_package_are_those_of_the_catalogue(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UMLIP_BENCH_MODELS", raising=False)
    weights = some(WeightsStore(tmp_path).locate(card(name)))
    assert weights.origin is Origin.PACKAGE
    assert weights.sha256 == card(name).files[0].sha256


def test_names_are_accepted_in_any_case() -> None:
    assert card("CHGNet-0.3.0") is card("chgnet-0.3.0")


def test_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(UnknownModelError) as caught:
        card("chgnet-0.4.0")
    message = str(caught.value)
    assert "'chgnet-0.4.0'" in message
    assert "chgnet-0.3.0" in message
    assert "mace" not in message
    assert "umlip-bench models" in message
    assert "ase:module:Class" in message
    assert "path of a weights file" in message


def test_name_near_to_none() -> None:
    with pytest.raises(UnknownModelError, match="no name is near") as caught:
        card("%%%")
    assert "umlip-bench models" in str(caught.value)


@pytest.mark.parametrize(
    ("bare", "full"),
    [
        ("chgnet", ["chgnet-0.3.0", "chgnet-0.2.0", "chgnet-r2scan"]),
        ("MACE", ["mace-mp-0-small", "mace-mh-1"]),
        ("mace-mp-0b2", ["mace-mp-0b2-small", "mace-mp-0b2-medium", "mace-mp-0b2-large"]),
        ("m3gnet", ["m3gnet-mp-2021.2.8", "m3gnet-matpes-pbe-2025.1"]),
        ("matgl", ["m3gnet-mp-2021.2.8", "tensornet-matpes-pbe-2025.1"]),
    ],
)
def test_bare_name_lists_the_full_names(bare: str, full: list[str]) -> None:
    with pytest.raises(UnknownModelError, match="never a bare name: versions differ") as caught:
        card(bare)
    for name in full:
        assert name in str(caught.value)


def test_a_good_entry_parses() -> None:
    toy = parse({**ENTRY, "files": [FILE], "package_path": ["toy:toy.pt"]})["toy-1"]
    assert toy.elements == ("H", "He", "Li", "O")
    assert toy.files[0].name == "toy.pt"
    assert toy.files[0].sha256 is None
    assert toy.package_path == ("toy:toy.pt",)
    assert str(toy.level_of_theory) == "PBE"


def test_elements_may_be_empty() -> None:
    assert parse({**ENTRY, "elements": ""})["toy-1"].elements == ()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({**ENTRY, "licens": "MIT"}, "entry toy-1: unknown field 'licens'; allowed: name, "),
        (
            {key: value for key, value in ENTRY.items() if key != "citation"},
            "entry toy-1: missing field 'citation'",
        ),
        ({**ENTRY, "citation": None}, "entry toy-1: missing field 'citation'"),
        ({"family": "toy"}, "entry number 1: missing field 'name'"),
        ("toy-1", "entry 1: expected fields, found 'toy-1'"),
        (
            {**ENTRY, "level_of_theory": {"functional": "PBE", "u": 1}},
            "entry toy-1, level_of_theory: unknown field 'u'",
        ),
        ({**ENTRY, "level_of_theory": "PBE"}, "toy-1, level_of_theory: expected fields"),
        (
            {**ENTRY, "files": [FILE, {"name": "b.pt"}]},
            r"toy-1, files\[1\]: missing field 'url'",
        ),
        ({**ENTRY, "elements": "1-119"}, "toy-1: field 'elements': '1-119' is not a range"),
        ({**ENTRY, "elements": "8-1"}, "toy-1: field 'elements': '8-1' is not a range"),
        ({**ENTRY, "elements": "H-He"}, "toy-1: field 'elements': 'H-He' is not a range"),
        (
            {**ENTRY, "files": [FILE], "package_path": ["a:b", "a:c"]},
            "toy-1: field 'package_path': 2 paths for 1 files",
        ),
    ],
)
def test_a_faulty_entry_is_named(entry: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(entry)


def test_a_name_given_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="entry toy-1: field 'name': used by an earlier entry"):
        parse(ENTRY, ENTRY)


def test_slow_libraries_are_not_imported() -> None:
    code = (
        "import sys; from umlip_bench.potentials.catalogue import card; card('chgnet-0.3.0'); "
        "print(*{'torch', 'ase', 'numpy', 'pymatgen'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
