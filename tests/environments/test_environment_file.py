"""Environment files: what is read of them without running them, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.version import Version

from umlip_bench.environments.cards import cards
from umlip_bench.environments.environment_file import (
    EnvironmentFile,
    parse_environment_file,
    read_environment_file,
)
from umlip_bench.environments.places import place_of
from umlip_bench.environments.registry import known, located, shipped
from umlip_bench.ground.errors import ContentError, UnknownModelError

# In the form of rootstock's files: comments in the block, tables of uv, a user's own weights, keywords.
FOREIGN = '''\
# /// script
# requires-python = ">=3.10"
# dependencies = [
#     "toy-model>=1.1.0",
#     "ase>=3.22",
#     # lives on that index only
#     "toy-kernels",
# ]
#
# [tool.uv]
# find-links = ["https://example.org/wheels.html"]
#
# [tool.uv.sources]
# toy-kernels = { index = "kernels" }
#
# [[tool.uv.index]]
# name = "kernels"
# url = "https://example.org/kernels"
# explicit = true
#
# [[tool.uv.index]]
# url = "https://example.org/simple"
# ///
"""Toy models."""

import nothing_that_is_installed_here

CHECKPOINTS: dict = {
    "toy-1-0-0-small": "Toy-v1.0.0-S",
    # One's own weights.
    "toy:custom": None,
}
VERIFY_KWARGS = {"toy:custom": {"task": "a"}}
raise SystemExit("it was run")


def setup(checkpoint: str, device: str = "cuda", *, task: str = "a", **kwargs):
    from toy import Calculator

    return Calculator(CHECKPOINTS[checkpoint], device=device, task=task, **kwargs)


def setup_from_path(path, device="cuda"):
    ...
'''
BLOCK = '# /// script\n# dependencies = ["toy==1"]\n# ///\n'
SETUP = "def setup(checkpoint, device): ...\n"
CHECKPOINTS = 'CHECKPOINTS = {"a": "b"}\n'


def read(text: str) -> EnvironmentFile:
    return parse_environment_file(text, Path("toy.py"))


def test_a_foreign_file_is_read_and_not_run() -> None:
    file = read(FOREIGN)
    assert file.name == "toy"
    assert file.dependencies == ("toy-model>=1.1.0", "ase>=3.22", "toy-kernels")
    assert file.requires_python.contains(Version("3.10.2"))
    assert not file.requires_python.contains(Version("3.9.18"))
    assert dict(file.checkpoints) == {"toy-1-0-0-small": "Toy-v1.0.0-S"}
    assert file.custom == ("toy:custom",)
    assert file.arguments == ("device", "task")
    assert file.loads_paths
    assert file.find_links == ("https://example.org/wheels.html",)
    # The explicit index is for its own packages alone.
    assert file.indexes == ("https://example.org/simple",)
    assert file.not_routed == ("toy-kernels",)


def test_what_only_this_package_knows_stands_in_a_table_of_its_own() -> None:
    text = '# /// script\n# dependencies = ["toy==1"]\n# [tool.umlip-bench]\n# no-deps = ["greedy==2"]\n'
    file = read(text + '# no-build-isolation = ["compiled"]\n# ///\n' + CHECKPOINTS + SETUP)
    assert file.no_deps == ("greedy==2",)
    assert file.no_build_isolation == ("compiled",)


def test_an_edit_of_setup_needs_no_new_build_and_an_edit_of_the_packages_does() -> None:
    file = read(BLOCK + CHECKPOINTS + SETUP)
    assert read(BLOCK + CHECKPOINTS + SETUP + "# more\n").needs == file.needs
    assert read(BLOCK.replace("1", "2") + CHECKPOINTS + SETUP).needs != file.needs


WRONG = {
    "no block": (CHECKPOINTS + SETUP, "no inline script metadata", "# /// script"),
    "not closed": ("\n# /// script\n# a = 1\n" + SETUP, "line 2 that is not closed"),
    "two blocks": (BLOCK + "\n" + BLOCK, "line 5: a second block"),
    "no TOML": (
        BLOCK.replace("[", "").replace("dependencies", "x = 1\n# dependencies") + SETUP,
        "line 3",
        "no TOML",
    ),
    "no dependencies": ("# /// script\n# a = 1\n# ///\n", "line 2", "no 'dependencies'"),
    "not a list": (
        '# /// script\n# dependencies = "toy"\n# ///\n' + CHECKPOINTS + SETUP,
        "'toy' is no list of texts",
    ),
    "an option of pip": (
        '# /// script\n# dependencies = ["--index-url=http://evil"]\n# ///\n' + CHECKPOINTS + SETUP,
        "'--index-url=http://evil' is no requirement",
        "package==1.0",
    ),
    "Python": (
        '# /// script\n# requires-python = "three"\n# dependencies = []\n# ///\n'
        + CHECKPOINTS
        + SETUP,
        "'three' names no versions of Python",
    ),
    "our table": (
        '# /// script\n# dependencies = []\n# [tool.umlip-bench]\n# nodeps = ["a"]\n# ///\n',
        "unknown field 'nodeps'; allowed: no_build_isolation, no_deps",
    ),
    "no Python": (BLOCK + "def setup(:\n", "line 4 is no Python"),
    "no checkpoints": (BLOCK + SETUP, "no CHECKPOINTS at module level"),
    "computed": (BLOCK + "CHECKPOINTS = make()\n" + SETUP, "line 4", "written out"),
    "empty": (BLOCK + "CHECKPOINTS = {}\n" + SETUP, "line 4", "with an entry"),
    "a colon": (BLOCK + 'CHECKPOINTS = {"a:b": "c"}\n' + SETUP, "'a:b': 'c'", "colons"),
    "no text": (BLOCK + 'CHECKPOINTS = {"a": 3}\n' + SETUP, "'a': 3", "both have to be texts"),
    "no setup": (BLOCK + CHECKPOINTS, "no function setup(checkpoint, device)"),
    "takes nothing": (BLOCK + CHECKPOINTS + "def setup(): ...\n", "line 5", "no checkpoint"),
}


@pytest.mark.parametrize(("text", "said"), [(w[0], w[1:]) for w in WRONG.values()], ids=WRONG)
def test_wrong_files_are_told_where_and_what_is_allowed(text: str, said: tuple[str, ...]) -> None:
    with pytest.raises(ContentError) as caught:
        read(text)
    for words in ("toy.py", *said):
        assert words in str(caught.value)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    binary = tmp_path / "binary.py"
    binary.write_bytes(b"\x80\x02\x8a")
    with pytest.raises(ContentError, match="no text in UTF-8"):
        read_environment_file(binary)
    with pytest.raises(ContentError, match="cannot be read"):
        read_environment_file(tmp_path)


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_environment_is_pinned_and_has_a_card_for_each_checkpoint(name: str) -> None:
    file, place = located(name)
    pinned = [each for each in (*file.dependencies, *file.no_deps) if "==" in each]
    assert pinned, f"{name} pins no version"
    assert str(file.requires_python), f"{name} takes any Python"
    assert place.folder.name == name
    found = cards(file)
    assert list(found) == list(file.checkpoints)
    for checkpoint, card in found.items():
        assert card.name == f"{name}:{checkpoint}"
        for said in (card.architecture, card.training_set, card.licence, card.citation):
            assert said
            assert said != "unknown"
        assert card.level_of_theory.functional != "unknown"
        assert card.files
        for weights in card.files:
            assert weights.url.startswith("https://")
            assert weights.sha256 is None or len(weights.sha256) == 64
        # Where there is no hash, somebody has to have been told.
        assert all(weights.sha256 for weights in card.files) or "pinned" in (card.note or "")
        # The store fetches one file, which the environment file can load.
        assert card.folder is None or (file.loads_paths and len(card.files) == 1)


def test_a_card_of_no_checkpoint_is_refused_and_a_checkpoint_without_one_is_unknown(
    tmp_path: Path,
) -> None:
    path = tmp_path / "toy.py"
    path.write_text(BLOCK + CHECKPOINTS + SETUP)
    (card,) = cards(read_environment_file(path)).values()
    assert (card.name, card.licence, card.elements) == ("toy:a", "unknown", ())
    path.with_suffix(".yaml").write_text("models:\n- name: b\n  family: environment\n")
    with pytest.raises(ContentError, match=r"toy.yaml"):
        cards(read_environment_file(path))
    path.with_suffix(".yaml").write_text("nothing\n")
    with pytest.raises(ContentError, match="has to have 'models'"):
        cards(read_environment_file(path))


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UMLIP_BENCH_ENVIRONMENTS", str(tmp_path))
    assert known("sevennet")
    assert not known("sevennett")
    own = tmp_path / "a" / "sevennet.py"
    own.parent.mkdir()
    own.write_text(BLOCK + CHECKPOINTS + SETUP)
    assert known(str(own))
    assert (
        place_of(own, shipped=False).folder != place_of(shipped()["sevennet"], shipped=True).folder
    )
    monkeypatch.chdir(own.parent)
    assert located("sevennet.py")[1] == located(str(own))[1]
    with pytest.raises(UnknownModelError, match="neither an environment"):
        located("sevennett")
