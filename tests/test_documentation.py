"""README and docs: links lead somewhere, commands are command lines, Python is Python."""

import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from umlip_bench.cli import PROGRAM
from umlip_bench.cli.finetune import PROGRAM as FINETUNE

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
NOTEBOOKS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))
LARGEST_NOTEBOOK = 300_000
"""Bytes: outputs are kept small."""
PROGRAMS = {"umlip-bench": PROGRAM, "umlip-finetune": FINETUNE}
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)[^)\s]*\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands() -> Iterator[tuple[str, str]]:
    """Page and command line, joined where it goes on in an indented line."""
    for page in PAGES:
        for language, block in BLOCK.findall(page.read_text()):
            if language not in ("", "bash"):
                continue
            for line in re.sub(r"\n {4}(?=--)", " ", block).splitlines():
                words = line.strip().removeprefix(".venv/bin/")
                if words.split(" ")[0] in PROGRAMS:
                    yield page.name, words
    for path in NOTEBOOKS:
        for source in cells(path, "code"):
            if source.startswith("%%bash"):
                lines = source.replace("\\\n", " ").splitlines()[1:]
                # What a shell does with its output is not the command's.
                own = (line.partition(" > ")[0] for line in lines)
                yield from ((path.name, line) for line in own if line.split(" ")[0] in PROGRAMS)


def cells(path: Path, kind: str) -> list[str]:
    """Sources of a notebook's cells."""
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks(path: Path) -> None:
    """Links lead somewhere, Python is Python, and outputs are whole, small and of no machine."""
    for text in cells(path, "markdown"):
        for target in LINK.findall(text):
            assert (path.parent / target).exists(), target
    for source in cells(path, "code"):
        if not source.startswith("%%"):
            ast.parse(source)
    content = path.read_text(encoding="utf-8")
    assert len(content) < LARGEST_NOTEBOOK
    assert not re.search(r"/tmp/|/home/|/root/|\\u001b", content)
    parsed = json.loads(content)["cells"]
    outputs = [output for cell in parsed for output in cell.get("outputs", ())]
    assert outputs
    assert all(output["output_type"] != "error" for output in outputs)
    assert all(output.get("name") != "stderr" for output in outputs)
    assert [c.get("execution_count") for c in parsed if c["cell_type"] == "code"] == list(
        range(1, len(cells(path, "code")) + 1)
    )


def test_what_is_said_of_the_leaderboard_is_on_it() -> None:
    results = ROOT / "docs" / "results"
    said = " ".join((results / "leaderboard.md").read_text(encoding="utf-8").split())
    shown = (results / "board" / "index.html").read_text(encoding="utf-8")
    found = re.findall(
        r"from -?\d\.\d\d to -?\d\.\d\d, -?\d\.\d\d in the median of \d+ comparisons", said
    )
    assert len(found) == 4
    for each in found:
        assert f"rho {each}" in shown


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize(("page", "line"), sorted(set(commands())))
def test_every_command_is_one(
    page: str,
    line: str,
) -> None:
    """It is read without a complaint; nothing is run. Of a loop over seeds the first."""
    words = shlex.split(line.replace("$seed", "1"), comments=True)
    if words[1:] and words[1] not in PROGRAMS[words[0]].commands:
        pytest.fail(f"{page}: {words[1]} is no command")
    app = PROGRAMS[words[0]].app(words[1] if words[1:] else None)
    app.parse_args(words[1:], print_error=False, exit_on_error=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_is_python(page: Path) -> None:
    for language, block in BLOCK.findall(page.read_text()):
        if language == "python":
            ast.parse(block)


def test_every_page_is_in_the_site() -> None:
    listed = (ROOT / "mkdocs.yml").read_text()
    for page in (*(ROOT / "docs").rglob("*.md"), *(path.with_suffix(".md") for path in NOTEBOOKS)):
        assert str(page.relative_to(ROOT / "docs")) in listed
