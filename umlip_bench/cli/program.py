"""A program of commands: reading its command line, exit status and errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from cyclopts import App, CycloptsError, Parameter, UnknownOptionError, UnusedCliTokensError

from umlip_bench.cli.console import EXAMPLES, output
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.version import __version__

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""
VERBOSE = ("-v", "--verbose")


@dataclass(frozen=True)
class Program:
    """A program.

    Parameters
    ----------
    name
        As it is called.
    help, examples
        For its own help.
    module
        Package with a module for each command, whose ``COMMAND`` is read when it is given.
    commands
        What each does, by name.
    """

    name: str
    help: str
    examples: str
    module: str
    commands: Mapping[str, str]

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Run the command line and return its exit status.

        0 if something was achieved, 1 if nothing was, 2 for input that a user can mend.
        """
        tokens, verbose = _without_verbose(sys.argv[1:] if arguments is None else arguments)
        _log_to_stderr(verbose)
        if tokens and not tokens[0].startswith("-") and tokens[0] not in self.commands:
            there = ", ".join(self.commands)
            return self._refuse(f"there is no command {tokens[0]!r}; there are {there}")
        try:
            return self.app(tokens[0] if tokens else None)(tokens) or 0
        except CycloptsError as error:
            return self._refuse(self._said(error, tokens))
        except UmlipBenchError as error:
            return self._refuse(str(error))
        except KeyboardInterrupt:
            said = "interrupted; rerun the command to resume"
            print(f"{self.name}: {said}", file=sys.stderr)
            return INTERRUPTED
        except BrokenPipeError:
            # The reader of a pipe, `head` say, has seen enough; what is still to be flushed goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0

    def app(self, given: str | None = None) -> App:
        """The program for cyclopts; of commands but the one `given` there is only a line of help."""
        app = App(
            name=self.name,
            help=self.help,
            help_format="plaintext",
            help_epilogue=f"{EXAMPLES}{self.examples.rstrip()}",
            version=f"{self.name} {__version__}",
            default_parameter=Parameter(negative=()),
            print_error=False,
            exit_on_error=False,
            result_action="return_value",
            suppress_keyboard_interrupt=False,
            console=output(),
        )
        for name, text in self.commands.items():
            if name == given:
                from umlip_bench.cli.command import application

                command = import_module(f"{self.module}.{name}").COMMAND
                app.command(application(command), name=name)
            else:
                app.command(App(name=name, help=text, help_format="plaintext"))
        return app

    def _refuse(self, said: str) -> int:
        print(f"{self.name}: {said}", file=sys.stderr)
        return 2

    def _said(self, error: CycloptsError, tokens: Sequence[str]) -> str:
        """What was wrong with the command line, and where to look."""
        error.verbose = False
        chain = [self.name, *(error.command_chain or ())]
        if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
            return self._said_of_more(error.unused_tokens[0], chain[1:] or tokens[:1])
        kind = getattr(error.target, "command", None)
        if isinstance(error, UnknownOptionError) and kind is not None:
            given = (error.token.keyword or error.token.value).split("=")[0]
            if new := kind.renamed.get(given):
                return f"{given} is now {new}"
        said = str(error).rstrip(".")
        return f"{said}{'' if said.endswith('?') else '.'} See {' '.join(chain)} --help."

    def _said_of_more(self, word: str, names: Sequence[str]) -> str:
        """What to say of a word that is no option, and for which there is no place."""
        command = import_module(f"{self.module}.{names[0]}").COMMAND
        for name in names[1:]:
            command = command.actions.get(name, command)
        if command.actions:
            there = ", ".join(command.actions)
            return f"there is no command {word!r} of {command.name}; there are {there}"
        return f"{word!r} is more than {command.name} takes. See {command.name} --help."


def _without_verbose(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """The command line without ``-v``, which may stand anywhere in it, and whether it did."""
    tokens = list(arguments)
    end = tokens.index("--") if "--" in tokens else len(tokens)
    kept = [token for token in tokens[:end] if token not in VERBOSE]
    return kept + tokens[end:], len(kept) < end


def _log_to_stderr(verbose: bool) -> None:
    import logging

    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(name)s: %(message)s"
    )
    if not verbose:
        # What the models' libraries tell about themselves is no news to the user of a benchmark.
        for library in ("matgl", "mace", "root", "torch.distributed"):
            logging.getLogger(library).setLevel(logging.ERROR)
