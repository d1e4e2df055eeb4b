"""``umlip-bench env``: Pythons of their own for potentials whose packages cannot be installed together."""

from __future__ import annotations

from dataclasses import dataclass
from json import dumps
from typing import Annotated, ClassVar

from umlip_bench.cli.declare import Argument, Command, OnDevice, metavar

INCOMPLETE = 1
"""Exit status of ``check`` where something is missing."""


@dataclass(frozen=True, kw_only=True)
class EnvCommand(Command):
    """List the environments of potentials: what they measure, under which licence, and what is built.

    Each is a Python of its own, made from an environment file: those of this package, or one of yours (the
    form is rootstock's). A model of one is named ENVIRONMENT:CHECKPOINT, in every command: --model
    sevennet:7net-0, --model path/to/my_model.py:large. They lie in $UMLIP_BENCH_ENVIRONMENTS, else in the
    user's cache.
    """

    name = "umlip-bench env"
    examples = """\
  umlip-bench env list                      all environments and their checkpoints
  umlip-bench env build sevennet            build one; says what it downloads, and asks
  umlip-bench env check sevennet            say what is missing, and evaluate small cells
  umlip-bench env remove sevennet           take it away, with the weights that it downloaded
"""
    json: bool = False
    """print JSON instead of a table"""

    def run(self) -> int:
        from umlip_bench.cli.console import output
        from umlip_bench.environments.tables import entry_of, listing, states

        found = states()
        if self.json:
            print(dumps([entry_of(state) for state in found], indent=1))
            return 0
        console = output()
        console.print(listing(found))
        console.print(
            "One that is not built: umlip-bench env build NAME. A model of one: --model NAME:CHECKPOINT. Its "
            "card: umlip-bench models show NAME:CHECKPOINT.",
            soft_wrap=True,
            highlight=False,
        )
        return 0


class EnvListCommand(EnvCommand):
    """List environments with checkpoints, licence, state and size on disk."""

    name = "umlip-bench env list"
    actions: ClassVar = {}
    examples = """\
  umlip-bench env list
  umlip-bench env list --json
"""


@dataclass(frozen=True, kw_only=True)
class EnvBuildCommand(Command):
    """Build environments, by uv where it is there, else by venv and pip.

    What will be downloaded is said, and asked, before it is; --yes is for scripts. A build that was killed is
    begun anew, and what it had downloaded is in the cache of pip or uv.
    """

    name = "umlip-bench env build"
    examples = """\
  umlip-bench env build sevennet nequix --yes
  umlip-bench env build my_model.py
"""
    environments: Annotated[tuple[str, ...], Argument("NAME|FILE")]
    """as `umlip-bench env list` has them, or environment files"""
    anew: bool = False
    """build again what is built"""

    def run(self) -> int:
        from umlip_bench.cli import consent
        from umlip_bench.environments.build import build
        from umlip_bench.environments.registry import located

        # All names first: a typing error in the last should not come after the first's download.
        for name in self.environments:
            located(name)
        for name in self.environments:
            built = build(name, say=consent.say, agree=consent.agree, anew=self.anew)
            print(f"{built.name}: built, {built.python}")
        return 0


@dataclass(frozen=True, kw_only=True)
class EnvCheckCommand(OnDevice):
    """Say what an environment lacks, and evaluate small cells with it.

    Exit status 1 if it lacks something.
    """

    name = "umlip-bench env check"
    examples = """\
  umlip-bench env check my_model.py --device cpu
"""
    environment: Annotated[str, Argument("NAME|FILE")]
    """as `umlip-bench env list` has it, or an environment file"""
    checkpoint: Annotated[str | None, metavar("NAME")] = None
    """which is evaluated (default: the first)"""

    def run(self) -> int:
        from umlip_bench.environments.registry import located
        from umlip_bench.potentials.environment_check import check

        file, _ = located(self.environment)
        checkpoint = self.checkpoint or next(iter(file.checkpoints), "")
        lines, works = check(self.environment, checkpoint, device=self.device, dtype=self.dtype)
        for line in lines:
            print(line)
        return 0 if works else INCOMPLETE


@dataclass(frozen=True, kw_only=True)
class EnvRemoveCommand(Command):
    """Take environments away, with the weights that they downloaded."""

    name = "umlip-bench env remove"
    examples = """\
  umlip-bench env remove my_model.py
"""
    environments: Annotated[tuple[str, ...], Argument("NAME|FILE")]
    """as `umlip-bench env list` has them, or environment files"""

    def run(self) -> int:
        from umlip_bench.environments.build import remove
        from umlip_bench.environments.sizes import in_words

        for name in self.environments:
            print(f"{name}: removed, {in_words(remove(name))}")
        return 0


EnvCommand.actions = {
    "list": EnvListCommand,
    "build": EnvBuildCommand,
    "check": EnvCheckCommand,
    "remove": EnvRemoveCommand,
}
COMMAND = EnvCommand
