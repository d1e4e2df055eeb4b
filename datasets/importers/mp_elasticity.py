"""Elastic moduli of binary compounds from the Materials Project (matcalc's benchmark).

Published are the Voigt-Reuss-Hill averages only, so that Born's criteria cannot be checked here. Moduli
below 1 GPa are marked. Negative Poisson's ratios are not: those of alpha-cristobalite are real.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ase.units import GPa

from umlip_bench.datasets.cases import ElasticCase, Preparation
from umlip_bench.datasets.importers import vasp_json
from umlip_bench.ground.content import as_float, as_mapping
from umlip_bench.ground.level_of_theory import LevelOfTheory

FILE = "mp-binary-pbe-elasticity-2025.1.json.gz"

SMALLEST = 1.0
"""GPa; below it compounds are molecular, layered or on the verge of instability."""


def cases(folder: Path, level: LevelOfTheory) -> Iterator[ElasticCase]:
    """One case per compound, in the order of the file."""
    path = folder / FILE
    for index, entry in enumerate(vasp_json.elements(path)):
        with vasp_json.reading(path, index):
            case = _case(entry, level)
        yield case


def _case(item: object, level: LevelOfTheory) -> ElasticCase:
    entry = as_mapping(item)
    bulk, shear = as_float(entry["bulk_modulus_vrh"]), as_float(entry["shear_modulus_vrh"])
    return ElasticCase(
        name=str(entry["mp_id"]),
        system=str(entry["formula"]),
        level_of_theory=level,
        preparation=Preparation.RELAXED,
        unusable=_why_unusable(bulk, shear),
        atoms=vasp_json.atoms(entry["structure"]),
        bulk_modulus=bulk * GPa,
        shear_modulus=shear * GPa,
    )


def _why_unusable(bulk: float, shear: float) -> str | None:
    for name, modulus in (("bulk", bulk), ("shear", shear)):
        if modulus <= 0:
            return f"mechanically unstable: {name} modulus {modulus} GPa"
        if modulus < SMALLEST:
            return (
                f"{name} modulus {modulus} GPa, below {SMALLEST} GPa: soft, layered or unstable, "
                "unsuited to relative errors"
            )
    return None
