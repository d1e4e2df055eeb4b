"""Run folders for the report, with results that were made by hand."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from umlip_bench.analysis.energies import EnergyComparison, EnergyValue, EnergyVariant, Standing
from umlip_bench.analysis.frames import FrameComparison, Geometry, MaterialComparison
from umlip_bench.analysis.runs import Run
from umlip_bench.benchmarks.eos.result import EnergyCurve, EosComparison
from umlip_bench.benchmarks.migration.result import MigrationComparison, Profile
from umlip_bench.benchmarks.phonons.result import (
    BandPath,
    FrequencySampling,
    PhononComparison,
    Phonons,
)
from umlip_bench.benchmarks.surfaces.result import SurfaceResult
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.model_card import ModelCard
from umlip_bench.potentials.corrections.folder import CARD, SCHEMA, Correction, ParentModel
from umlip_bench.potentials.corrections.modification import ScalarCorrection

from .run_folders import FAILED, write_run

HOSTILE = (
    "</script><script>window.broken = true</script><img src=x onerror='window.broken=1'>&\"Si\""
)
"""A name of a material that breaks what does not escape it."""
SOFT, STIFF = "soft-model-1.0", "stiff-model-2.0"
SCALES = {SOFT: 0.8, STIFF: 1.05}
N_MATERIALS = 12


def material(name: str, scale: float, n_frames: int = 3, n_atoms: int = 6) -> MaterialComparison:
    """Frames with random forces, the model's in proportion but for noise."""
    rng = np.random.default_rng([len(name), n_frames])
    edge = 6.0 * (n_atoms / 6) ** (1 / 3)
    frames = []
    for _ in range(n_frames):
        forces = rng.normal(size=(n_atoms, 3))
        stress = np.diag(rng.normal(size=3)) * 0.01
        energy = float(rng.normal())
        frames.append(
            FrameComparison(
                composition="SiO",
                energy_reference=energy,
                energy_model=scale * energy,
                forces_reference=forces,
                forces_model=scale * forces + 0.05 * rng.normal(size=forces.shape),
                stress_reference=stress,
                stress_model=scale * stress,
                geometry=Geometry(
                    np.where(np.arange(n_atoms) % 2, 14, 8),
                    rng.uniform(0.0, edge, size=(n_atoms, 3)),
                    edge * np.eye(3),
                ),
            )
        )
    return MaterialComparison(name, tuple(frames))


def surface(name: str, scale: float, reference: float) -> SurfaceResult:
    """A face that is comparable at fixed geometry alone."""
    values = (
        EnergyValue(EnergyVariant.FIXED, reference, scale * reference, Standing.COMPARABLE),
        EnergyValue(
            EnergyVariant.RELAXED, reference, 0.0, Standing.NOT_COMPARABLE, "DFT at fixed geometry"
        ),
    )
    comparison = EnergyComparison(name, name, "eV/Å^2", values)
    return SurfaceResult(comparison, (1, 0, 0), None)


def curve(name: str, scale: float) -> EosComparison:
    """Parabolas with the same minimum."""
    volumes = np.linspace(18.0, 22.0, 7)
    energies = 0.5 * 0.6 / 20.0 * (volumes - 20.0) ** 2
    points = EnergyCurve(volumes, energies)
    model = EnergyCurve(volumes, scale * energies)
    return EosComparison(name, 1, points.equilibrium, points, model, model)


def path(name: str, scale: float) -> MigrationComparison:
    """A hop over a barrier."""
    along = np.linspace(0.0, 2.0, 5)
    energies = np.sin(np.pi * along / 2.0) ** 2
    ion = np.array([[x, 0.0, 0.0] for x in along])
    return MigrationComparison(
        EnergyComparison(
            name,
            name,
            "eV",
            (EnergyValue(EnergyVariant.FIXED, 1.0, scale, Standing.COMPARABLE),),
        ),
        Profile("DFT", along, energies, ion),
        (Profile(EnergyVariant.FIXED, along, scale * energies, ion),),
    )


def bands(name: str, scale: float) -> PhononComparison:
    """Three branches along two segments."""
    q = np.linspace(0.0, 1.0, 20)
    frequencies = np.sin(0.5 * np.pi * q)[:, None] * np.array([3.0, 4.0, 6.0])
    segments = np.repeat([0, 1], 10)
    points = np.array([[x, 0.0, 0.0] for x in q])
    sampling = FrequencySampling(
        np.ones(len(q)), BandPath(points, q, segments, (("Γ", "X"), ("X", "S_0")))
    )

    def side(factor: float) -> Phonons:
        constants = factor * np.eye(3)[None, None]
        root = np.sqrt(factor)
        return Phonons(root * frequencies, root * frequencies, root * frequencies[5:], constants)

    return PhononComparison(name, sampling, side(1.0), None, side(scale), side(scale))


def of_scale(
    make: Callable[..., Any], name: str, *rest: Any, more: float = 0.0
) -> Callable[[float], Any]:
    """What makes a case's result of a model from its scale, with some more of it."""
    return lambda scale: make(name, scale + more, *rest)


def write(
    folder: Path, *, hostile: bool = True, functional: str = "PBE", data_functional: str = "PBE"
) -> Run:
    """Two models, five suites, a case that failed, and a name that does harm if it can."""
    names = [f"material {k}" for k in range(N_MATERIALS - 1)]
    names.append(HOSTILE if hostile else "the last")
    faces = dict(zip(names[-4:], (0.05, 0.06, 0.07, 0.08), strict=True))
    failed = {(STIFF, "surfaces", names[-1])}
    results: dict[str, dict[str, Callable[[float], Any]]] = {
        "high-energy": {n: of_scale(material, n, more=0.01 * k) for k, n in enumerate(names)},
        "surfaces": {n: of_scale(surface, n, e) for n, e in faces.items()},
        "eos": {n: of_scale(curve, n) for n in names[-2:]},
        "migration": {n: of_scale(path, n) for n in names[-1:]},
        "phonons": {n: of_scale(bands, n, more=0.01 * k) for k, n in enumerate(names[-3:])},
    }
    return write_scaled(folder, results, SCALES, failed, functional, data_functional)


def write_correction(folder: Path, run: Run, factor: float) -> Path:
    """The folder of a scalar correction of the soft model."""
    digest = str(run.config.models[SOFT]["sha256"])
    correction = Correction(ParentModel(SOFT, "none", digest), ScalarCorrection(factor))
    content = {"schema": SCHEMA, "name": folder.name, **correction.to_plain()}
    folder.mkdir(parents=True)
    (folder / CARD).write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


def write_large(folder: Path, n_components: int) -> Run:
    """One model and one suite with that many force components at least."""
    n_materials, n_frames = 40, 8
    n_atoms = -(-n_components // (3 * n_materials * n_frames))
    results = {
        name: of_scale(material, name, n_frames, n_atoms, more=0.01 * k)
        for k, name in enumerate(f"m{k:02d}" for k in range(n_materials))
    }
    return write_scaled(folder, {"high-energy": results}, {SOFT: 0.7})


def write_scaled(
    folder: Path,
    results: Mapping[str, Mapping[str, Callable[[float], Any]]],
    models: Mapping[str, float],
    failed: Collection[tuple[str, str, str]] = (),
    functional: str = "PBE",
    data_functional: str = "PBE",
) -> Run:
    """Write results as a run would, and read them.

    Parameters
    ----------
    results
        By suite and case, what makes the result of a model from its scale.
    models
        Their scales.
    failed
        Model, suite and case.
    functional, data_functional
        Of the models and of the reference data.
    """
    made = {
        suite: {
            model: [
                (FAILED, name) if (model, suite, name) in failed else make(scale)
                for name, make in cases.items()
            ]
            for model, scale in models.items()
        }
        for suite, cases in results.items()
    }
    return write_run(
        folder,
        made,
        provenance={"umlip_bench": "0.1.0", "started": "2026-01-01T00:00:00+00:00"},
        cards={name: _card(name, functional) for name in models},
        elements=("O", "Si"),
        data_functional=data_functional,
    )


def _card(name: str, functional: str) -> dict[str, Any]:
    card = ModelCard(
        name, "none", "by hand", LevelOfTheory(functional), "none", (), "MIT", "nobody"
    )
    entry = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(card).items()}
    return {**entry, "elements": "O Si", "origin": "by hand"}
