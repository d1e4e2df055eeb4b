"""What a curve says of a crystal without a reference."""

from __future__ import annotations

from collections.abc import Sequence

from umlip_bench.analysis.properties import Property
from umlip_bench.benchmarks.cells import BULK_MODULUS, lattice_properties
from umlip_bench.benchmarks.eos.result import EosComparison, amplitude, judged
from umlip_bench.ground.units import GPA


def properties(material: EosComparison, variant: str) -> Sequence[Property]:
    """Lattice constants, volume, bulk modulus and its derivative, at the minimum of the curve."""
    seen = judged(material, variant)
    if seen is None:
        return ()
    minimum = seen.minimum
    if minimum is None:
        return (Property(key="volume", label="volume V0", text="no minimum"),)
    return (
        *lattice_properties(material.own_cell),
        Property(
            key="volume",
            label="volume V0",
            value=minimum.volume / material.n_atoms,
            unit="Å³/atom",
            digits=3,
        ),
        Property(
            key="bulk_modulus",
            label="bulk modulus B0",
            value=minimum.bulk_modulus / GPA,
            unit="GPa",
            digits=1,
            quantity=BULK_MODULUS,
            measured=f"energies ({amplitude([seen])}, shape and fractional coordinates held)",
        ),
        Property(
            key="bulk_modulus_derivative",
            label="its derivative B0'",
            value=minimum.bulk_modulus_derivative,
        ),
    )
