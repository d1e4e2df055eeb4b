"""The report card says what the run holds, in Markdown and HTML alike, and nothing that it does not."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from ase.build import bulk

from tests.support.narrowing import some
from umlip_bench.analysis.card import card_content
from umlip_bench.analysis.card_content import ModelCardContent
from umlip_bench.analysis.card_text import card_html, model_card, sections
from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.document import (
    Bullets,
    CommandLine,
    Grid,
    Paragraph,
    Section,
    to_html,
    to_markdown,
)
from umlip_bench.analysis.energies import EnergyComparison, EnergyValue, EnergyVariant, Standing
from umlip_bench.analysis.frames import MaterialComparison
from umlip_bench.benchmarks.surfaces.result import SurfaceResult
from umlip_bench.cli import main
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.model_card import ModelCard
from umlip_bench.ground.outputs import COMMENT

from ..support.runs import MODEL, card, material, run_of


def silicon(
    slopes: Sequence[float], noise: float = 0.0
) -> list[tuple[str, tuple[str], MaterialComparison]]:
    """One material for each slope."""
    crystal = bulk("Si", cubic=True)
    return [
        (
            "high-energy",
            ("Si",),
            material(f"m{k}", crystal, {"Si": slope}, seed=k, noise=noise),
        )
        for k, slope in enumerate(slopes)
    ]


def face(name: str, fixed: float, relaxed: float) -> tuple[str, tuple[str], SurfaceResult]:
    values = (
        EnergyValue(EnergyVariant.FIXED, 1.0, fixed, Standing.COMPARABLE),
        EnergyValue(EnergyVariant.RELAXED, 1.0, relaxed, Standing.UNCONVERGED, "not converged"),
    )
    comparison = EnergyComparison(name, "Si", "eV/Å^2", values)
    return ("surfaces", ("Si",), SurfaceResult(comparison, (1, 0, 0), None, ()))


def side(cases: list[Any], failed: Sequence[Any] = (), model: ModelCard | None = None) -> Side:
    run = run_of(cases, failed, model)
    return Side(run, run.models[0], run.models[0])


@pytest.fixture
def soft() -> Side:
    """Eight soft materials, two faces (one of the wrong sign) that do not relax, and a failure."""
    return side(
        [
            *silicon([0.7, 0.74, 0.76, 0.78, 0.8, 0.82, 0.84, 0.88]),
            face("Si (1 0 0)", 0.5, 0.4),
            face("Si (1 1 1)", -0.1, 0.4),
        ],
        [("surfaces", "Si (9 9 9)", ("Si",), "no such | face <at all>")],
    )


def test_the_numbers_are_those_of_the_run(soft: Side) -> None:
    content = card_content(soft)
    run = soft.run
    assert content.suites == {"high-energy": 8, "surfaces": 2}
    assert content.elements == ("Si",)
    assert content.unmeasured[:2] == ("defects", "solid-solutions")
    forces, surfaces = content.scales
    row = run.find("high-energy", "fixed-geometry", MODEL, "slope_median")
    assert (forces.value, forces.low, forces.high) == (
        some(row).value,
        some(row).ci_low,
        some(row).ci_high,
    )
    assert forces.value == pytest.approx(0.79)
    assert forces.verdict.startswith("soft: forces are 0.79 of DFT")
    assert forces.n_cases == 8
    assert surfaces.value == pytest.approx(0.2)
    assert surfaces.low is None
    assert surfaces.n_failed == 1
    assert [(c.suite, c.case) for c in content.worst] == [
        ("high-energy", "m0"),
        ("high-energy", "m1"),
        ("high-energy", "m2"),
        ("surfaces", "Si (1 1 1)"),
        ("surfaces", "Si (1 0 0)"),
    ]
    (fault,) = content.faults
    assert (fault.what, fault.n, fault.of) == ("relaxation not converged", 2, 2)
    assert [f.reason for f in content.failures] == ["no such | face <at all>"]
    (chemistry,) = content.chemistry
    assert chemistry.n_systems == 8


def test_a_soft_models_factor_is_supported(soft: Side) -> None:
    factor = card_content(soft).factor
    assert some(factor).supported is True
    row = soft.run.find("high-energy", "fixed-geometry", MODEL, "inverse_median")
    assert (some(factor).value, some(factor).low, some(factor).high) == (
        some(row).value,
        some(row).ci_low,
        some(row).ci_high,
    )
    assert some(factor).smallest == pytest.approx(1 / 0.88)
    assert some(factor).largest == pytest.approx(1 / 0.7)
    # Scaled by 1.266, 0.88 becomes 1.114: an error of 0.114 where there was one of 0.12.
    assert some(factor).worse == ()
    assert math.isnan(some(factor).stress_slope)
    text = model_card(soft)
    assert "It is supported" in text
    assert "umlip-finetune fit --model by-hand-1" in text


def test_materials_that_get_worse_are_named() -> None:
    content = card_content(side(silicon([0.6] * 8 + [1.0])))
    assert some(content.factor).supported is True
    assert some(content.factor).worse == ("m8",)
    assert "in 1 of 9 materials: m8 (in-sample)" in text_of(content)


def test_noise_is_not_supported() -> None:
    """Of a calibrated model with noise: slope and r2 are 0.8, but no factor helps."""
    content = card_content(side(silicon([0.8] * 8, noise=0.4)))
    assert some(content.scales[0].high) < 1.0
    assert some(some(content.factor).low) < 1.0 < some(some(content.factor).high)
    assert some(content.factor).supported is False
    two = card_content(side(silicon([0.7, 0.8])))
    assert some(two.factor).supported is None
    assert "undecided" in text_of(two)


def test_without_forces_there_is_no_factor() -> None:
    content = card_content(side([face("Si (1 0 0)", 0.5, 0.4)]))
    assert content.factor is None
    assert "run the suite high-energy" in text_of(content)


def test_another_functional_is_told(soft: Side) -> None:
    assert not card_content(soft).other_functional
    unknown = replace(card_content(soft), data_level=LevelOfTheory("unknown"))
    assert not unknown.other_functional
    other = replace(card_content(soft), data_level=LevelOfTheory("r2SCAN"))
    assert other.other_functional
    assert "trained on PBE, the data are r2SCAN" in text_of(other)


def test_a_corrected_model_says_so() -> None:
    model = card("mine", parent="by-hand-1", architecture="by hand, scaled by 1.3000")
    text = model_card(side(silicon([0.9] * 6), model=model))
    assert "It is by-hand-1, corrected (by hand, scaled by 1.3000)" in text
    assert "umlip-finetune" not in text


def text_of(content: ModelCardContent) -> str:
    return to_markdown("card", sections(content))


def test_markdown_is_not_broken_by_what_it_quotes(soft: Side) -> None:
    text = model_card(soft)
    assert text.startswith("# Report card: by-hand-1\n")
    assert r"no such \| face \<at all>" in text
    tables = re.findall(r"(?:^\|.*\|$\n?)+", text, flags=re.MULTILINE)
    assert len(tables) == 5
    for table in tables:
        bars = {len(re.findall(r"(?<!\\)\|", line)) for line in table.strip().split("\n")}
        assert len(bars) == 1, table
    for word in ("CC0", "Nobody, J. Nothing", "H-Li, Si", "5" * 64, "d" * 64, "numpy 2.0"):
        assert word in text


class Words(HTMLParser):
    """Text, and what a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.fetched: list[str | None] = []

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.fetched += [value for name, value in attributes if name in ("src", "href")]


def test_html_says_the_same(soft: Side) -> None:
    page = card_html(soft)
    words = Words()
    words.feed(page)
    assert words.fetched == []
    said = " ".join(" ".join(words.text).split())
    markdown = re.sub(r"\\(.)", r"\1", model_card(soft))
    for line in markdown.split("\n"):
        for piece in line.strip("#- `").strip("|").split(" | "):
            if piece.strip(" -|"):
                assert " ".join(piece.split()) in said, piece
    assert "<at all>" not in page


def test_documents() -> None:
    blocks = (
        Paragraph("a_b"),
        Bullets(("x", "y")),
        Grid(("h", "i"), (("1", "2"),)),
        CommandLine("run it"),
    )
    text = to_markdown("t", [Section("s", blocks)])
    assert text == (
        "# t\n\n## s\n\na\\_b\n\n- x\n- y\n\n| h | i |\n| --- | --- |\n| 1 | 2 |\n\n```\nrun it\n```\n"
    )
    page = to_html("t", [Section("s", blocks)])
    for piece in ("<p>a_b</p>", "<li>x</li>", "<td>2</td>", "<pre>run it</pre>", "<h2>s</h2>"):
        assert piece in page


def test_a_model_that_is_not_there(soft: Side) -> None:
    with pytest.raises(UmlipBenchError, match="has no finished case of nobody; it has by-hand-1"):
        card_content(Side(soft.run, "nobody", "nobody"))


# ---- the command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "first"
    command = ["run", "high-energy", "eos", "--mode", "quick", "--out", str(out)]
    assert main([*command, "--model", "ase:ase.calculators.lj:LennardJones"]) == 0
    return out


@pytest.mark.seconds
def test_the_command_writes_what_the_functions_say(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, start in (("card.md", "# Report card: ase:"), ("card.html", "<!doctype html>")):
        assert main(["card", str(folder), "--out", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)
    capsys.readouterr()
    assert main(["card", str(folder)]) == 0
    printed = capsys.readouterr().out
    written = (tmp_path / "card.md").read_text(encoding="utf-8")
    # A file also has the command that made it.
    assert written.startswith(printed.removesuffix(COMMENT))
    assert written.endswith(COMMENT)
    assert "| its level of theory | PBE |" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nobody"], "has no finished case of nobody"),
        (["--out", "card.pdf"], "must end in .md or .html"),
    ],
)
def test_the_command_tells_what_is_wrong(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["card", str(folder), *arguments]) == 2
    assert message in capsys.readouterr().err
