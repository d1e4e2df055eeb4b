"""A run folder for the leaderboard: three potentials, materials of three classes, results made by hand."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from umlip_bench.analysis.runs import Run
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.model_card import ModelCard

from .report_runs import HOSTILE, SOFT, STIFF, bands, material, surface
from .run_folders import FAILED, write_run

RIGHT = "right-model-3.0"
FORCES = {SOFT: 0.7, STIFF: 1.15, RIGHT: 0.99}
"""Scales of the forces, of the first material; those after it are more by `STEP` each, but of `RIGHT`."""
PHONONS = {SOFT: 0.6, STIFF: 1.0, RIGHT: 1.2}
"""Scales of the curvature, of the first material; those after it are less."""
STEP = 0.03
MATERIALS = {
    "MgO": ("Mg", "O"),
    "CaO": ("Ca", "O"),
    "NaCl": ("Cl", "Na"),
    "LiF": ("F", "Li"),
    "Si": ("Si",),
    "Al": ("Al",),
    HOSTILE: ("Mg", "O"),
}
FACES = ("MgO", "NaCl", "LiF")


def write_board_run(folder: Path) -> Run:
    """Forces and phonons that order materials oppositely, and surfaces of which one failed."""

    def scale(model: str, k: int) -> float:
        return FORCES[model] + (0.0 if model == RIGHT else STEP * k)

    makers: dict[str, Callable[[str], list[Any]]] = {
        "high-energy": lambda model: [
            material(name, scale(model, k)) for k, name in enumerate(MATERIALS)
        ],
        "phonons": lambda model: [
            bands(name, PHONONS[model] - STEP * k) for k, name in enumerate(MATERIALS)
        ],
        "surfaces": lambda model: [
            (FAILED, name)
            if (model, name) == (STIFF, "LiF")
            else surface(name, FORCES[model], 0.05 + 0.01 * k)
            for k, name in enumerate(FACES)
        ],
    }
    return write_run(
        folder,
        {suite: {model: make(model) for model in FORCES} for suite, make in makers.items()},
        provenance={"umlip_bench": "0.1.0", "started": "2026-01-01T00:00:00+00:00"},
        cards={name: _card(name) for name in FORCES},
        elements_of=MATERIALS,
    )


def _card(name: str) -> dict[str, Any]:
    card = ModelCard(name, "none", "by hand", LevelOfTheory("PBE"), "none", (), "MIT", "nobody")
    entry = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(card).items()}
    return {**entry, "elements": ""}
