"""Settings of a command as a file: what ``--config`` reads, and what commands leave in what they make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path

from cyclopts import UNSET, Token
from cyclopts.argument import ArgumentCollection

from umlip_bench.cli.declare import Command
from umlip_bench.cli.options import Option, options_of, plain

COMMAND, VERSION = "command", "version"
"""Entries beside the options: which command they are of, and the version that wrote them."""
NAME = "settings.yaml"


def settings_text(command: Command) -> str:
    """All options of a command, those that were not given too, as YAML."""
    import yaml

    from umlip_bench.ground.version import __version__

    first = {COMMAND: command.name, VERSION: __version__}
    return yaml.safe_dump({**first, **plain(command)}, sort_keys=False, allow_unicode=True)


def write_settings(command: Command, folder: Path) -> Path:
    """Leave the settings in a folder that the command made.

    Commands of other settings may have worked on it before; theirs stay as they are, this one's are then in
    ``settings-2.yaml`` and so on. All of them in order make the folder anew.

    Returns
    -------
    Path
        Of the file that has this command's.
    """
    from umlip_bench.ground.files import write_atomically

    content = settings_text(command).encode()
    for number in count(1):
        path = folder / (NAME if number == 1 else f"settings-{number}.yaml")
        if not path.exists():
            write_atomically(path, lambda file: file.write(content))
        elif path.read_bytes() != content:
            continue
        return path
    raise AssertionError


def settings_comment(command: Command) -> str:
    """The settings as a comment of HTML or Markdown."""
    # Two dashes may end a comment.
    return f"<!-- settings:\n{settings_text(command).replace('-->', '--&gt;')}-->\n"


def fill_in(
    kind: type[Command], _app: object, _names: object, arguments: ArgumentCollection
) -> None:
    """Give a command's options what the file of ``--config`` says, but those on the command line.

    Raises
    ------
    ContentError
        If the file is none, is of another command, or names an option that there is not.
    """
    by_field = {each.field_info.name: each for each in arguments}
    given = by_field["config"].tokens
    if not given:
        return
    path = given[-1].value
    for option, value in _content(kind, path):
        argument = by_field[option.name.replace("-", "_")]
        if not argument.tokens:
            for index, text in enumerate(_texts(option, value, path)):
                argument.append(
                    Token(keyword=f"{option.name} in {path}", value=text, source=path, index=index)
                )


def refuse_empty(_app: object, _names: object, arguments: ArgumentCollection) -> None:
    """Refuse options that are given with nothing, as of a variable of the shell that is not set.

    An empty name of a folder would be taken for the one that a user stands in.

    Raises
    ------
    ContentError
        Names the option.
    """
    from umlip_bench.ground.errors import ContentError

    for argument in arguments:
        # What stands for itself, such as a switch, has no text.
        for token in argument.tokens:
            if token.value == "" and token.implicit_value is UNSET:
                where = token.keyword or argument.name
                raise ContentError(f"{where} '' is empty; give a value, or leave it away")


def _content(kind: type[Command], path: str) -> Iterable[tuple[Option, object]]:
    """Options that a file gives, and what it says of each."""
    from umlip_bench.ground.codec import read_yaml
    from umlip_bench.ground.errors import ContentError

    content = read_yaml(Path(path))
    if not isinstance(content, Mapping):
        raise ContentError(f"{path}: expected options with their values, found {content!r:.80}")
    settings = dict(content)
    of = settings.pop(COMMAND, kind.name)
    settings.pop(VERSION, None)
    if of != kind.name:
        raise ContentError(f"{path} has settings of {of!r}, not of {kind.name!r}")
    options = options_of(kind)
    for name, value in settings.items():
        if name not in options:
            new = kind.renamed.get(f"--{name}", "").lstrip("-")
            remedy = f"it is now {new}" if new else f"there are {', '.join(options)}"
            raise ContentError(f"{path}: {name!r} is no option of {kind.name}; {remedy}")
        if value is not None:
            yield options[name], value


def _texts(option: Option, value: object, path: str) -> list[str]:
    """What stands in a file as it would stand on the command line."""
    from umlip_bench.ground.errors import ContentError

    values = value if isinstance(value, list) else [value]
    if any(isinstance(each, list | dict) for each in values) or (
        isinstance(value, list) and not (option.is_tuple or option.several)
    ):
        raise ContentError(f"{path}: {option.name} is {value!r:.80}; one plain value is wanted")
    texts = ["true" if each is True else "false" if each is False else str(each) for each in values]
    return texts if option.several else [",".join(texts)]


def with_settings(command: Command, content: Mapping[str, object]) -> dict[str, object]:
    """Numbers for JSON, with the settings that they came from."""
    return {"settings": {COMMAND: command.name, **plain(command)}, **content}
