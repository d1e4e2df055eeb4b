"""README and docs: links lead somewhere, commands are command lines, Python is Python."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from umlip_bench.cli import PROGRAM
from umlip_bench.cli.finetune import PROGRAM as FINETUNE

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


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
    for page in (ROOT / "docs").rglob("*.md"):
        assert str(page.relative_to(ROOT / "docs")) in listed
