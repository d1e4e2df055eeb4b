"""A program of commands: reading its command line, exit status and errors."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from cyclopts import App, CycloptsError, Parameter, UnknownOptionError, UnusedCliTokensError

from umlip_bench.cli import consent
from umlip_bench.cli.console import EXAMPLES, output
from umlip_bench.cli.surroundings import (
    OF_PLACES,
    Terminated,
    drop_output,
    ended_by_sigterm,
    let_threads_sleep,
    mend_streams,
    said_of,
)
from umlip_bench.ground import trust
from umlip_bench.ground.errors import NotBuilt, UmlipBenchError
from umlip_bench.ground.version import __version__

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""
TERMINATED = 143
"""After SIGTERM, likewise."""
VERBOSE = ("-v", "--verbose")
ANYWHERE = frozenset((*VERBOSE, consent.YES, trust.OPTION))
"""Options that may stand anywhere in a command line."""


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
        mend_streams()
        let_threads_sleep()
        tokens, anywhere = _without(sys.argv[1:] if arguments is None else arguments)
        _log_to_stderr(not anywhere.isdisjoint(VERBOSE))
        agreed = consent.GIVEN.set(consent.YES in anywhere)
        trusted = trust.GIVEN.set(trust.OPTION in anywhere)
        try:
            return self._main(tokens)
        finally:
            consent.GIVEN.reset(agreed)
            trust.GIVEN.reset(trusted)

    def _main(self, tokens: list[str]) -> int:
        if tokens and not tokens[0].startswith("-") and tokens[0] not in self.commands:
            there = ", ".join(self.commands)
            return self._refuse(f"there is no command {tokens[0]!r}; there are {there}")
        try:
            with ended_by_sigterm():
                status = self._run(tokens)
            # What is printed is part of the command, and fails with it.
            sys.stdout.flush()
            return status
        except CycloptsError as error:
            return self._refuse(self._said(error, tokens))
        except UmlipBenchError as error:
            return self._refuse(str(error))
        except KeyboardInterrupt as error:
            terminated = isinstance(error, Terminated)
            said = "ended by SIGTERM" if terminated else "interrupted"
            print(f"{self.name}: {said}; rerun the command to resume", file=sys.stderr)
            return TERMINATED if terminated else INTERRUPTED
        except BrokenPipeError:
            # The reader of a pipe, `head` say, has seen enough.
            drop_output()
            return 0
        except OSError as error:
            if error.errno not in OF_PLACES:
                raise
            if error.filename is None:
                drop_output()
            return self._refuse(said_of(error))

    def _run(self, tokens: list[str]) -> int:
        """Run a command, again if it lacked an environment that could be built."""
        try:
            return self.app(tokens[0] if tokens else None)(tokens) or 0
        except NotBuilt as error:
            if not _build(error):
                raise
        return self._run(tokens)

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


def _without(arguments: Sequence[str]) -> tuple[list[str], frozenset[str]]:
    """The command line without what may stand anywhere in it (`ANYWHERE`), and what of that did."""
    tokens = list(arguments)
    end = tokens.index("--") if "--" in tokens else len(tokens)
    kept = [token for token in tokens[:end] if token not in ANYWHERE]
    return kept + tokens[end:], ANYWHERE.intersection(tokens[:end])


def _build(error: NotBuilt) -> bool:
    """Build what a command lacks, if the user agrees; whether it is there now."""
    if not (consent.GIVEN.get() or consent.can_ask()):
        return False
    from umlip_bench.environments.build import NotAgreed, build

    consent.say(str(error))
    try:
        build(error.environment, say=consent.say, agree=consent.agree)
    except NotAgreed:
        return False
    return True


def _log_to_stderr(verbose: bool) -> None:
    import logging

    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(name)s: %(message)s"
    )
    if not verbose:
        # What the models' libraries tell about themselves is no news to the user of a benchmark.
        for library in ("matgl", "mace", "root", "torch.distributed"):
            logging.getLogger(library).setLevel(logging.ERROR)
        # "root" is what mace logs to, and everybody's parent: ours would fall silent with it.
        logging.getLogger("umlip_bench").setLevel(logging.WARNING)
