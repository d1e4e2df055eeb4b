import subprocess
import sys
from collections import Counter
from collections.abc import Mapping

import pytest
import yaml

from umlip_bench.datasets.cases import Task
from umlip_bench.datasets.catalogue import DatasetCard, card, catalogue, parse_catalogue
from umlip_bench.datasets.store import CheckState, DataStore
from umlip_bench.ground.errors import DataError

ENTRY = {
    "id": "toy",
    "title": "Toy",
    "tasks": ["eos"],
    "level_of_theory": {"functional": "PBE"},
    "settings": "none",
    "elements": "H No",
    "n_structures": 3,
    "licence": "MIT",
    "citation": "nobody",
    "repository": "https://example.org/toy",
}
FILE = {"path": "a/toy.json", "url": "http://example.org/toy.json"}


def parse(*entries: dict[str, object] | str) -> Mapping[str, DatasetCard]:
    return parse_catalogue(yaml.safe_dump({"datasets": list(entries)}))


def test_the_sets() -> None:
    assert list(catalogue()) == [
        *("mlearn", "monbtaw", "monbtaw-aimd", "phonopy-examples", "mlip-arena-bazro3"),
        *("matcalc-phonon", "matcalc-elasticity", "mattersim-tp", "atomate2-approxneb"),
        *("pymatgen-wulff", "pymatgen-gaas", "acwf-pbe-ae", "wbm-high-energy-states"),
        "ase-dcdft",
    ]
    assert [each.id for each in catalogue().values()] == list(catalogue())


def test_every_task_has_a_set() -> None:
    tasks = Counter(task for each in catalogue().values() for task in each.tasks)
    assert set(tasks) == set(Task)


@pytest.mark.parametrize("id", list(catalogue()))
def test_every_entry_is_usable(id: str) -> None:
    each = catalogue()[id]
    for text in (each.title, each.settings, each.licence, each.citation, each.source):
        assert text == text.strip() != ""
    assert each.caveats
    assert all(isinstance(caveat, str) and caveat.endswith(".") for caveat in each.caveats)
    assert each.level_of_theory.functional == "PBE"
    assert each.n_structures > 0
    # ASE's own set comes with ASE.
    assert any(not file.optional for file in each.files) or id == "ase-dcdft"
    for file in each.files:
        assert file.url.startswith("https://")
        assert (file.sha256 is None) == (file.size is None)
        if file.url.startswith("https://raw.githubusercontent.com/") and not file.optional:
            assert file.sha256
            assert each.repository.removeprefix("https://github.com/") in file.url
            assert f"/{each.commit}/" in file.url
        elif file.optional:
            assert file.git_blob_sha1


def test_only_the_set_without_published_hash_has_no_size() -> None:
    unknown = [id for id, each in catalogue().items() if each.size is None]
    assert unknown == ["wbm-high-energy-states"]
    assert card("pymatgen-gaas").size == 248906
    assert card(unknown[0]).elements == ()


def test_the_manifest_is_that_of_the_card() -> None:
    each = card("mlearn")
    manifest = each.manifest
    assert manifest.id == "mlearn"
    assert manifest.source == each.source
    assert each.source.endswith(f"mlearn, commit {each.commit}")
    assert manifest.level_of_theory is each.level_of_theory
    assert manifest.caveats == each.caveats


def test_catalogue_is_read_only() -> None:
    with pytest.raises(TypeError):
        catalogue()["mine"] = card("mlearn")  # type: ignore[index]


def test_ids_are_accepted_in_any_case() -> None:
    assert card("MoNbTaW") is card("monbtaw")


@pytest.mark.parametrize(
    ("id", "nearest"),
    [
        ("mlern", "Nearest ids: mlearn"),
        ("matcalc", "Nearest ids: matcalc-phonon, matcalc-elasticity."),
        ("%%%", "No id is near"),
        ("", "No id is near"),
    ],
)
def test_unknown_id(id: str, nearest: str) -> None:
    with pytest.raises(DataError, match=f"No data set is named '{id}'") as caught:
        card(id)
    assert nearest in str(caught.value)
    assert "umlip-bench data list" in str(caught.value)


def test_unknown_file() -> None:
    with pytest.raises(DataError, match=r"mlearn has no file 'Cu\.json'; it has Li/training\.json"):
        card("mlearn").file("Cu.json")


def test_a_good_entry_parses() -> None:
    other = {"path": "b.json", "url": "http://x/b", "optional": True, "instead_of": FILE["path"]}
    toy = parse({**ENTRY, "files": [FILE, other]})["toy"]
    assert toy.elements == ("H", "No")
    assert toy.tasks == (Task.EOS,)
    assert toy.source == "https://example.org/toy"
    assert toy.files[0].name == "a/toy.json"
    assert toy.files[1].instead_of == "a/toy.json"
    assert toy.caveats == ()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({**ENTRY, "licens": "MIT"}, "entry toy: unknown field 'licens'; allowed: id, "),
        (
            {key: value for key, value in ENTRY.items() if key != "citation"},
            "entry toy: missing field 'citation'",
        ),
        ("toy", "entry 1: expected fields, found 'toy'"),
        ({**ENTRY, "id": "../toy"}, "field 'id': '../toy' is not lower-case letters"),
        (
            {**ENTRY, "tasks": ["eos-elastic"]},
            r"'tasks\[0\]': 'eos-elastic': input should be 'high-energy', ",
        ),
        ({**ENTRY, "tasks": []}, "field 'tasks': needs at least one of high-energy"),
        ({**ENTRY, "elements": "H Xx"}, "field 'elements': 'Xx' is no chemical symbol"),
        (
            {**ENTRY, "level_of_theory": {"functional": "PBE", "u": 1}},
            "entry toy, level_of_theory: unknown field 'u'",
        ),
        ({**ENTRY, "files": [{"path": "b"}]}, r"toy, files\[0\]: missing field 'url'"),
        ({**ENTRY, "files": [{**FILE, "path": "../b"}]}, "'../b' must stay inside the folder"),
        ({**ENTRY, "files": [{**FILE, "path": "/b"}]}, "'/b' must stay inside the folder"),
        ({**ENTRY, "files": [FILE, FILE]}, r"files\[1\]: field 'path': .* by an earlier file"),
        ({**ENTRY, "files": [{**FILE, "sha256": "ab"}]}, "'ab' is not a digest of 64 hex digits"),
        (
            {**ENTRY, "files": [{**FILE, "instead_of": "c"}]},
            "field 'instead_of': 'c' is no earlier file",
        ),
    ],
)
def test_a_faulty_entry_is_named(entry: dict[str, object] | str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(entry)


def test_an_id_given_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="entry toy: field 'id': used by an earlier entry"):
        parse(ENTRY, ENTRY)


def test_slow_libraries_are_not_imported() -> None:
    # Without the package's own __init__, which is there to read data.
    code = """
import sys
from importlib.util import find_spec, module_from_spec
sys.modules["umlip_bench.datasets"] = module_from_spec(find_spec("umlip_bench.datasets"))
from umlip_bench.datasets.catalogue import card
card("mlearn")
print(*{"torch", "ase", "numpy", "pymatgen"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("id", [id for id, each in catalogue().items() if each.files])
def test_files_on_this_machine_are_those_of_the_catalogue(id: str) -> None:
    each = card(id)
    located = DataStore().locate(each)
    if located is None:
        pytest.skip(
            f"{id} is not on this machine: run `umlip-bench data fetch {id}` or set UMLIP_BENCH_DATA"
        )
    wrong = [state for state in DataStore().verify(each) if state.state is CheckState.WRONG]
    assert wrong == []
    assert located.folder.name == id
