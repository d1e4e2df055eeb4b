"""The script that fills the page of measured potentials, on runs whose slopes are known."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from umlip_bench.analysis.frames import FrameComparison, MaterialComparison
from umlip_bench.analysis.runs import Run

from .support.run_folders import CARD, write_run

MATERIALS = ("Si", "Ge", "C", "Al", "MgO", "SiC", "NaCl", "GaAs")
SLOPES = {
    "chgnet-0.3.0": 0.85,
    "sevennet:7net-0": 0.94,
    "nequix:nequix-mp-1": 0.96,
    "nequix:nequix-omat-1": 0.99,
}


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = Path(__file__).parents[1] / "docs" / "measured_potentials.py"
    spec = importlib.util.spec_from_file_location("measured_potentials", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = tmp_path / "page.md"
    page.write_text(module.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(module, "PAGE", page)
    return module


def run(path: Path, slopes: Mapping[str, float]) -> Run:
    """A run on materials with forces of their own, of which the models have these shares."""
    results: dict[str, list[MaterialComparison]] = {}
    for model, slope in slopes.items():
        results[model] = []
        for k, name in enumerate(MATERIALS):
            forces = np.random.default_rng(k).normal(size=(2, 3))
            frame = FrameComparison(name, 0.0, 0.0, forces, slope * forces)
            results[model].append(MaterialComparison(name, (frame,)))
    cards = {
        model: {
            **CARD,
            "elements": "Si",
            "files": [],
            "package_path": [],
            "training_set": "by hand",
        }
        | {"family": "toy", "architecture": "toy", "citation": "none"}
        for model in slopes
    }
    return write_run(path, {"high-energy": results}, cards=cards)


def test_every_number_of_the_page_is_of_the_runs(script: ModuleType, tmp_path: Path) -> None:
    r2scan = {"chgnet-r2scan": 0.7}
    script.main(
        run(tmp_path / "pbe", SLOPES), run(tmp_path / "debye", SLOPES), run(tmp_path / "r2", r2scan)
    )
    text = script.PAGE.read_text(encoding="utf-8")
    lines = text.splitlines()
    (spread,) = [line for line in lines if line.startswith("| largest less smallest slope")]
    assert "0.110 [0.110, 0.110] | 8 |" in spread
    (data,) = [line for line in lines if "nequix:nequix-mp-1 | nequix:nequix-omat-1 | +" in line]
    assert "+0.030 [+0.030, +0.030]" in data
    (functionals,) = [line for line in lines if line.startswith("| chgnet-0.3.0 | chgnet-r2scan")]
    assert "0.850 | 0.700 | -0.150 (-0.150 to -0.150) | 8 |" in functionals
    # What people wrote stays, and a second time changes nothing.
    assert text.splitlines()[0] == "# Measured potentials"
    script.main(*(script.analysis.read_run(tmp_path / name) for name in ("pbe", "debye", "r2")))
    assert script.PAGE.read_text(encoding="utf-8") == text
