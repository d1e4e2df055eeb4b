"""Metrics in words: what is told is what suites declare, and what files hold."""

import json
from pathlib import Path

import pytest

from umlip_bench.analysis.metrics_page import section
from umlip_bench.benchmarks import load_suite, load_suites
from umlip_bench.cli import main
from umlip_bench.ground.errors import UmlipBenchError

ROOT = Path(__file__).parents[2]
PINNED = json.loads((ROOT / "tests" / "data" / "pinned_numbers.json").read_text())["metrics"]


def test_the_documentation_is_what_is_declared(tmp_path: Path) -> None:
    """Made anew by ``umlip-bench suites --out docs/reference/metrics.md --force``."""
    page = tmp_path / "metrics.md"
    assert main(["suites", "--out", str(page)]) == 0
    assert page.read_text() == (ROOT / "docs" / "reference" / "metrics.md").read_text()


@pytest.mark.parametrize("name", sorted({key.split("|")[1] for key in PINNED}))
def test_every_column_of_stored_results_is_told(name: str) -> None:
    suite = load_suite(name)
    told = section(suite, suite.about).blocks[-2]
    columns = {row[0]: row[2] for row in told.rows}  # type: ignore[union-attr]
    stored = {key for case, numbers in PINNED.items() if f"|{name}|" in case for key in numbers}
    prefixes = sorted((variant.prefix for variant in suite.variants), key=len, reverse=True)
    for column in stored:
        prefix = next((each for each in prefixes if each and column.startswith(each)), "")
        assert column.removeprefix(prefix) in columns
        if prefix:
            assert f"({prefix}*)" in columns[column.removeprefix(prefix)]


def test_every_suite_says_what_it_measures() -> None:
    for suite in load_suites():
        assert len(suite.about) > 50
        assert suite.about != suite.title


def test_wrong_names(tmp_path: Path) -> None:
    with pytest.raises(UmlipBenchError, match="unknown suite 'elastix'; there are high-energy"):
        load_suite("elastix")
    assert main(["suites", "elastix"]) == 2
    assert main(["suites", "--out", str(tmp_path / "metrics.txt")]) == 2
