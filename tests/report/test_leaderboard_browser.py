"""The leaderboard in a real browser, opened from files."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from scipy import stats

from tests.support.board_runs import FORCES, MATERIALS, RIGHT, write_board_run
from tests.support.narrowing import some
from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.comparison import compare
from umlip_bench.analysis.runs import read_run
from umlip_bench.running.leaderboard import leaderboard

from ..support.report_runs import SOFT, STIFF
from .browsing import Opened, open_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

WIDTHS = (390, 1440)
ROWS = "#table-board tbody tr"
FIRST_IS = f"(name) => document.querySelector('{ROWS} th').textContent.trim() === name"
HEADS = {
    "forces": ("high-energy", "slope_median"),
    "phonons": ("phonons", "curvature_scale_median"),
    "surfaces": ("surfaces", "system_ratio_median"),
}
"""Columns by what stands in their heads, and whose rows of summary.json they are."""


@dataclass(frozen=True)
class Site:
    """The files, and the run folder they were made of."""

    index: Path
    run: Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("board")
    run = write_board_run(folder / "run")
    return Site(leaderboard([run], folder / "site"), run.path)


@pytest.fixture
def opened(browser: "Browser", site: Site) -> Iterator[Opened]:
    found = open_page(browser, site.index)
    yield found
    assert found.errors == []
    assert found.requests == []
    assert found.page.evaluate("window.broken") is None
    found.page.context.close()


def column_of(page: "Page", word: str) -> int:
    """Number of the column, from 1, whose head has the word."""
    heads = page.locator("#table-board thead th").all_inner_texts()
    return next(k for k, head in enumerate(heads, start=1) if word in head)


def values(page: "Page", column: int) -> list[float]:
    texts = page.locator(f"{ROWS} > :nth-child({column})").all_inner_texts()
    return [float(some(re.match(r"-?[\d.]+", text))[0]) for text in texts]


def names(page: "Page") -> list[str]:
    return [text.strip() for text in page.locator(f"{ROWS} th").all_inner_texts()]


def test_sorts(opened: Opened) -> None:
    page = opened.page
    column = column_of(page, "forces")
    head = f"#table-board thead th:nth-child({column})"
    # The order follows the click a moment later, and the head says when.
    page.click(head)
    page.wait_for_selector(f"{head}[aria-sort=ascending]")
    page.wait_for_function(FIRST_IS, arg=SOFT)
    assert names(page) == [SOFT, RIGHT, STIFF]
    assert values(page, column) == sorted(values(page, column))
    page.click(head)
    page.wait_for_selector(f"{head}[aria-sort=descending]")
    page.wait_for_function(FIRST_IS, arg=STIFF)
    assert names(page) == [STIFF, RIGHT, SOFT]


def test_filters_by_class_and_element(opened: Opened, site: Site) -> None:
    page = opened.page
    lines = (site.run / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [c for c in map(json.loads, lines) if c["suite"] == "high-energy"]
    column = column_of(page, "forces")
    assert len(names(page)) == len(FORCES)
    for chosen, materials in {
        "halide": ["NaCl", "LiF"],
        "Ca": ["CaO"],
        "O": [name for name, elements in MATERIALS.items() if "O" in elements],
    }.items():
        page.select_option("#slice", chosen)
        assert len(names(page)) == len(FORCES)
        for name, value in zip(names(page), values(page, column), strict=True):
            slopes = sorted(
                c["metrics"]["slope"]
                for c in cases
                if (c["model"] == name and c["case"] in materials)
            )
            middle = slopes[(len(slopes) - 1) // 2], slopes[len(slopes) // 2]
            assert value == pytest.approx(sum(middle) / 2, abs=5.01e-4)
    page.select_option("#slice", "all")
    page.fill("#table-board_wrapper input[type=search]", SOFT)
    assert names(page) == [SOFT]


def test_numbers_are_those_of_the_run(opened: Opened, site: Site) -> None:
    page = opened.page
    rows: list[dict[str, Any]] = json.loads((site.run / "summary.json").read_text())["rows"]
    for word, (suite, metric) in HEADS.items():
        column = column_of(page, word)
        texts = page.locator(f"{ROWS} > :nth-child({column})").all_inner_texts()
        for name, text in zip(names(page), texts, strict=True):
            key = (suite, metric, name, "fixed-geometry")
            row = next(
                r for r in rows if (r["suite"], r["metric"], r["model"], r["variant"]) == key
            )
            found = [float(number) for number in re.findall(r"-?\d+\.?\d*", text)]
            parts = [row[part] for part in ("value", "ci_low", "ci_high")]
            numbers = [part for part in parts if part is not None]
            assert found == [*(pytest.approx(n, abs=5.01e-4) for n in numbers), row["n_cases"]]


def test_differences_are_those_of_the_run(opened: Opened, site: Site) -> None:
    run = read_run(site.run)
    page = opened.page
    lines = page.locator("#table-pairs tbody tr").all_inner_texts()
    assert len(lines) == 3 * 4  # pairs, and what they are compared in
    for line in lines:
        first, second, suite, what, difference, cases, _ = line.split("\t")
        rows = compare(*(Side(run, name, name) for name in (first, second)))
        row = next(r for r in rows if r.suite == suite and what.startswith(r.label))
        ends = [end for end in (row.ci_low, row.ci_high) if end is not None]
        found = [float(number) for number in re.findall(r"[-+]\d+\.?\d*", difference)]
        assert found == [pytest.approx(value, abs=5.01e-4) for value in (row.difference, *ends)]
        assert int(cases) == row.n_cases


def test_rank_correlations_are_those_of_the_cases(opened: Opened, site: Site) -> None:
    lines = (site.run / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    scales: dict[tuple[str, str], dict[str, float]] = {}
    for case in map(json.loads, lines):
        column = {"high-energy": "slope", "phonons": "fixed_curvature_scale"}.get(case["suite"])
        if column is not None:
            of = scales.setdefault((case["suite"], case["model"]), {})
            of[case["case"]] = case["metrics"][column]
    page = opened.page
    page.click("#forces summary:has-text('Materials')")
    checked = 0
    for line in page.locator("#table-ranks-materials tbody tr").all_inner_texts():
        model, label, by, rho, tau, n = line.split("\t")[:6]
        if "squared frequencies" not in label or by != "scale":
            continue
        forces, phonons = scales["high-energy", model], scales["phonons", model]
        pair = list(forces.values()), [phonons[name] for name in forces]
        assert float(rho.split(" ")[0]) == pytest.approx(stats.spearmanr(*pair)[0], abs=5.01e-3)
        assert float(tau) == pytest.approx(stats.kendalltau(*pair)[0], abs=5.01e-3)
        assert int(n) == len(forces)
        checked += 1
    assert checked == len(FORCES)


def test_click_leads_to_the_card_and_back(opened: Opened) -> None:
    page = opened.page
    page.click(f"{ROWS} a:has-text('{STIFF}')")
    page.wait_for_selector("html[data-ready]", state="attached")
    assert page.inner_text("h1") == STIFF
    first = page.locator(".statements li").first
    assert "known failure" in first.inner_text()
    assert "would not" in first.inner_text()
    page.click("nav a:has-text('Leaderboard')")
    page.wait_for_selector("html[data-ready]", state="attached")
    assert len(names(page)) == len(FORCES)


def test_statements_open(opened: Opened) -> None:
    page = opened.page
    page.click(f"#safe summary:has-text('{RIGHT}')")
    said = page.inner_text(f"#safe details:has(summary:has-text('{RIGHT}')) .statements")
    assert "Forces: right within 10 %" in said
    page.click("#forces summary:has-text('Materials')")
    rho = page.locator("#table-ranks-materials tbody tr", has_text="squared frequencies").first
    assert "-1.00" in rho.inner_text()


@pytest.mark.parametrize("width", WIDTHS)
def test_fits_the_screen(browser: "Browser", site: Site, width: int) -> None:
    for path in (site.index, *sorted(site.index.parent.glob("potentials/*.html"))):
        found = open_page(browser, path, width)
        for details in found.page.query_selector_all("details"):
            some(details.query_selector("summary")).click()
        assert found.page.evaluate("document.documentElement.scrollWidth") <= width
        assert found.errors == []
        found.page.context.close()


def test_dark_and_light(browser: "Browser", site: Site) -> None:
    found = open_page(browser, site.index, scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = found.page.evaluate(ground)
    found.page.click("#theme")
    assert found.page.evaluate(ground) == "rgb(255, 255, 255)" != dark
    found.page.context.close()


def test_tables_stand_without_script(browser: "Browser", site: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site.index.as_uri())
    shown = page.locator(ROWS)
    csv = (site.index.parent / "board.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert shown.count() >= len(FORCES) * 3
    assert SOFT in shown.first.inner_text()
    assert len(csv) > shown.count()
    assert page.locator("figure.drawn svg").first.is_visible()
    assert not page.locator(".controls").is_visible()
    context.close()
