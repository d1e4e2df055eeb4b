"""What a model says of one material's elastic constants, beside DFT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.suite import NO_RESULT
from umlip_bench.analysis.under_factor import Energies, Power
from umlip_bench.benchmarks.amplitudes import AmplitudeScan
from umlip_bench.benchmarks.elastic.elasticity import is_stable, lowest_eigenvalue, moduli
from umlip_bench.ground.conventional_cell import ConventionalCell
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.readonly import ReadOnlyArrays
from umlip_bench.ground.units import GPA

FloatArray = NDArray[np.float64]

FIXED = "fixed-geometry"
RELAXED = "relaxed"
NAN = float("nan")
STRAIN = 0.005
"""That the suite applies, with both signs; of shear the engineering strain."""
AMPLITUDES = (0.001, 0.005, 0.015)
"""Strains at which the model alone is measured."""
RIPPLE = (0.001, 0.015)
"""Strains between which the ripple is taken."""


@dataclass(frozen=True)
class ReferenceModuli:
    """DFT's Voigt-Reuss-Hill averages.

    Parameters
    ----------
    bulk, shear
        eV/Å³.
    """

    bulk: float
    shear: float


@dataclass(frozen=True, eq=False)
class ElasticComparison(ReadOnlyArrays):
    """What a model says of one material, beside DFT.

    Parameters
    ----------
    name
        Unique name of the material.
    reference
        DFT; ``None`` for a structure without reference.
    fixed
        Elastic constants of the model at DFT's cell, or that given, shape (6, 6), Voigt, eV/Å³, in the
        crystal's axes (`umlip_bench.ground.crystal_axes`); ``None`` if `fixed_failure` says why.
    relaxed
        The same at the model's own cell.
    fixed_failure, relaxed_failure
        Why one is missing; empty if it is not.
    strain
        That the constants were measured at, with both signs.
    fixed_residual, relaxed_residual
        Share of the stresses that constants of the crystal's symmetry do not explain
        (`umlip_bench.benchmarks.elastic.elasticity.ElasticFit`); nan where it was not kept.
    scan
        Voigt's average of the model's shear modulus at the fixed cell and other strains, GPa, and the Hill
        average over DFT's; ``None`` if it was not measured.
    scan_failure
        Why it could not be; empty if it could.
    system
        What it clusters with: its formula, or its element; empty if it is alone.
    own_cell
        The model's conventional cell; ``None`` if it was not relaxed.
    held_bulk_modulus
        Of the model at its own cell and `strain`, fractional coordinates held, eV/Å³; nan if it was not
        measured. Between it and that of `relaxed` is what the atoms give way.
    """

    name: str
    reference: ReferenceModuli | None
    fixed: Energies | None
    relaxed: Energies | None
    fixed_failure: str = ""
    relaxed_failure: str = ""
    strain: float = STRAIN
    fixed_residual: float = float("nan")
    relaxed_residual: float = float("nan")
    scan: AmplitudeScan | None = None
    scan_failure: str = ""
    system: str = ""
    own_cell: ConventionalCell | None = None
    held_bulk_modulus: Annotated[float, Power(1.0)] = NAN

    def constants(self, variant: str) -> FloatArray | None:
        """The model's in a variant."""
        return self.fixed if variant == FIXED else self.relaxed


def is_lost(material: ElasticComparison, variant: str) -> bool:
    """Whether a variant has no constants."""
    return material.constants(variant) is None


def faults(material: ElasticComparison, variant: str) -> tuple[str, ...]:
    """Constants that are missing, or those of an unstable crystal."""
    constants = material.constants(variant)
    if constants is None:
        failure = material.fixed_failure if variant == FIXED else material.relaxed_failure
        return (NO_RESULT,) if failure else ()
    return () if is_stable(constants) else ("mechanically unstable",)


@dataclass(frozen=True, eq=False)
class JudgedTensor:
    """Elastic constants of one material in one variant, shape (6, 6), eV/Å³, beside DFT's moduli.

    Raises
    ------
    DataError
        If constants are not finite; names the material.
    """

    material: ElasticComparison
    variant: str
    constants: FloatArray

    def __post_init__(self) -> None:
        if not np.isfinite(self.constants).all():
            raise DataError(f"material {self.material.name!r}: elastic constants are not finite")

    @property
    def is_stable(self) -> bool:
        """Whether every strain costs energy."""
        return is_stable(self.constants)

    def rank(self) -> float:
        """Of an unstable crystal, below all moduli."""
        return NAN if self.is_stable else -np.inf

    @cached_property
    def moduli(self) -> dict[str, float]:
        """Voigt-Reuss-Hill averages by kind, GPa; nan for an unstable crystal."""
        # Averages of an unstable crystal have no meaning: Reuss's may even diverge.
        if not self.is_stable:
            return {"bulk": NAN, "shear": NAN}
        averages = moduli(self.constants)
        return {"bulk": averages.bulk / GPA, "shear": averages.shear / GPA}

    @property
    def dft(self) -> dict[str, float]:
        """DFT's; nan without a reference."""
        reference = self.material.reference
        if reference is None:
            return {"bulk": NAN, "shear": NAN}
        return {"bulk": reference.bulk / GPA, "shear": reference.shear / GPA}

    @property
    def residual(self) -> float:
        """Share of the stresses that the constants do not explain."""
        own = self.material
        return own.fixed_residual if self.variant == FIXED else own.relaxed_residual

    @property
    def lowest_eigenvalue(self) -> float:
        """Of the elastic constants in Kelvin's and Mandel's form, GPa; the same in all axes."""
        return lowest_eigenvalue(self.constants) / GPA


def judged(material: ElasticComparison, variant: str) -> JudgedTensor | None:
    """What metrics are made of; ``None`` for a variant without constants."""
    constants = material.constants(variant)
    return None if constants is None else JudgedTensor(material, variant, constants)


def scan(seen: JudgedTensor) -> AmplitudeScan | None:
    """Of the fixed cell."""
    return seen.material.scan if seen.variant == FIXED else None


def amplitude(crystals: Sequence[JudgedTensor]) -> str:
    """Strains, in words."""
    strains = sorted({each.material.strain for each in crystals})
    return ", ".join(f"strain {100 * strain:g} %" for strain in strains)
