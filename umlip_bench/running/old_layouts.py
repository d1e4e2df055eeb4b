"""Results as the arrays of run folders of schemas 4 and 5 have them: each suite laid out its own by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from umlip_bench.analysis.energies import EnergyComparison, EnergyValue, EnergyVariant, Standing
from umlip_bench.analysis.frames import FrameComparison, Geometry, MaterialComparison
from umlip_bench.benchmarks.defects.result import DefectResult
from umlip_bench.benchmarks.elastic.result import STRAIN, ElasticComparison, ReferenceModuli
from umlip_bench.benchmarks.eos.result import EnergyCurve, EosComparison
from umlip_bench.benchmarks.migration.result import MigrationComparison, Profile
from umlip_bench.benchmarks.phonons.result import (
    BandPath,
    FrequencySampling,
    PhononComparison,
    Phonons,
)
from umlip_bench.benchmarks.solid_solutions.result import OrderingResult
from umlip_bench.benchmarks.surfaces.result import SurfaceResult
from umlip_bench.ground.birch_murnaghan import Equilibrium

Arrays = Mapping[str, np.ndarray]


def read_old(suite: str, case: str, arrays: Arrays) -> object:
    """The result of a case.

    Raises
    ------
    KeyError
        If an array is missing, or the suite is not known.
    """
    return READERS[suite](case, arrays)


def _eos(name: str, arrays: Arrays) -> EosComparison:
    def curve(key: str) -> EnergyCurve | None:
        return EnergyCurve(*arrays[key]) if key in arrays else None

    reference = arrays.get("reference")
    return EosComparison(
        name=name,
        n_atoms=int(arrays["n_atoms"]),
        reference=None if reference is None else Equilibrium(*map(float, reference)),
        reference_points=curve("reference_points"),
        fixed=curve("fixed"),
        relaxed=curve("relaxed"),
        note=str(arrays["note"]),
    )


def _high_energy(name: str, arrays: Arrays) -> MaterialComparison:
    """A stress of nan stands for none."""
    n_atoms = arrays["n_atoms"]
    ends = np.cumsum(n_atoms)[:-1]
    geometries: list[Geometry | None] = [None] * len(n_atoms)
    if "cell" in arrays:
        numbers, positions = (np.split(arrays[key], ends) for key in ("numbers", "positions"))
        geometries = [
            Geometry(*each) for each in zip(numbers, positions, arrays["cell"], strict=True)
        ]

    def stress(key: str, k: int) -> np.ndarray | None:
        value = arrays[key][k]
        return None if np.isnan(value).any() else value

    forces = zip(
        np.split(arrays["forces_reference"], ends),
        np.split(arrays["forces_model"], ends),
        strict=True,
    )
    frames = (
        FrameComparison(
            composition=str(arrays["composition"][k]),
            energy_reference=float(arrays["energy_reference"][k]),
            energy_model=float(arrays["energy_model"][k]),
            forces_reference=reference,
            forces_model=model,
            stress_reference=stress("stress_reference", k),
            stress_model=stress("stress_model", k),
            geometry=geometries[k],
        )
        for k, (reference, model) in enumerate(forces)
    )
    return MaterialComparison(name, tuple(frames))


def _comparison(name: str, arrays: Arrays) -> EnergyComparison:
    """Flags are lines of one string."""
    columns = ("variant", "reference", "model", "standing", "reason", "flags")
    values = (
        EnergyValue(
            EnergyVariant(variant),
            reference,
            model,
            Standing(standing),
            reason,
            tuple(filter(None, flags.split("\n"))),
        )
        for variant, reference, model, standing, reason, flags in zip(
            *(arrays[key].tolist() for key in columns), strict=True
        )
    )
    return EnergyComparison(name, str(arrays["system"]), str(arrays["unit"]), tuple(values))


def _surfaces(name: str, arrays: Arrays) -> SurfaceResult:
    """A lattice of nan stands for none."""
    lattice = np.asarray(arrays["lattice"], dtype=float)
    return SurfaceResult(
        _comparison(name, arrays),
        tuple(arrays["miller_index"].tolist()),
        None if np.isnan(lattice).any() else lattice,
        tuple(arrays["left_out"].tolist()),
    )


def _defects(name: str, arrays: Arrays) -> DefectResult:
    return DefectResult(_comparison(name, arrays), float(arrays["largest_displacement"]))


def _solid_solutions(name: str, arrays: Arrays) -> OrderingResult:
    return OrderingResult(
        _comparison(name, arrays),
        str(arrays["group"]),
        float(arrays["fraction"]),
        float(arrays["sites_per_atom"]),
    )


def _phonons(name: str, arrays: Arrays) -> PhononComparison:
    def side(key: str) -> Phonons | None:
        if f"{key}_mesh" not in arrays:
            return None
        parts = ("mesh", "bands", "commensurate", "force_constants")
        return Phonons(*(arrays[f"{key}_{part}"] for part in parts))

    path = BandPath(
        qpoints=arrays["path_qpoints"],
        distances=arrays["path_distances"],
        segments=arrays["path_segments"],
        labels=tuple((first, last) for first, last in arrays["path_labels"].tolist()),
    )
    fixed, capacity = side("fixed"), arrays.get("reference_heat_capacity")
    if fixed is None:
        raise KeyError("fixed_mesh")
    return PhononComparison(
        name=name,
        sampling=FrequencySampling(arrays["weights"], path),
        reference=side("reference"),
        reference_heat_capacity=None if capacity is None else float(capacity),
        fixed=fixed,
        relaxed=side("relaxed"),
        not_comparable=str(arrays["not_comparable"]),
        not_relaxed=str(arrays["not_relaxed"]),
    )


def _migration(name: str, arrays: Arrays) -> MigrationComparison:
    profiles = {
        of: Profile(of, *(arrays[f"{of}/{part}"] for part in ("distances", "energies", "ion")))
        for of in arrays["profiles"].tolist()
    }
    reference = profiles.pop("DFT", None)
    # Up to version 2 of the suite forces were not compared.
    force_slope = float(arrays.get("force_slope", np.nan))
    return MigrationComparison(
        _comparison(name, arrays), reference, tuple(profiles.values()), force_slope
    )


def _elastic(name: str, arrays: Arrays) -> ElasticComparison:
    reference = arrays.get("reference")
    # Up to version 3 of the suite neither strain nor residuals were kept.
    fixed_residual, relaxed_residual = arrays.get("residuals", np.full(2, np.nan))
    return ElasticComparison(
        name=name,
        reference=None if reference is None else ReferenceModuli(*map(float, reference)),
        fixed=arrays.get("fixed"),
        relaxed=arrays.get("relaxed"),
        fixed_failure=str(arrays["fixed_failure"]),
        relaxed_failure=str(arrays["relaxed_failure"]),
        strain=float(arrays.get("strain", STRAIN)),
        fixed_residual=float(fixed_residual),
        relaxed_residual=float(relaxed_residual),
    )


READERS: Mapping[str, Callable[[str, Arrays], object]] = {
    "eos": _eos,
    "elastic": _elastic,
    "migration": _migration,
    "phonons": _phonons,
    "high-energy": _high_energy,
    "surfaces": _surfaces,
    "defects": _defects,
    "solid-solutions": _solid_solutions,
}
