"""Results as the arrays of run folders of schemas 4 and 5 have them: each suite laid out its own by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from umlip_bench.analysis.frames import FrameComparison, Geometry, MaterialComparison
from umlip_bench.benchmarks.eos.result import Curve, EosComparison
from umlip_bench.ground.birch_murnaghan import Equilibrium

Arrays = Mapping[str, np.ndarray]


def read_old(suite: str, case: str, arrays: Arrays) -> Any:
    """The result of a case.

    Raises
    ------
    KeyError
        If an array is missing, or the suite is not known.
    """
    if suite in READERS:
        return READERS[suite](case, arrays)
    from umlip_bench.analysis.registry import suite_of

    return suite_of(suite).from_arrays(case, arrays)


def _eos(name: str, arrays: Arrays) -> EosComparison:
    def curve(key: str) -> Curve | None:
        return Curve(*arrays[key]) if key in arrays else None

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


READERS: Mapping[str, Callable[[str, Arrays], Any]] = {
    "eos": _eos,
    "high-energy": _high_energy,
}
