"""Commands for cyclopts: parsing, help, and what a settings file adds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import Parameter as P
from inspect import Signature, cleandoc
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Group, Parameter

from umlip_bench.cli.consent import YES
from umlip_bench.cli.console import EXAMPLES
from umlip_bench.cli.declare import Command
from umlip_bench.cli.options import make, options_of
from umlip_bench.cli.settings_file import fill_in, refuse_empty

OPTIONS = Group("Options", sort_key=0)
EVERYWHERE = Group("Everywhere", sort_key=99)
"""Of options that every command has."""


def application(kind: type[Command]) -> App:
    """The application of a command, and of the commands below it."""
    options_of(kind, anew=True)
    doc = cleandoc(kind.__doc__ or "")
    more = kind.more_help()
    app = App(
        name=kind.name.rsplit(" ", 1)[-1],
        help=f"{doc}\n\n{more}" if more else doc,
        help_format="plaintext",
        help_epilogue=f"{EXAMPLES}{kind.examples.rstrip()}",
        default_parameter=Parameter(negative=()),
        version_flags=(),
        group_parameters=OPTIONS,
        config=[refuse_empty, partial(fill_in, kind), refuse_empty],
    )
    app.default(_function(kind))
    for name, action in kind.actions.items():
        app.command(application(action), name=name)
    return app


def _function(kind: type[Command]) -> Callable[..., int]:
    """A function of all options that makes the command and runs it."""
    options = options_of(kind)

    def run(*arguments: Any, **given: Any) -> int:
        bound = signature.bind(*arguments, **given)
        bound.apply_defaults()
        return make(kind, {name: bound.arguments[name.replace("-", "_")] for name in options}).run()

    config = Annotated[
        Path | None,
        Parameter(
            help="take what is not given here from this file, as commands write it (settings.yaml)",
            metavar="FILE.yaml",
            group=EVERYWHERE,
            show_default=False,
        ),
    ]
    verbose = Annotated[
        bool,
        Parameter(
            name=["--verbose", "-v"],
            help="log what is being done",
            group=EVERYWHERE,
            show_default=False,
        ),
    ]
    yes = Annotated[
        bool,
        Parameter(
            name=[YES],
            help="do what is otherwise asked before: build the environments of models",
            group=EVERYWHERE,
            show_default=False,
        ),
    ]
    ordered = sorted((each.parameter() for each in options.values()), key=lambda each: each.kind)
    more = [P("config", P.KEYWORD_ONLY, annotation=config, default=None)]
    more.append(P("verbose", P.KEYWORD_ONLY, annotation=verbose, default=False))
    more.append(P("yes", P.KEYWORD_ONLY, annotation=yes, default=False))
    signature = Signature([*ordered, *more])
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.command = kind  # type: ignore[attr-defined]
    return run
