"""What the site has of the program itself: the help of every command, as it prints it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib import import_module

from umlip_bench.cli import PROGRAM
from umlip_bench.cli.finetune import PROGRAM as FINETUNE
from umlip_bench.cli.program import Program

COMMANDS = "reference/commands.md"
MARK = "<!-- commands -->"
WIDTH = "100"


def on_page_markdown(markdown: str, page: object, **_: object) -> str:
    """Put the help of all commands into their page."""
    if getattr(page, "file").src_uri != COMMANDS:  # noqa: B009
        return markdown
    return markdown.replace(MARK, "\n".join(_sections()))


def _sections() -> Iterator[str]:
    for program in (PROGRAM, FINETUNE):
        for words in _commands(program):
            said = _help(program, words)
            yield f"## {' '.join((program.name, *words))}\n\n```text\n{said.rstrip()}\n```\n"


def _commands(program: Program) -> Iterator[tuple[str, ...]]:
    for name in program.commands:
        yield (name,)
        command = import_module(f"{program.module}.{name}").COMMAND
        yield from ((name, action) for action in getattr(command, "actions", {}))


def _help(program: Program, words: tuple[str, ...]) -> str:
    os.environ["COLUMNS"] = WIDTH
    with redirect_stdout(io.StringIO()) as said:
        program.main([*words, "--help"])
    return said.getvalue()
