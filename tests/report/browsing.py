"""Opening pages in Chromium."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")
READY = "html[data-ready]"


@dataclass(frozen=True)
class Opened:
    """A page, and what it did that it should not have."""

    page: Page
    seconds: float
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


HANGS_AFTER = 120_000
"""Milliseconds."""


def open_page(browser: Browser, path: Path, width: int = 1440, scheme: str = "light") -> Opened:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True
    )
    # A page that hangs, on a machine that does something else as well: how fast it is, `seconds` tells.
    context.set_default_timeout(HANGS_AFTER)
    page = context.new_page()
    errors: list[str] = []
    requests: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(("file:", "data:", "blob:"))
            else requests.append(request.url)
        ),
    )
    start = time.perf_counter()
    page.goto(path.as_uri(), wait_until="commit")
    page.wait_for_selector(READY, state="attached")
    return Opened(page, time.perf_counter() - start, errors, requests)


def scroll_through(page: Page) -> None:
    """As a reader would, so that everything is drawn."""
    for figure in page.query_selector_all("figure.chart, .pictures"):
        figure.scroll_into_view_if_needed()
        figure.query_selector(".panels").wait_for_selector("svg .mark-group, svg .role-mark")


# What is to be drawn is, as far as the page draws ahead of the reader.
_STILL = """() => [...document.querySelectorAll("figure.chart, .pictures")].every((each) => {
  const place = each.querySelector(".panels"), { top, bottom } = each.getBoundingClientRect();
  return !place || place.dataset.drawn || bottom < -300 || top > window.innerHeight + 300;
})"""


def click_when_still(page: Page, selector: str) -> None:
    """Click what does not move: a chart that is drawn while the button is down takes a click away."""
    page.locator(selector).scroll_into_view_if_needed()
    page.wait_for_function(_STILL)
    page.click(selector)
