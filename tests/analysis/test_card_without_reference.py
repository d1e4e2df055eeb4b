"""A card of a run without reference says what went wrong in the results themselves."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.analysis.test_signs import set_parents
from tests.support.report_runs import SOFT, STIFF, bands, curve
from tests.support.report_runs import write_scaled as write_run
from umlip_bench.analysis.card import card_content
from umlip_bench.analysis.card_text import model_card
from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.energies import EnergyComparison, EnergyValue, EnergyVariant, Standing
from umlip_bench.benchmarks.elastic.result import ElasticComparison
from umlip_bench.benchmarks.eos.result import EnergyCurve, EosComparison
from umlip_bench.benchmarks.phonons.result import PhononComparison
from umlip_bench.benchmarks.sanity.result import SanityCheck, SanityFinding, SanityResult
from umlip_bench.benchmarks.surfaces.result import SurfaceResult

NOTHING = "Nothing that was measured failed"
STABLE = np.diag([160.0, 160.0, 160.0, 80.0, 80.0, 80.0]) / 160.2
UNSTABLE = np.diag([160.0, 160.0, 160.0, -5.0, 80.0, 80.0]) / 160.2


def phonons(name: str, *, imaginary: bool) -> PhononComparison:
    whole = bands(name, 1.0)
    side = whole.fixed
    if imaginary:
        side = replace(side, commensurate=side.commensurate - 7.0, mesh=side.mesh - 7.0)
    return replace(whole, reference=None, fixed=side, relaxed=None)


def dips(name: str) -> PhononComparison:
    """Only between the wave vectors of the supercell."""
    whole = bands(name, 1.0)
    side = replace(whole.fixed, mesh=whole.fixed.mesh - 3.0, bands=whole.fixed.bands - 3.0)
    return replace(whole, reference=None, fixed=side, relaxed=None)


def elastic(name: str, constants: np.ndarray | None, failure: str = "") -> ElasticComparison:
    return ElasticComparison(name, None, STABLE, constants, "", failure)


def eos(name: str, *, minimum: bool) -> EosComparison:
    whole = curve(name, 1.0)
    volumes = np.linspace(18.0, 22.0, 7)
    falling = EnergyCurve(volumes, -0.1 * volumes)
    own = whole.relaxed if minimum else falling
    return EosComparison(name, 1, None, None, None, own)


def surface(name: str, standing: Standing) -> SurfaceResult:
    value = EnergyValue(EnergyVariant.RELAXED, np.nan, 0.05, standing, "why")
    return SurfaceResult(EnergyComparison(name, name, "eV/Å^2", (value,)), (1, 0, 0), None)


def card(
    folder: Path, suite: str, results: list[Any]
) -> tuple[list[tuple[str, str, int, int]], str]:
    cases = {f"m{k}": lambda s, r=result: r for k, result in enumerate(results)}
    run = write_run(folder / "run", {suite: cases}, {SOFT: 1.0})
    side = Side(run, SOFT, SOFT)
    faults = [(f.variant, f.what, f.n, f.of) for f in card_content(side).faults]
    return faults, model_card(side)


@pytest.mark.parametrize(
    ("suite", "results", "faults"),
    [
        (
            "phonons",
            [phonons("m0", imaginary=True), phonons("m1", imaginary=False)],
            [("fixed-geometry", "imaginary modes", 1, 2)],
        ),
        (
            "phonons",
            [dips("m0")],
            [("fixed-geometry", "imaginary modes by interpolation alone", 1, 1)],
        ),
        (
            "elastic",
            [elastic("m0", UNSTABLE), elastic("m1", STABLE), elastic("m2", None, "not relaxed")],
            [
                ("relaxed", "mechanically unstable", 1, 2),
                ("relaxed", "no result in this geometry", 1, 3),
            ],
        ),
        (
            "eos",
            [eos("m0", minimum=False), eos("m1", minimum=True)],
            [("relaxed", "no minimum", 1, 2)],
        ),
        (
            "surfaces",
            [surface("m0", Standing.UNCONVERGED), surface("m1", Standing.NO_REFERENCE)],
            [("relaxed", "relaxation not converged", 1, 2)],
        ),
    ],
)
def test_what_went_wrong_is_said(
    tmp_path: Path, suite: str, results: list[Any], faults: list[tuple[str, str, int, int]]
) -> None:
    found, text = card(tmp_path, suite, results)
    assert found == faults
    assert NOTHING not in text
    assert "Nothing was comparable with DFT" in text
    for variant, what, n, of in faults:
        assert f"- {suite} ({variant}): {what} in {n} of {of}" in text


@pytest.mark.parametrize(
    ("suite", "results"),
    [
        ("phonons", [phonons("m0", imaginary=False)]),
        ("elastic", [elastic("m0", STABLE)]),
        ("eos", [eos("m0", minimum=True)]),
        ("surfaces", [surface("m0", Standing.NO_REFERENCE)]),
    ],
)
def test_what_is_sound_is_said_to_be(tmp_path: Path, suite: str, results: list[Any]) -> None:
    found, text = card(tmp_path, suite, results)
    assert found == []
    assert NOTHING in text
    assert "how wrong the numbers are is not known" in text


NONE = np.zeros(0)
MADE_OF = f"It is {STIFF}, corrected"


def dimer(fall: float) -> SanityResult:
    finding = SanityFinding("dimer_fall", fall, 1e-3, "from 0.80 to 0.50 Å")
    return SanityResult("dimer Si", SanityCheck.DIMER, (finding,), NONE, NONE)


def made_of(folder: Path, falls: dict[str, float]) -> str:
    """Card of the soft model, made of the stiff one, where the two fall by so much."""
    cases = {"dimer Si": lambda scale: dimer(scale)}
    run = set_parents(write_run(folder / "run", {"sanity": cases}, falls), {SOFT: STIFF})
    return model_card(Side(run, SOFT, SOFT))


def test_a_model_that_broke_what_its_parent_does_is_not_called_corrected(tmp_path: Path) -> None:
    text = made_of(tmp_path, {STIFF: 0.0, SOFT: 2.0})
    assert "not sound: fails dimer 1 of 1 checks; its parent" in text
    assert f"its parent {STIFF} is sound: the only check passed" in text
    assert "is not a correction of it: it fails dimer Si, where" in text
    assert MADE_OF not in text


@pytest.mark.parametrize("fall", [0.0, 2.0])
def test_a_model_that_is_as_its_parent_is_called_corrected(tmp_path: Path, fall: float) -> None:
    assert MADE_OF in made_of(tmp_path, {STIFF: fall, SOFT: fall})


def test_a_parent_that_is_not_there_is_missed(tmp_path: Path) -> None:
    text = made_of(tmp_path, {SOFT: 0.0})
    assert f"its parent {STIFF} is not in this run: a factor changes none of this" in text
    assert MADE_OF in text
