"""Environment files: what a potential needs and how it is set up, in one Python script.

The form is rootstock's: inline script metadata (PEP 723) with the dependencies, a dict ``CHECKPOINTS`` and a
function ``setup(checkpoint, device)`` that returns an ASE calculator. A file is read without being run: the
potential's package is not installed here, and the file may be anyone's. What only this package knows stands
in ``[tool.umlip-bench]``, so that a file of ours is a valid one elsewhere.

Sources
-------
https://packaging.python.org/en/latest/specifications/inline-script-metadata/
"""

from __future__ import annotations

import ast
import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from umlip_bench.ground.codec import parse
from umlip_bench.ground.errors import ContentError

MAX_BYTES = 1_000_000
"""Of a file; what people write by hand has a few kilobytes."""
TABLE = "umlip-bench"
"""Below ``[tool]`` of the metadata."""
CUSTOM = ":custom"
"""Ending of a checkpoint that stands for a user's own weights, as rootstock has it."""

# The regular expression of the specification, but for the type of the block.
_BLOCK = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
_OPENING = re.compile(r"(?m)^# /// script\s*$")


@dataclass(frozen=True)
class Extras:
    """The table ``[tool.umlip-bench]``.

    Parameters
    ----------
    no_build_isolation
        Packages that are compiled with what is installed by then: extensions of torch, as a rule.
    no_deps
        Packages that are installed without what they ask for: some ask for more than they need.
    """

    no_build_isolation: tuple[str, ...] = ()
    no_deps: tuple[str, ...] = ()


@dataclass(frozen=True)
class EnvironmentFile:
    """An environment file as it was read.

    Parameters
    ----------
    path
        Of the file.
    text
        All of it.
    dependencies
        Requirements, as pip takes them.
    no_build_isolation
        Packages that are compiled afterwards, with what is installed by then.
    no_deps
        Packages that are installed at last, without what they ask for.
    requires_python
        Versions of Python that will do; any if it is empty.
    checkpoints
        What the potential's package calls a checkpoint, by the name that it has here.
    custom
        Checkpoints that stand for a user's own weights (``mace:custom``).
    arguments
        Parameters of ``setup`` after the checkpoint.
    loads_paths
        Whether ``setup_from_path(path, device)`` is there, for a user's own weights.
    trains
        Whether ``train(checkpoint, folder, settings, device)`` is there.
    find_links, indexes
        Where packages are looked for besides the installer's own settings, of ``[tool.uv]``.
    not_routed
        Packages that ``[tool.uv.sources]`` wants from one certain index, which is not done here.
    """

    path: Path
    text: str
    dependencies: tuple[str, ...]
    no_build_isolation: tuple[str, ...]
    no_deps: tuple[str, ...]
    requires_python: SpecifierSet
    checkpoints: Mapping[str, str]
    custom: tuple[str, ...]
    arguments: tuple[str, ...]
    loads_paths: bool
    trains: bool = False
    find_links: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    not_routed: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the environment: the file's, without its ending."""
        return self.path.stem

    @property
    def needs(self) -> str:
        """Digest of what is installed: two files that agree in it can share a build."""
        parts = (
            self.dependencies,
            self.no_build_isolation,
            self.no_deps,
            str(self.requires_python),
            self.find_links,
            self.indexes,
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def read_environment_file(path: Path) -> EnvironmentFile:
    """Read an environment file; nothing of it is run.

    Raises
    ------
    ContentError
        If it cannot be read, or is not an environment file: names the line and what is allowed.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8")
    except OSError as error:
        raise ContentError(f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ContentError(f"{path} is no text in UTF-8 ({error.reason})") from error
    if len(content) > MAX_BYTES:
        raise ContentError(
            f"{path} has more than {MAX_BYTES} bytes, the most of an environment file"
        )
    return parse_environment_file(text.replace("\r\n", "\n"), path)


def parse_environment_file(text: str, path: Path) -> EnvironmentFile:
    """An environment file of its text; errors as of `read_environment_file`."""
    metadata = _Metadata(text, path)
    table = {key.replace("-", "_"): value for key, value in metadata.tool(TABLE).items()}
    extras = parse(Extras, table, f"{path}, [tool.{TABLE}]")
    uv = metadata.tool("uv")
    dependencies = metadata.requirements(metadata.list_of("dependencies"), "dependencies")
    try:
        tree = ast.parse(text, filename=str(path))
    # The last is what a nesting beyond the parser's stack raises.
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise ContentError(f"{path}{line} is no Python: {error}") from error
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    checkpoints, custom = _checkpoints(tree, path)
    return EnvironmentFile(
        path=path,
        text=text,
        dependencies=dependencies,
        no_build_isolation=metadata.requirements(extras.no_build_isolation, "no-build-isolation"),
        no_deps=metadata.requirements(extras.no_deps, "no-deps"),
        requires_python=metadata.requires_python(),
        checkpoints=checkpoints,
        custom=custom,
        arguments=_arguments(functions.get("setup"), path),
        loads_paths="setup_from_path" in functions,
        trains="train" in functions,
        find_links=_links(uv.get("find-links"), path),
        indexes=_indexes(uv.get("index"), path),
        not_routed=tuple(sources) if isinstance(sources := uv.get("sources"), dict) else (),
    )


class _Metadata:
    """The block of inline script metadata."""

    def __init__(self, text: str, path: Path) -> None:
        self._path = path
        blocks = list(_BLOCK.finditer(text))
        if not blocks:
            opening = _OPENING.search(text)
            said = "no inline script metadata (PEP 723)"
            if opening:
                line = text.count("\n", 0, opening.start()) + 1
                said = (
                    f"a block of script metadata on line {line} that is not closed: every line of it "
                    "starts with '# ', the last is '# ///'"
                )
            raise ContentError(
                f"{path} has {said}. An environment file starts with\n"
                "# /// script\n"
                '# requires-python = ">=3.11"\n'
                '# dependencies = ["package==1.0"]\n'
                "# ///"
            )
        if len(blocks) > 1:
            line = text.count("\n", 0, blocks[1].start()) + 1
            raise ContentError(
                f"{path}, line {line}: a second block of script metadata; one is allowed"
            )
        lines = blocks[0].group("content").splitlines()
        self._first = text.count("\n", 0, blocks[0].start()) + 2
        try:
            self._content = tomllib.loads("\n".join(line[2:] for line in lines))
        except tomllib.TOMLDecodeError as error:
            where = re.search(r"at line (\d+)", str(error))
            line = self._first - 1 + int(where[1]) if where else self._first
            raise ContentError(
                f"{path}, line {line}: the script metadata is no TOML ({error})"
            ) from error

    def list_of(self, field: str) -> tuple[str, ...]:
        """A field of the block that has to be there."""
        if field not in self._content:
            raise ContentError(
                f"{self._path}, line {self._first}: the script metadata has no {field!r}; give what "
                'is to be installed, e.g. dependencies = ["package==1.0", "ase"]'
            )
        return _texts(self._content[field], f"{self._path}: {field}")

    def requirements(self, given: tuple[str, ...], field: str) -> tuple[str, ...]:
        """Requirements that are such: they become arguments of pip."""
        for each in given:
            try:
                Requirement(each)
            except InvalidRequirement as error:
                raise ContentError(
                    f"{self._path}: {field}: {each!r} is no requirement, as 'package==1.0' is "
                    f"({str(error).splitlines()[0]})"
                ) from error
        return given

    def requires_python(self) -> SpecifierSet:
        given = self._content.get("requires-python", "")
        try:
            return SpecifierSet(given)
        except (InvalidSpecifier, TypeError, AttributeError) as error:
            raise ContentError(
                f"{self._path}: requires-python: {given!r} names no versions of Python, as "
                "'>=3.11' or '>=3.11,<3.13' do"
            ) from error

    def tool(self, name: str) -> Mapping[str, object]:
        """A table below ``[tool]``; an empty one if it is not there."""
        tools = self._content.get("tool", {})
        table = tools.get(name, {}) if isinstance(tools, dict) else tools
        if not isinstance(table, dict):
            raise ContentError(f"{self._path}: [tool.{name}] is no table: {table!r}")
        return table


def _checkpoints(tree: ast.Module, path: Path) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """The dict ``CHECKPOINTS``, and those of its entries that stand for a user's own weights."""
    node = next((n for n in tree.body if _assigned(n) == "CHECKPOINTS"), None)
    value = getattr(node, "value", None)
    if node is None or value is None:
        raise ContentError(
            f'{path} has no CHECKPOINTS at module level, as CHECKPOINTS = {{"small-1": "small"}}: '
            "what the package calls a checkpoint, by the name that it is to have here"
        )
    try:
        found = ast.literal_eval(value)
    except (ValueError, TypeError, MemoryError, RecursionError) as error:
        raise ContentError(
            f"{path}, line {node.lineno}: CHECKPOINTS has to be written out as a dict of texts, since "
            "the file is read without being run"
        ) from error
    if not isinstance(found, dict) or not found:
        raise ContentError(
            f"{path}, line {node.lineno}: CHECKPOINTS has to be a dict of texts with an entry"
        )
    named: dict[str, str] = {}
    custom = []
    for key, entry in found.items():
        if isinstance(key, str) and key.endswith(CUSTOM) and entry is None:
            custom.append(key)
        elif isinstance(key, str) and isinstance(entry, str) and re.fullmatch(r"[^\s:/\\]+", key):
            named[key] = entry
        else:
            raise ContentError(
                f"{path}, line {node.lineno}: CHECKPOINTS has {key!r}: {entry!r}; both have to be texts, "
                "and the first without spaces, colons and slashes"
            )
    return MappingProxyType(named), tuple(custom)


def _assigned(node: ast.stmt) -> str | None:
    """Name that a statement gives a value to."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    is_name = len(targets) == 1 and isinstance(targets[0], ast.Name)
    return targets[0].id if is_name else None  # type: ignore[union-attr]


def _arguments(setup: ast.FunctionDef | None, path: Path) -> tuple[str, ...]:
    if setup is None:
        raise ContentError(
            f"{path} has no function setup(checkpoint, device) at module level, which returns an ASE "
            "calculator"
        )
    positional = [each.arg for each in (*setup.args.posonlyargs, *setup.args.args)]
    if not positional:
        raise ContentError(
            f"{path}, line {setup.lineno}: setup takes no checkpoint; it is called as "
            "setup(checkpoint, device)"
        )
    return (*positional[1:], *(each.arg for each in setup.args.kwonlyargs))


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ContentError(f"{where}: {value!r} is no list of texts")
    return tuple(value)


def _links(value: object, path: Path) -> tuple[str, ...]:
    return () if value is None else _texts(value, f"{path}: [tool.uv] find-links")


def _indexes(value: object, path: Path) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(
        isinstance(each, dict) and isinstance(each.get("url"), str) for each in value
    ):
        raise ContentError(f"{path}: [[tool.uv.index]] has to have a url each: {value!r}")
    # One that is explicit is for certain packages alone; others must not be taken from there.
    return tuple(each["url"] for each in value if each.get("explicit") is not True)
