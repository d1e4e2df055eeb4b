"""Examples in docstrings run and say what they print; none is left out."""

import ast
import doctest
import importlib
import pkgutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

import umlip_bench
from umlip_bench.potentials.catalogue import catalogue


class Example(NamedTuple):
    """A docstring with examples."""

    module: str
    owner: str
    docstring: str
    line: int


def examples() -> Iterator[Example]:
    """Of every module of the package, read from its source: nothing of it is imported."""
    for found in pkgutil.walk_packages(umlip_bench.__path__, "umlip_bench."):
        spec = find_spec(found.name)
        assert spec is not None
        assert spec.origin is not None
        source = Path(spec.origin).read_text(encoding="utf-8")
        if ">>>" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                docstring = ast.get_docstring(node)
                if docstring and ">>>" in docstring:
                    owner = getattr(node, "name", "module")
                    yield Example(found.name, owner, docstring, getattr(node, "lineno", 1))


def models_in(example: Example) -> list[str]:
    return [name for name in catalogue() if f'"{name}"' in example.docstring]


def parameters() -> Iterator[object]:
    for example in examples():
        yield pytest.param(
            example,
            id=f"{example.module}.{example.owner}",
            marks=pytest.mark.model if models_in(example) else (),
        )


@pytest.mark.parametrize("example", parameters())
def test_example(
    example: Example,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: object,
    request: pytest.FixtureRequest,
) -> None:
    for name in models_in(example):
        request.getfixturevalue("load_model")(name)  # skips where its weights are not here
    monkeypatch.chdir(tmp_path)
    names = dict(vars(importlib.import_module(example.module)))
    test = doctest.DocTestParser().get_doctest(
        example.docstring, names, f"{example.module}.{example.owner}", example.module, example.line
    )
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert result.attempted > 0
    assert result.failed == 0, "".join(said)
