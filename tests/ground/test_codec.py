"""What comes from outside: dataclasses with every field checked, YAML that cannot run away."""

import json
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from umlip_bench.ground.codec import MAX_DEPTH, load_yaml, parse, read_yaml, shown
from umlip_bench.ground.errors import ContentError

ROOMS = ("umlip_bench", "datasets", "analysis", "benchmarks", "finetune")


@dataclass(frozen=True)
class Level:
    functional: str
    factor: float = 1.0


@dataclass(frozen=True)
class Entry:
    name: str
    level: Level
    n: int
    parts: tuple[Level, ...] = ()
    shifts: Mapping[str, float] | None = None
    other: Level | None = None


GOOD = {"name": "a", "level": {"functional": "PBE"}, "n": 2}


def test_what_is_whole_becomes_the_dataclass() -> None:
    entry = parse(
        Entry,
        {**GOOD, "parts": [{"functional": "PBE", "factor": 2}], "shifts": {"H": 1.5}},
        "here",
    )
    assert entry == Entry("a", Level("PBE"), 2, (Level("PBE", 2.0),), {"H": 1.5})
    assert isinstance(entry.parts, tuple)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([GOOD], "here: expected fields, found [{'name': 'a'"),
        (None, "here: expected fields, found None"),
        (
            {**GOOD, "m": 1},
            "here: unknown field 'm'; allowed: name, level, n, parts, shifts, other",
        ),
        ({"nam": "a", "level": {"functional": "PBE"}, "n": 2}, "here: unknown field 'nam'"),
        ({"name": "a", "n": 2}, "here: missing field 'level'"),
        ({**GOOD, "name": None}, "here: missing field 'name'"),
        ({**GOOD, "parts": None}, "here: field 'parts': None: input should be a valid tuple"),
        ({**GOOD, "name": 3}, "here: field 'name': 3: input should be a valid string"),
        ({**GOOD, "n": 2.5}, "here: field 'n': 2.5: "),
        ({**GOOD, "parts": [GOOD["level"], {}]}, "here, parts[1]: missing field 'functional'"),
        ({**GOOD, "parts": ["PBE"]}, "here, parts[0]: expected fields, found 'PBE'"),
        (
            {**GOOD, "parts": [{"functional": "PBE", "u": 1}]},
            "here, parts[0]: unknown field 'u'; allowed: functional, factor",
        ),
        (
            {**GOOD, "level": {"functional": "PBE", "factor": "x"}},
            "here, level: field 'factor': 'x'",
        ),
        (
            {**GOOD, "other": {"u": 1}},
            "here, other: unknown field 'u'; allowed: functional, factor",
        ),
        ({**GOOD, "shifts": {"H": "low"}}, "'low': input should be a valid number"),
    ],
)
def test_what_is_wrong_is_named(content: object, message: str) -> None:
    with pytest.raises(ContentError, match=re.escape(message)):
        parse(Entry, content, "here")


def test_long_values_are_cut() -> None:
    assert len(shown("x" * 10_000)) < 100
    with pytest.raises(ContentError) as caught:
        parse(Entry, {**GOOD, "n": "x" * 10_000}, "here")
    assert len(str(caught.value)) < 300


def test_yaml_that_people_write() -> None:
    text = "a: &pbe {functional: PBE}\nb: *pbe\nc: [1, 2.5, yes, null, '1']\n"
    assert load_yaml(text, "here") == {
        "a": {"functional": "PBE"},
        "b": {"functional": "PBE"},
        "c": [1, 2.5, True, None, "1"],
    }
    assert load_yaml("", "here") is None
    assert load_yaml("Å: é".encode(), "here") == {"Å": "é"}


def bomb(levels: int, width: int = 9, merge: bool = False) -> str:
    lines = [f"a0: &a0 {'{x: 1}' if merge else '[x, x]'}"]
    for k in range(1, levels):
        aliases = ", ".join([f"*a{k - 1}"] * width)
        value = f"{{<<: [{aliases}]}}" if merge else f"[{aliases}]"
        lines.append(f"a{k}: &a{k} {value}")
    return "\n".join(lines)


HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "aliases": (bomb(9), "aliases that stand for more than"),
    "few aliases, many levels": (bomb(40, 2), "aliases that stand for more than"),
    "merges": (bomb(12, 9, merge=True), "aliases that stand for more than"),
    "one long list many times": (
        f"a: &a [{', '.join('x' * 5000)}]\nb: [{', '.join(['*a'] * 5000)}]",
        "aliases that stand for more than",
    ),
    "an alias in itself": ("a: &a [*a]", "stands for nothing before it"),
    "an alias of nothing": ("a: *b", "stands for nothing before it"),
    "flow nesting": ("[" * 300_000, f"more than {MAX_DEPTH} lists and mappings"),
    "closed flow nesting": ("{a: " * 60_000 + "}" * 60_000, f"more than {MAX_DEPTH} lists"),
    "block nesting": ("- " * 300_000 + "x", f"more than {MAX_DEPTH} lists and mappings"),
    "a key twice": ("a: 1\nb: 2\na: 3", "line 3 gives 'a' a second time"),
    "a key twice, deeper": ("a: [{b: 1, c: 2, b: 3}]", "line 1 gives 'b' a second time"),
    "a key twice by quotes": ("a: 1\n'a': 2", "line 2 gives 'a' a second time"),
    "a list as a key": ("? [a]\n: 1", "a key that is not plain text"),
    "a program": ("!!python/object/apply:os.system [ls]", "is a tag"),
    "a date that is none": ("a: 2026-13-45", "no YAML"),
    "not closed": ("a: [1", "no YAML"),
    "two documents": ("--- 1\n--- 2", "no YAML"),
    "bytes": (b"\xff\xfe\xfa", "no YAML"),
    "zero bytes": ("a\x00", "no YAML"),
    "a large text": ("a: " + "x" * 20_000_000, "more than 16000000 bytes"),
}


READER = """
import json, pickle, sys, time
from umlip_bench.ground.codec import load_yaml
from umlip_bench.ground.errors import ContentError
for name, text in pickle.load(sys.stdin.buffer).items():
    started = time.monotonic()
    try:
        load_yaml(text, "here")
    except ContentError as error:
        print(json.dumps([name, str(error), time.monotonic() - started]), flush=True)
"""


@pytest.fixture(scope="module")
def refusals() -> dict[str, tuple[str, float]]:
    """What is said of each text and the seconds until then, by a process that a signal would end."""
    texts = {name: text for name, (text, _) in HOSTILE.items()}
    command = [sys.executable, "-c", READER]
    done = subprocess.run(command, input=pickle.dumps(texts), capture_output=True, timeout=60)
    assert done.returncode == 0, (done.stdout, done.stderr)
    lines = map(json.loads, done.stdout.splitlines())
    return {name: (said, seconds) for name, said, seconds in lines}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile_yaml_is_refused_at_once(name: str, refusals: dict[str, tuple[str, float]]) -> None:
    said, seconds = refusals[name]
    assert HOSTILE[name][1] in said
    assert seconds < 10


def test_a_hostile_manifest_is_refused_within_two_seconds(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from umlip_bench.datasets import manifests
    from umlip_bench.ground.errors import DataError

    started = time.monotonic()
    with pytest.raises(DataError, match="aliases that stand for more than"):
        manifests.parse(f"{bomb(9)}\nlevel_of_theory: *a8\n", "mine")
    assert time.monotonic() - started < 2


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=r"none\.yaml cannot be read"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(ContentError, match="cannot be read"):
        read_yaml(tmp_path)


def test_all_yaml_is_read_in_one_place() -> None:
    root = Path(__file__).parents[2]
    files = [file for room in ROOMS for file in (root / room).rglob("*.py")]
    reading = {
        file.name for file in files if re.search(r"yaml\.(safe_|full_)?load", file.read_text())
    }
    assert reading == {"codec.py"}
