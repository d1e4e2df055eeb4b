"""The page in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from umlip_bench.analysis.report.gather import gather
from umlip_bench.analysis.report.page import render

from ..support.report_runs import HOSTILE, SOFT, write, write_large
from .browsing import Opened, click_when_still, open_page, scroll_through

pytestmark = pytest.mark.browser

LARGEST = 5e6
"""Bytes of a page of a small set."""
SLOWER = 2.0
"""At most so many times the time of a small report, until one with 100,000 force components is ready."""
WIDTHS = (390, 1440)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    page = folder / "report.html"
    page.write_text(render(gather([write(folder / "run")], {})), encoding="utf-8")
    return page


@pytest.fixture
def opened(browser: object, path: Path) -> Iterator[Opened]:
    found = open_page(browser, path)
    yield found
    assert found.errors == []
    assert found.requests == []
    found.page.context.close()


def test_plots_are_drawn(opened: Opened) -> None:
    scroll_through(opened.page)
    n = opened.page.evaluate("document.querySelectorAll('.panels:not([data-drawn])').length")
    assert n == 0
    marks = opened.page.evaluate(
        "[...document.querySelectorAll('.panel svg')].map((s) => s.querySelectorAll("
        "'.role-mark path, .role-mark rect, .role-mark line').length)"
    )
    assert min(marks) > 0
    described = opened.page.evaluate(
        "[...document.querySelectorAll('.panel svg')].every((s) => s.getAttribute('aria-label') || "
        "s.closest('[aria-label]'))"
    )
    assert described
    assert opened.page.evaluate("window.broken") is None


@pytest.mark.parametrize("width", WIDTHS)
def test_fits_the_screen(browser: object, path: Path, width: int) -> None:
    found = open_page(browser, path, width)
    scroll_through(found.page)
    for details in found.page.query_selector_all("details"):
        details.query_selector("summary").click()
    found.page.wait_for_timeout(300)
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    assert found.errors == []
    found.page.context.close()


def test_table_sorts_filters_and_downloads(opened: Opened) -> None:
    page = opened.page
    click_when_still(page, "#table-high-energy-summary summary")
    page.wait_for_selector("#table-high-energy-summary tbody tr")
    cells = "#table-high-energy-summary tbody tr td:nth-child(5)"

    def values() -> list[float]:
        return [float(text) for text in page.locator(cells).all_inner_texts() if text]

    page.click("#table-high-energy-summary thead th:nth-child(5)")
    page.wait_for_timeout(200)
    assert values() == sorted(values())
    page.click("#table-high-energy-summary thead th:nth-child(5)")
    page.wait_for_timeout(200)
    assert values() == sorted(values(), reverse=True)
    page.fill("#table-high-energy-summary input[type=search]", f"inverse_median {SOFT}")
    page.wait_for_timeout(200)
    assert page.locator("#table-high-energy-summary tbody tr").count() == 1
    with page.expect_download() as download:
        page.click("#table-high-energy-summary button:has-text('CSV')")
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    lines = text.strip().splitlines()
    assert len(lines) == 2
    assert "metric" in lines[0]
    assert "inverse_median" in lines[1]


def test_hover_names_the_case_and_click_shows_it(opened: Opened) -> None:
    page = opened.page
    figure = page.locator("#chart-surfaces-parity-surface-energy")
    figure.scroll_into_view_if_needed()
    page.wait_for_selector("#chart-surfaces-parity-surface-energy .panels[data-drawn]")
    point = figure.locator(".panel").first.locator("path[aria-roledescription='point']").last
    point.hover(force=True)
    page.wait_for_selector("#vg-tooltip-element.visible")
    assert HOSTILE in page.inner_text("#vg-tooltip-element")
    point.click(force=True)
    page.wait_for_selector("#table-surfaces-cases .only:not([hidden])")
    names = page.locator("#table-surfaces-cases tbody tr td:first-child").all_inner_texts()
    assert names == [HOSTILE] * 2
    page.click("#table-surfaces-cases .only button")
    page.wait_for_timeout(200)
    assert page.locator("#table-surfaces-cases tbody tr").count() == 8
    assert page.evaluate("window.broken") is None


def test_case_is_chosen_by_keyboard(opened: Opened) -> None:
    page = opened.page
    select = page.locator("#phonons .pictures select")
    select.scroll_into_view_if_needed()
    page.wait_for_selector("#phonons .pictures .panels[data-drawn]")
    before = page.inner_html("#phonons .pictures .panels")
    select.focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_timeout(1000)
    assert page.inner_html("#phonons .pictures .panels") != before


def test_dark_and_light(browser: object, path: Path) -> None:
    found = open_page(browser, path, scheme="dark")
    page = found.page
    ground = "getComputedStyle(document.body).backgroundColor"
    mark = "getComputedStyle(document.querySelector('.lead .mark-symbol path')).stroke"
    dark = page.evaluate(ground), page.evaluate(mark)
    page.click("#theme")
    light = page.evaluate(ground), page.evaluate(mark)
    assert dark[0] != light[0] == "rgb(255, 255, 255)"
    assert dark[1] != light[1]
    assert found.errors == []
    page.context.close()


def test_size(path: Path) -> None:
    assert path.stat().st_size < LARGEST


def test_many_force_components(browser: object, path: Path, tmp_path: Path) -> None:
    run = write_large(tmp_path / "large", 100_000)
    page = tmp_path / "report.html"
    page.write_text(render(gather([run], {})), encoding="utf-8")
    assert page.stat().st_size < LARGEST
    ratios = []
    for _ in range(3):
        small, large = open_page(browser, path), open_page(browser, page)
        ratios.append(large.seconds / small.seconds)
        for each in (small, large):
            each.page.context.close()
    assert np.median(ratios) < SLOWER
    found = open_page(browser, page)
    assert found.errors == []
    assert found.requests == []
    click_when_still(found.page, "#table-high-energy-cases summary")
    found.page.wait_for_selector("#table-high-energy-cases tbody tr")
    found.page.context.close()
