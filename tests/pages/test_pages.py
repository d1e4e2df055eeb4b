"""Every page of the documentation: its commands and snippets run as written, in order, in an empty folder.

A page's reader has what :mod:`tests.pages.given` makes. What is not run, or is exchanged, is listed here with
the reason.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from filelock import FileLock

from tests.pages import given
from tests.pages.page import BLOCK, ROOT, Page, are_commands
from tests.support import slurm

DOCS = ROOT / "docs"
NOT_RUN = {
    "docs/results": "tables of results, each with the command that made it: up to 20 hours of a core",
    "docs/reference": "help of all commands, whose examples tests/cli/test_help.py runs",
    "docs/tutorials": "notebooks, which `make docs` executes",
}
"""Parts of the documentation that are not run here, and why."""


@dataclass(frozen=True)
class Reader:
    """What the reader of a page has, and what of the page is run otherwise than written.

    Parameters
    ----------
    has
        Makes the files that the page says the reader has, and gives the names that snippets take.
    runs
        Whether there are run folders from before.
    files, modules
        As of :class:`Page`.
    stands_for
        Words that are exchanged.
    left_out
        Parts of the command lines and snippets that are not run, with the reason.
    """

    has: Callable[[], dict[str, object]] = given.nothing
    runs: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    stands_for: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


PAGES = {
    "README.md": Reader(given.own_data, runs=True),
    "docs/index.md": Reader(),
    "docs/first-hour.md": Reader(given.first_hour),
    "docs/howto/own-data.md": Reader(
        given.own_data,
        files={"yaml": "my.manifest.yaml"},
        stands_for={"mace-mp-0-medium": "m3gnet-mp-2021.2.8"},
    ),
    "docs/howto/forms.md": Reader(given.forms),
    "docs/howto/roles.md": Reader(
        given.roles, files={"csv": "values.csv", "yaml": "surfaces.manifest.yaml"}
    ),
    "docs/howto/calculator.md": Reader(
        given.calculator,
        files={"yaml": "argon.yaml"},
        modules={"def make(": "mycalc.py"},
        left_out={"sevenn.calculator": "SevenNet, which is not installed"},
    ),
    "docs/howto/scripts.md": Reader(given.scripts),
    "docs/howto/notebook.md": Reader(),
    "docs/howto/cluster.md": Reader(
        given.cluster,
        runs=True,
        # The stand-in for Slurm starts a process for each task at once.
        stands_for={"100": "2"},
        left_out={"cluster_study": "minutes of simulation"},
    ),
    "docs/howto/committee.md": Reader(given.committee),
    "docs/howto/compare.md": Reader(runs=True),
    "docs/howto/data.md": Reader(),
    "docs/howto/environments.md": Reader(
        modules={"PEP": "my_model.py", "requires-python": "my_model.py"},
        left_out={"sevennet": "packages from an index"},
    ),
    "docs/howto/labels.md": Reader(given.labels, left_out={"--engine gpaw": "GPAW"}),
    "docs/howto/leaderboard.md": Reader(runs=True),
    "docs/howto/models.md": Reader(files={"yaml": "models/run7.card.yaml"}),
    "docs/howto/no-label.md": Reader(
        given.no_label,
        left_out={
            "estimate --model m3gnet-mp-2021.2.8": "ten minutes: TensorNet samples states",
            "mattersim-tp": "a quarter of an hour: four models on three sets",
        },
    ),
    "docs/howto/one-label.md": Reader(runs=True),
    "docs/howto/publish.md": Reader(given.publish),
    "docs/howto/report.md": Reader(runs=True),
    "docs/howto/speed.md": Reader(
        runs=True,
        left_out={
            "calibrate": "two minutes of an idle machine, twice",
            "--compile always": "two minutes of compiling; test_compiled.py does it",
        },
    ),
    "docs/howto/train.md": Reader(given.train),
    "docs/suites/bonds.md": Reader(given.bonds),
    "docs/suites/curvature.md": Reader(
        given.curvature, left_out={"matcalc-elasticity": "minutes: a hundred crystals"}
    ),
    "docs/suites/migration.md": Reader(
        given.migration, left_out={"atomate2-approxneb": "eight minutes"}
    ),
    "docs/suites/sanity.md": Reader(given.first_hour),
    "docs/explanation/measures.md": Reader(runs=True),
}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folders from before, made by one worker of pytest-xdist while the others wait."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "from_before"
    with FileLock(shared / "from_before.lock"):
        if not (folder / "done").exists():
            folder.mkdir()
            given.make_runs(folder)
            (folder / "done").touch()
    return folder


@pytest.mark.pages
@pytest.mark.parametrize("name", PAGES)
def test_a_page_runs_from_top_to_bottom(
    name: str,
    small_mace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    reader = PAGES[name]
    commands, empty = tmp_path / "commands", tmp_path / "empty"
    slurm.stand_in(commands)
    empty.mkdir()
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(empty)
    monkeypatch.syspath_prepend(empty)
    Path("my.model").write_bytes(small_mace.read_bytes())
    if reader.runs:
        given.runs(request.getfixturevalue("made"))
    if name == "docs/howto/models.md":
        given.models(small_mace)
    ran = Page(
        ROOT / name,
        reader.has(),
        reader.files,
        reader.modules,
        reader.stands_for,
        tuple(reader.left_out),
    ).run()
    for line in ran.left_out:
        print(f"left out: {line}")
    assert ran.count


def test_every_page_is_run_or_says_why_not() -> None:
    """Of those that have a command or a snippet."""
    found = set()
    for path in (ROOT / "README.md", *DOCS.rglob("*.md")):
        name = str(path.relative_to(ROOT))
        blocks = BLOCK.findall(path.read_text(encoding="utf-8"))
        runs = any(language == "python" or are_commands(block) for language, block in blocks)
        if runs and not name.startswith(tuple(NOT_RUN)):
            found.add(name)
    assert found == set(PAGES)
