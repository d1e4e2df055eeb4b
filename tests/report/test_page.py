"""The page as text: whole, escaped, and without anything from elsewhere."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.support.narrowing import some
from umlip_bench.analysis.report.charts import section_figures
from umlip_bench.analysis.report.content import ReportContent
from umlip_bench.analysis.report.figures import figures, specification
from umlip_bench.analysis.report.figures import write as write_figures
from umlip_bench.analysis.report.gather import gather
from umlip_bench.analysis.report.page import cell, render
from umlip_bench.analysis.report.periodic import place
from umlip_bench.analysis.report.style import PRINT, SCREEN, Style
from umlip_bench.analysis.summary import Row
from umlip_bench.cli import main
from umlip_bench.ground.elements import SYMBOLS

from ..support.report_runs import HOSTILE, SOFT, STIFF, write


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> ReportContent:
    return gather([write(tmp_path_factory.mktemp("runs") / "one")], {})


@pytest.fixture(scope="module")
def page(report: ReportContent) -> str:
    return render(report)


class Outline(HTMLParser):
    """Elements, and what stands in scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text = ""
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in_script = tag == "script"
        if self._in_script:
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            attributes, before = self.scripts[-1]
            self.scripts[-1] = (attributes, before + data)
        else:
            self.text += data


@pytest.mark.seconds
def test_nothing_from_elsewhere(page: str) -> None:
    outline = Outline(page)
    addresses = [
        value
        for _, attributes in outline.tags
        for name in ("src", "href")
        if (value := attributes.get(name)) is not None
    ]
    assert addresses
    assert all(address.startswith(("#", "data:")) for address in addresses)
    policy = next(a["content"] for t, a in outline.tags if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_hostile_name_is_text(page: str) -> None:
    outline = Outline(page)
    assert not [tag for tag, _ in outline.tags if tag == "img"]
    assert "window.broken" in outline.text
    assert all(
        attributes.get("type") == "application/json" or "broken" not in text
        for attributes, text in outline.scripts
    )


def test_scripts_are_json(page: str) -> None:
    outline = Outline(page)
    data = [text for attributes, text in outline.scripts if attributes.get("type")]
    assert len(data) > 20
    for text in data:
        json.loads(text)
    assert any(HOSTILE in json.loads(text) for text in data if HOSTILE[:9] in json.loads(text)) or (
        HOSTILE in json.dumps([json.loads(text) for text in data]).encode().decode("unicode_escape")
    )


def test_page_is_accessible(page: str) -> None:
    outline = Outline(page)
    assert ("html", {"lang": "en"}) in outline.tags
    identities = [a["id"] for _, a in outline.tags if "id" in a]
    assert len(identities) == len(set(identities))
    links = {
        some(some(a)["href"])[1:]
        for t, a in outline.tags
        if t == "a" and (a.get("href") or "")[:1] == "#"
    }
    assert links <= set(identities)
    for tag, attributes in outline.tags:
        if attributes.get("role") in ("region", "group"):
            assert attributes.get("aria-label"), tag


def test_numbers_as_in_the_summary(report: ReportContent, page: str) -> None:
    text = re.sub(r"\s+", " ", Outline(page).text)
    for scale in report.scales:
        assert f"{scale.row.value:.2f}" in text
        assert cell(scale.row) in text


def test_cell() -> None:
    def row(
        value: float, unit: str = "", low: float | None = None, high: float | None = None
    ) -> Row:
        return Row("m", "d", "s", "v", "x", value, unit, low, high, 9, 0)

    assert cell(None) == "-"
    assert cell(row(float("nan"))) == "-"
    assert cell(row(0.85, low=0.8, high=0.9)) == "0.850 [0.800, 0.900]"
    assert cell(row(0.00953, "eV/Å^2")) == "0.00953"
    assert cell(row(62.71, "meV/atom", 1.0, 100.0)) == "62.7 [1.0, 100.0]"
    assert cell(row(0.0)) == "0.000"


@pytest.mark.seconds
def test_every_chart_is_described_and_has_both_looks(report: ReportContent) -> None:
    labels = tuple(member.label for member in report.members)
    for palette in (SCREEN, PRINT):
        style = Style(palette, labels)
        assert style.colour(SOFT) != style.colour(STIFF)
        assert style.shape(SOFT) != style.shape(STIFF)
        assert style.dash(SOFT) != style.dash(STIFF)
        for section in report.sections:
            for figure in section_figures(section, style):
                assert figure.title
                assert figure.panels
                specs = json.dumps([panel.chart.to_dict() for panel in figure.panels])
                assert ("var(--" in specs) == (palette is SCREEN)


@pytest.mark.seconds
def test_figures_for_print(report: ReportContent, tmp_path: Path) -> None:
    names = [figure.name for figure in figures(report)]
    assert "scales" in names
    assert "high-energy-slope" in names
    assert all(re.fullmatch(r"[A-Za-z0-9.+-]+", name) for name in names)
    settings: Any = specification(next(figures(report)))["config"]
    assert settings["legend"]["disable"] is False
    written = []
    for path in write_figures(figures(report), tmp_path / "figures"):
        written.append(path)
        if len(written) == 4:
            break
    assert {path.suffix for path in written} == {".png", ".pdf"}
    assert written[0].read_bytes().startswith(b"\x89PNG")
    assert written[1].read_bytes().startswith(b"%PDF")


@pytest.mark.seconds
def test_chosen_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write(tmp_path / "run", hostile=False)
    command = ["report", str(run.path), "--out", str(tmp_path / "page.html")]
    figures_of = [*command, "--figures", str(tmp_path / "figures")]
    chosen = ["scales", "phonons-*-scale"]
    assert main([*figures_of, "--only", *chosen, "--format", "svg", "png", "--dpi", "50"]) == 0
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    stems = {"scales", "phonons-curvature-scale"}
    figures = {f"{stem}.{ending}" for stem in stems for ending in ("svg", "png")}
    assert names == {*figures, "settings.yaml"}
    text = (tmp_path / "figures" / "scales.svg").read_text(encoding="utf-8")
    assert text.startswith("<svg")
    assert SOFT in text
    capsys.readouterr()
    assert main([*figures_of, "--only", "scale"]) == 2
    assert "no figure is named scale; there are scales, " in capsys.readouterr().err
    assert main([*command, "--dpi", "50"]) == 2
    assert "name a folder for them with --figures" in capsys.readouterr().err


def test_periodic_table() -> None:
    places = [place(symbol) for symbol in SYMBOLS]
    assert len(set(places)) == len(SYMBOLS)
    assert place("H") == (1, 1)
    assert place("Si") == (3, 14)
    assert place("Fe") == (4, 8)
    assert place("Hf") == (6, 4)
    assert place("U")[0] > 7


@pytest.mark.seconds
def test_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write(tmp_path / "run", hostile=False)
    assert main(["report", str(run.path)]) == 0
    out = run.path / "report.html"
    assert capsys.readouterr().out.strip() == str(out)
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert main(["report", str(run.path), "--open"]) == 0
    assert opened == [out.as_uri()]
    capsys.readouterr()
    assert main(["report", str(tmp_path / "none")]) == 2
    assert main(["report", str(run.path), "--out", str(tmp_path / "no" / "page.html")]) == 2
    assert "cannot be written" in capsys.readouterr().err
