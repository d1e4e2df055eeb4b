"""Commands of a program, and the examples in their help."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from importlib import import_module

from umlip_bench.cli.declare import Command
from umlip_bench.cli.program import Program


def commands_of(program: Program) -> Iterator[type[Command]]:
    """Every command of a program, those below others too."""
    for name in program.commands:
        command = import_module(f"{program.module}.{name}").COMMAND
        yield command
        yield from command.actions.values()


def examples_of(help_text: str) -> list[list[str]]:
    """Command lines below "examples:", as a shell would split them; what explains them is left out.

    An example starts at two spaces; deeper lines are explanations, or go on with options.
    """
    found: list[str] = []
    for line in help_text.split("examples:")[1].splitlines():
        if line.startswith("  umlip-"):
            found.append(line.strip())
        elif line.strip().startswith("--"):
            found[-1] += " " + line.strip()
    # What an example does may stand beside it.
    return [shlex.split(line.split("   ")[0]) for line in found]
