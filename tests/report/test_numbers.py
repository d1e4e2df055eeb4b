"""Every number that the browser shows is one of the run folder's.

Numbers are taken from the page as it is rendered (text of cells, labels and places of marks, saved files) and
held against summary.json, cases.jsonl and predictions/, which are read here without the page's code.
"""

import csv
import io
import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from umlip_bench.analysis.card_text import model_card
from umlip_bench.analysis.compared_models import sides
from umlip_bench.analysis.comparison import compare
from umlip_bench.analysis.corrected import corrected
from umlip_bench.analysis.registry import all_suites, suite_of
from umlip_bench.analysis.report.gather import gather
from umlip_bench.analysis.report.page import render
from umlip_bench.analysis.runs import Run, read_run
from umlip_bench.benchmarks.migration.result import MigrationComparison
from umlip_bench.finetune.factor_record import read_factor

from ..support.report_runs import SOFT, STIFF, write, write_correction
from .browsing import open_page, scroll_through

if TYPE_CHECKING:
    from playwright.sync_api import Page
from tests.support.narrowing import some

pytestmark = pytest.mark.browser

MENDED = "mended"
FACTOR = 1.25
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
BRIEF = 1e-4
"""Of points of which only the place matters."""


@dataclass(frozen=True)
class Shown:
    """The page, opened and scrolled through, and what it must agree with."""

    page: "Page"
    run: Run
    mended: Run
    rows: dict[tuple[str, str, str, str], dict]
    cases: dict[tuple[str, str, str], dict]


@pytest.fixture(scope="module")
def shown(browser: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("numbers")
    run = write(folder / "run")
    correction = write_correction(folder / MENDED, run, FACTOR)
    path = folder / "report.html"
    path.write_text(render(gather([run], {}, [read_factor(correction)])), encoding="utf-8")
    found = open_page(browser, path)
    scroll_through(found.page)
    for details in found.page.query_selector_all("details.data"):
        details.query_selector("summary").click()
        details.wait_for_selector("tbody tr")
    mended = corrected(run, read_factor(correction))
    summary = json.loads((run.path / "summary.json").read_text(encoding="utf-8"))["rows"]
    summary += [row.to_json() for row in mended.rows if row.model == MENDED]
    lines = (run.path / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    yield Shown(
        found.page,
        read_run(run.path),
        mended,
        {tuple(r[k] for k in ("suite", "variant", "model", "metric")): r for r in summary},
        {(c["suite"], c["model"], c["case"]): c for c in map(json.loads, lines)},
    )
    assert found.errors == []
    found.page.context.close()


def agrees(text: str, value: float) -> bool:
    """Whether a text is a value, rounded to the digits that the text has."""
    digits = len(text.partition("e")[0].partition(".")[2])
    scale = 10.0 ** int(text.partition("e")[2] or 0)
    return abs(float(text) - value) <= 0.5000001 * 10.0**-digits * scale


def numbers(text: str) -> list[str]:
    return NUMBER.findall(text.replace("−", "-"))


def estimate(row: dict) -> list[float]:
    """Value, and ends of the interval if there is one."""
    return [value for key in ("value", "ci_low", "ci_high") if not nothing(value := row[key])]


def nothing(value: float | None) -> bool:
    return value is None or math.isnan(value)


def metric_of(suite: str, label: str, rows: Iterable[dict]) -> str | None:
    """The metric that a label with its unit stands for."""
    for metric, name in suite_of(suite).presentation.labels:
        units = {row["unit"] for row in rows if row["metric"] == metric}
        pretty = {unit.replace("^2", "²").replace("^3", "³") for unit in units}
        if label in {f"{name} ({unit})" if unit else name for unit in pretty}:
            return metric
    return None


def is_estimate(text: str, row: dict) -> bool:
    """Whether a text is the value and the interval of a row and nothing else."""
    found, expected = numbers(text), estimate(row)
    return len(found) == len(expected) and all(map(agrees, found, expected))


def saved(page: "Page", table: str) -> list[dict[str, str]]:
    """A table as its CSV."""
    with page.expect_download() as download:
        page.click(f"[id='table-{table}'] button:has-text('CSV')")
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def labels(page: "Page", selector: str, kind: str = "point") -> list[dict[str, str]]:
    """What the marks of a chart say that they are."""
    found = page.eval_on_selector_all(
        f"{selector} [aria-roledescription='{kind}']",
        "(marks) => marks.map((mark) => mark.getAttribute('aria-label'))",
    )
    return [dict(re.split(r": (?=\S)", part, maxsplit=1) for part in f.split("; ")) for f in found]


def real(text: str) -> float:
    return float(text.replace("−", "-"))


def test_summary_tables(shown: Shown) -> None:
    n = 0
    for suite in {key[0] for key in shown.rows}:
        for line in saved(shown.page, f"{suite}-summary"):
            row = shown.rows[suite, line["variant"], line["model"], line["metric"]]
            names = {"value": "value", "low": "ci_low", "high": "ci_high"}
            for name, key in names.items():
                expected = row[key]
                assert line[name] == "" if nothing(expected) else float(line[name]) == expected
            assert (int(line["cases"]), int(line["failed"])) == (row["n_cases"], row["n_failed"])
            assert line["unit"] == row["unit"]
            n += 1
    assert n == len(shown.rows)


def test_case_tables(shown: Shown) -> None:
    seen = set()
    for suite in {key[0] for key in shown.cases}:
        for line in saved(shown.page, f"{suite}-cases"):
            if line["model"] == MENDED:
                continue
            key = (suite, line["model"], line["case"])
            case = shown.cases[key]
            assert line["status"].partition(":")[0] == case["status"]
            values = {
                k: float(v)
                for k, v in line.items()
                if v and k not in ("case", "model", "elements", "status")
            }
            assert values == {k: v for k, v in case["metrics"].items() if v is not None}
            seen.add(key)
    assert seen == set(shown.cases)


def test_cells_of_tables_are_what_is_saved(shown: Shown) -> None:
    n = 0
    for suite in {key[0] for key in shown.cases}:
        found = shown.page.eval_on_selector_all(
            f"#table-{suite}-summary tbody tr",
            "(rows) => rows.map((row) => [...row.cells].map((cell) => cell.innerText))",
        )
        for metric, _, variant, model, *values in found:
            row = shown.rows[suite, variant, model, some(metric)]
            expected = [row[key] for key in ("value", "ci_low", "ci_high")]
            for text, value in zip(values[:3], expected, strict=True):
                if text:
                    assert math.isclose(float(text), value, rel_tol=5.001e-4)
                    n += 1
    assert n > 100


def test_models_side_by_side(shown: Shown) -> None:
    found = shown.page.evaluate(
        """() => [...document.querySelectorAll("section.suite")].map((section) => {
          const table = section.querySelector("table.side");
          const variants = [...table.querySelectorAll("th[scope=colgroup]")].flatMap(
            (head) => Array(head.colSpan).fill(head.innerText));
          const models = [...table.querySelectorAll("thead th[scope=col]")].map((e) => e.innerText);
          const rows = [...table.querySelectorAll("tbody tr, tfoot tr")].map(
            (row) => [...row.cells].map((cell) => cell.innerText));
          return [section.id, variants, models, rows];
        })"""
    )
    n = 0
    for suite, variants, models, lines in found:
        for label, *cells in lines:
            metric = metric_of(suite, label, [r for k, r in shown.rows.items() if k[0] == suite])
            for variant, model, text in zip(variants, models, cells, strict=True):
                if metric is None:
                    assert label == "failed" or label == suite_of(suite).presentation.cases
                    known = [r for k, r in shown.rows.items() if k[:3] == (suite, variant, model)]
                    key = "n_failed" if label == "failed" else "n_cases"
                    assert int(text) in {row[key] for row in known}
                elif text == "-":
                    row = shown.rows.get((suite, variant, model, metric))
                    assert row is None or nothing(row["value"])
                else:
                    row = shown.rows[suite, variant, model, some(metric)]
                    text, _, count = text.partition("\n")
                    assert is_estimate(text, row), (suite, label, text, row)
                    assert not count or count == f"of {row['n_cases']}"
                    n += 1
    assert n > 100


def test_first_screen_in_words(shown: Shown) -> None:
    articles = shown.page.query_selector_all("article.verdict")
    assert len(articles) == 3
    for article in articles:
        model = article.query_selector("h3").inner_text().strip()
        rows = [row for key, row in shown.rows.items() if key[2] == model]
        scales = [span.inner_text() for span in article.query_selector_all(".scale")]
        assert len(scales) > 3
        assert all(any(is_estimate(text, row) for row in rows) for text in scales)
        run = shown.mended if model == MENDED else shown.run
        records = [record for record in run.records if record.model == model]
        facts = article.query_selector(".facts").inner_text()
        n_failed = sum(record.status == "failed" for record in records)
        assert facts.startswith(f"{len(records) - n_failed} cases, {n_failed or 'none'} failed. ")
        softest = [
            (record.case, record.metrics["slope"])
            for record in records
            if record.suite == "high-energy"
        ]
        said = article.query_selector(".said").inner_text()
        for case, value in sorted(softest, key=lambda each: each[1])[:3]:
            assert f"{case} ({value:.2f})" in said


def test_verdicts_in_words(shown: Shown) -> None:
    """Numbers of a line are values, ends, counts or shares of the suite's rows of these models."""
    n = 0
    for section in shown.page.query_selector_all("section.suite"):
        suite = section.get_attribute("id")
        for line in section.query_selector_all(".lines li"):
            who = [span.inner_text().strip() for span in line.query_selector_all(".who > span")]
            variant = line.query_selector(".variant").inner_text()
            rows = [r for k, r in shown.rows.items() if k[:2] == (suite, variant) and k[2] in who]
            known = [value for row in rows for value in (*estimate(row), row["n_cases"])]
            shares = [row for row in rows if row["metric"].startswith("share")]
            known += [r["value"] * r["n_cases"] for r in shares if not nothing(r["value"])]
            known += [100.0 * value for value in known]
            words = line.query_selector(":scope > span:last-child").inner_text()
            for text in numbers(re.sub(r"\br2\b|Å\S*", "", words)):
                assert any(agrees(text, value) for value in known), (words, text)
                n += 1
    assert n > 30


def test_first_chart(shown: Shown) -> None:
    """Labels, intervals and places of all marks; and all scales are there."""
    points = labels(shown.page, ".lead")
    bars = {
        (bar["name"], bar["side"]): bar
        for bar in labels(shown.page, ".lead", "rule mark")
        if "side" in bar
    }
    headlines = {
        (suite, headline.metric)
        for suite, analysis in all_suites().items()
        for headline in analysis.headlines
    }
    expected = {
        key: row
        for key, row in shown.rows.items()
        if (key[0], key[3]) in headlines and row["n_cases"]
    }
    assert len(points) == len(expected)
    for point in points:
        (row,) = (
            r
            for k, r in expected.items()
            if k[:3] == (point["suite"], point["variant"], point["model"])
        )
        assert real(point["model over DFT"]) == pytest.approx(row["value"], rel=1e-11)
        assert int(point["cases"]) == row["n_cases"]
        bar = bars.pop((point["name"], point["model"]), None)
        assert (bar is None) == (row["ci_low"] is None)
        if bar is not None:
            ends = real(bar["low"]), real(bar["high"])
            assert ends == pytest.approx((row["ci_low"], row["ci_high"]), rel=1e-11)
    assert not bars
    places = shown.page.eval_on_selector_all(
        ".lead [aria-roledescription='point']",
        "(marks) => marks.map((m) => (m.getBoundingClientRect().left + m.getBoundingClientRect().right) / 2)",
    )
    ticks = shown.page.evaluate(
        """() => [...document.querySelectorAll(".lead .role-axis-label text")].map((tick) => [
          Number(tick.textContent.replace("−", "-")), tick.getBoundingClientRect()])
          .filter(([value]) => !Number.isNaN(value))
          .map(([value, box]) => [value, (box.left + box.right) / 2])"""
    )
    (first, left), (last, right) = ticks[0], ticks[-1]
    for point, x in zip(points, places, strict=True):
        value = real(point["model over DFT"])
        assert x == pytest.approx(left + (right - left) * (value - first) / (last - first), abs=2.0)


@pytest.mark.parametrize(
    ("chart", "value"),
    [
        ("high-energy-slope", lambda m: m["slope"]),
        ("phonons-max-ratio", lambda m: m["fixed_max_ratio"]),
        (
            "migration-difference",
            lambda m: m["fixed_geometry_model"] - m["fixed_geometry_reference"],
        ),
        (
            "surfaces-system-ratio",
            lambda m: m["fixed_geometry_model"] / m["fixed_geometry_reference"],
        ),
    ],
)
def test_values_by_case(shown: Shown, chart: str, value: Callable[..., Any]) -> None:
    suite = next(s for s in all_suites() if chart.startswith(s))
    expected = {key: case["metrics"] for key, case in shown.cases.items() if key[0] == suite}
    seen = set()
    for point in labels(shown.page, f"#chart-{chart}"):
        if "case" in point and point["model"] != MENDED:
            key = (suite, point["model"], point["case"])
            axis = next(name for name in point if "DFT" in name)
            assert real(point[axis]) == pytest.approx(value(expected[key]), rel=1e-11)
            seen.add(key)
    done = {k for k in expected if shown.cases[k]["status"] == "done"}
    assert seen == done


def test_quartiles(shown: Shown) -> None:
    boxes = [p for p in labels(shown.page, "#chart-high-energy-slope") if "median" in p]
    assert [box["model"] for box in boxes] == [SOFT, STIFF, MENDED]
    for box in boxes[:2]:
        slopes = [
            case["metrics"]["slope"]
            for (suite, model, _), case in shown.cases.items()
            if (suite, model) == ("high-energy", box["model"])
        ]
        quartiles = np.quantile(slopes, [0.25, 0.5, 0.75])
        for name, value in zip(
            ("first quartile", "median", "third quartile"), quartiles, strict=True
        ):
            assert math.isclose(real(box[name]), value, rel_tol=5.001e-4)


@pytest.mark.parametrize(
    ("suite", "chart", "quantity"),
    [
        ("high-energy", "force-component", "force component"),
        ("high-energy", "stress-component", "stress component"),
        ("surfaces", "surface-energy", "surface energy"),
    ],
)
def test_parities_are_the_predictions(shown: Shown, suite: str, chart: str, quantity: str) -> None:
    found = defaultdict(list)
    selector = f"#chart-{suite}-parity-{chart} .panel"
    for k, model in enumerate((SOFT, STIFF)):
        for point in labels(shown.page, f"{selector}:nth-child({k + 1})"):
            x, y = (v for name, v in point.items() if name.endswith(")"))
            found[model, point["case"]].append((real(x), real(y)))
    n = 0
    for model in (SOFT, STIFF):
        for result in shown.run.results_of(suite_of(suite).result, suite, model):
            (parity,) = (
                p
                for p in suite_of(suite).parities(result, "fixed-geometry")
                if p.quantity.name == quantity
            )
            case = result.name if suite == "high-energy" else result.comparison.name
            points = np.array(found.pop((model, case)))
            np.testing.assert_allclose(points[:, 0], parity.reference, rtol=BRIEF)
            np.testing.assert_allclose(points[:, 1], parity.model, rtol=BRIEF)
            n += len(points)
    assert not found
    assert n >= 7


def test_errors(shown: Shown) -> None:
    names = {"MAE": "mae", "cMAE, rotate": "cmae_rotate", "cMAE, mse": "cmae_mse"}
    points = labels(shown.page, "#chart-high-energy-fixed-geometry-errors")
    assert len(points) == 9
    for point in points:
        row = shown.rows["high-energy", "fixed-geometry", point["model"], names[point["name"]]]
        assert real(point["error of forces (eV/Å)"]) == pytest.approx(row["value"], rel=1e-11)


def test_migration_profile(shown: Shown) -> None:
    points = labels(shown.page, "#migration .pictures .panel:first-child")
    (result,) = shown.run.results_of(MigrationComparison, "migration", STIFF)
    drawn = [real(p["energy above the first image (eV)"]) for p in points if p["model"] == STIFF]
    np.testing.assert_allclose(drawn, result.profiles[0].energies, rtol=BRIEF, atol=1e-12)
    assert result.reference is not None
    reference = [
        real(p["energy above the first image (eV)"]) for p in points if p["model"] == "DFT"
    ]
    np.testing.assert_allclose(reference, result.reference.energies, rtol=BRIEF, atol=1e-12)


def test_paired_differences(shown: Shown) -> None:
    first, second = sides([shown.run])
    expected = {(r.suite, r.variant, r.metric): r for r in compare(first, second)}
    lines = saved(shown.page, f"{STIFF}-minus-{SOFT}")
    assert len(lines) == len(expected) > 10
    for line in lines:
        row = expected[line["suite"], line["variant"], line["metric"]]
        assert float(line["difference"]) == row.difference
        assert line["low"] == "" if row.ci_low is None else float(line["low"]) == row.ci_low
        if (line["suite"], line["metric"]) == ("high-energy", "slope_median"):
            slopes = [
                [
                    case["metrics"]["slope"]
                    for (suite, model, _), case in shown.cases.items()
                    if (suite, model) == ("high-energy", side)
                ]
                for side in (SOFT, STIFF)
            ]
            assert row.difference == pytest.approx(np.median(np.subtract(slopes[1], slopes[0])))


def test_before_and_after_a_correction(shown: Shown) -> None:
    """Text of the table; what was fitted by forces grows by the factor, and the chart says so."""
    found = shown.page.eval_on_selector_all(
        "#corrections tbody tr",
        "(rows) => rows.map((row) => [...row.cells].map((cell) => cell.innerText))",
    )
    suite = variant = ""
    for label, *values in found:
        if values == [""]:
            suite, _, variant = label.partition(", ")
            continue
        before, after, _ = values
        metric = metric_of(suite, label, [r for k, r in shown.rows.items() if k[0] == suite])
        for text, model in ((before, SOFT), (after, MENDED)):
            row = shown.rows[suite, variant, model, some(metric)]
            assert (text == "-") == nothing(row["value"])
            assert text == "-" or is_estimate(text, row)
    points = labels(shown.page, f"#chart-correction-{MENDED}")
    by_name: dict[str, dict[str, Any]] = defaultdict(dict)
    for point in points:
        by_name[point["name"]][point["model"]] = real(point["model over DFT"])
    assert {"Forces", "Energy differences", "Stresses", "Surface energies"} <= set(by_name)
    for name in ("Forces", "Stresses", "Surface energies", "Migration barriers"):
        assert by_name[name][MENDED] == pytest.approx(FACTOR * by_name[name][SOFT])


def test_report_card_is_saved(shown: Shown) -> None:
    page = shown.page
    page.click("details.card:first-of-type summary")
    with page.expect_download() as download:
        page.click("details.card[open] button.save")
    assert download.value.suggested_filename == f"{SOFT}.md"
    text = Path(download.value.path()).read_text(encoding="utf-8")
    assert text == model_card(sides([shown.run])[0])
