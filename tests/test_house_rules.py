"""What is held of all code, by reading it: types of public names, lengths of files and functions."""

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("umlip_bench", "analysis", "benchmarks", "datasets", "finetune")
LONGEST_FILE, LONGEST_FUNCTION = 400, 60
PUBLIC_ALTHOUGH = ("__init__", "__call__")
NO_CODE = (
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE),
    *(tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER),
)

Function = ast.FunctionDef | ast.AsyncFunctionDef
Body = ast.Module | ast.ClassDef | Function


@cache
def files(*endings: str) -> tuple[Path, ...]:
    """Of the rooms, each once: four of them are also linked into the first."""
    found = {
        path.resolve()
        for room in ROOMS
        for ending in endings
        for path in (ROOT / room).rglob(f"*{ending}")
    }
    return tuple(sorted(found))


@cache
def parsed() -> tuple[tuple[str, str, ast.Module], ...]:
    texts = {path: path.read_text(encoding="utf-8") for path in files(".py")}
    return tuple(
        (str(path.relative_to(ROOT)), text, ast.parse(text)) for path, text in texts.items()
    )


def untyped(tree: ast.Module, where: str) -> list[str]:
    """Public functions and fields whose annotations have `Any`."""
    return [
        f"{where}:{node.lineno}"
        for node, annotations in public(tree)
        for annotation in annotations
        if annotation is not None and has_any(annotation)
    ]


def public(
    body: ast.Module | ast.ClassDef,
) -> Iterator[tuple[ast.stmt, list[ast.expr | None]]]:
    for node in body.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(node)
        elif isinstance(node, Function) and (
            not node.name.startswith("_") or node.name in PUBLIC_ALTHOUGH
        ):
            a = node.args
            stars = [each for each in (a.vararg, a.kwarg) if each]
            taken = [*a.posonlyargs, *a.args, *a.kwonlyargs, *stars]
            yield node, [*(each.annotation for each in taken), node.returns]
        elif isinstance(node, ast.AnnAssign):
            # An alias says what it stands for in its value, a field in its annotation.
            alias = isinstance(node.annotation, ast.Name) and node.annotation.id == "TypeAlias"
            yield node, [node.value if alias and is_any(node.value) else node.annotation]
        elif isinstance(node, ast.Assign) and is_any(node.value):
            yield node, [node.value]


def is_any(node: ast.expr | None) -> bool:
    return (isinstance(node, ast.Name) and node.id == "Any") or (
        isinstance(node, ast.Attribute) and node.attr == "Any"
    )


def has_any(annotation: ast.expr) -> bool:
    for node in ast.walk(annotation):
        if isinstance(node, ast.expr) and is_any(node):
            return True
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                quoted = ast.parse(node.value, mode="eval").body
            except SyntaxError:  # a word of a Literal, or what is said of an Annotated
                continue
            if not isinstance(quoted, ast.Constant) and has_any(quoted):
                return True
    return False


def docstring_lines(node: Body) -> set[int]:
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return set(range(first.lineno, (first.end_lineno or 0) + 1))
    return set()


def long_functions(text: str, tree: ast.Module, where: str) -> list[str]:
    """With how many lines of code they have: no docstrings, no comments, no blank lines."""
    functions = [
        node
        for node in ast.walk(tree)
        if isinstance(node, Function) and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    ]
    if not functions:  # nearly everywhere, and tokens take long
        return []
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            code.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree):
        if isinstance(node, Body):
            code -= docstring_lines(node)
    counted = (
        (node, len(code & set(range(node.lineno, (node.end_lineno or 0) + 1))))
        for node in functions
    )
    return [
        f"{where}:{node.lineno} {node.name}, {n}" for node, n in counted if n > LONGEST_FUNCTION
    ]


def test_no_public_name_takes_or_gives_anything() -> None:
    """An `object` that is looked at, a TypeVar, a Protocol or a real type says it instead of `Any`."""
    assert [each for where, _, tree in parsed() for each in untyped(tree, where)] == []


def test_files_can_be_read_at_once() -> None:
    n_lines = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in files(".py", ".c", ".h")
    }
    assert len(n_lines) > 300
    assert {name: n for name, n in n_lines.items() if n > LONGEST_FILE} == {}


def test_functions_can_be_read_at_once() -> None:
    assert [
        each for where, text, tree in parsed() for each in long_functions(text, tree, where)
    ] == []


@pytest.mark.parametrize(
    "text",
    [
        "def f(x: Any) -> None: ...",
        "def f() -> dict[str, Any]: ...",
        "def f(*x: typing.Any) -> None: ...",
        "async def f(*, x: 'list[Any]') -> None: ...",
        "class A:\n    x: Any",
        "class A:\n    def __call__(self, **x: Any) -> None: ...",
        "Chart = Any",
        "Chart: TypeAlias = Any",
    ],
)
def test_any_is_found(text: str) -> None:
    assert len(untyped(ast.parse(text), "there")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "def _f(x: Any) -> None: ...",
        "class _A:\n    x: Any",
        "def f() -> None:\n    x: Any = 1",
        "AnySuite: TypeAlias = Suite[Any, Any]",
    ],
)
def test_any_where_it_may_stand(text: str) -> None:
    assert untyped(ast.parse(text), "there") == []


def test_lines_of_code_are_counted() -> None:
    body = "\n".join(f"    x = {k}\n\n    # so" for k in range(LONGEST_FUNCTION - 1))
    text = f'def f():\n    """One.\n\n    Two.\n    """\n{body}\n'
    assert long_functions(text, ast.parse(text), "there") == []
    more = text + "    return x\n"
    assert long_functions(more, ast.parse(more), "there") == ["there:1 f, 61"]


def hidden_functions(tree: ast.Module, where: str) -> list[str]:
    """Functions that are called beside a comprehension whose variable has their name."""
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            own |= {each.asname or each.name for each in node.names}
    found = []
    for function in ast.walk(tree):
        if not isinstance(function, Function):
            continue
        variables = [
            (name.id, comprehension)
            for comprehension in ast.walk(function)
            if isinstance(comprehension, ast.ListComp | ast.SetComp | ast.DictComp)
            for generator in comprehension.generators
            for name in ast.walk(generator.target)
            if isinstance(name, ast.Name) and name.id in own
        ]
        within = {id(node) for _, each in variables for node in ast.walk(each)}
        found += [
            f"{where}:{name.lineno} {name.id}"
            for name in ast.walk(function)
            if isinstance(name, ast.Name) and id(name) not in within
            if name.id in {variable for variable, _ in variables}
        ]
    return found


def test_no_variable_of_a_comprehension_hides_a_function() -> None:
    """CPython 3.12.1 then takes the function for a local name, and CHGNet could not be evaluated."""
    text = "from a import linear\ndef f(maps):\n    w = [linear.w for linear in maps]\n    return linear(w)\n"
    assert hidden_functions(ast.parse(text), "a.py") == ["a.py:4 linear"]
    assert [each for where, _, tree in parsed() for each in hidden_functions(tree, where)] == []
