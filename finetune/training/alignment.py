"""The zero of the labels' energies against the model's.

Energies of another code, other pseudopotentials, or without the corrections that the model was trained
with (MP2020) differ from the model's by a constant for each composition. The constants are taken off by
one offset per element, fitted by least squares to label minus model; of offsets that do equally well, as
where all labels have one composition, the smallest ones.

The rule for the loss: energies enter it if more labels have one than there are independent compositions.
Otherwise the offsets take up every energy, nothing is left to learn from, and only forces and stress are
trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from umlip_bench.finetune.factors import FloatArray
from umlip_bench.potentials.graph import N_ELEMENTS


class EnergyUse(StrEnum):
    """What became of the labels' energies."""

    OFFSETS = "one offset per element"
    CONSTANTS = "a constant for each composition"
    NONE = "forces and stress only"


@dataclass(frozen=True)
class Alignment:
    """Offsets between labels and model.

    Parameters
    ----------
    use
        `EnergyUse.OFFSETS` where the labels determine an offset for each element, ``CONSTANTS`` where they
        determine only combinations of them; ``NONE`` where energies are not trained on.
    reason
        Why, in words.
    offsets
        In eV by element, label minus model; empty if no label has an energy.
    n_energies
        Labels with an energy.
    n_compositions
        Independent compositions among them (the rank of the matrix of element counts).
    """

    use: EnergyUse
    reason: str
    offsets: dict[str, float]
    n_energies: int
    n_compositions: int

    def of(self, atoms: Atoms) -> float:
        """Offset of a structure in eV; elements that no label holds have none."""
        return sum(self.offsets.get(symbol, 0.0) for symbol in atoms.get_chemical_symbols())

    def by_number(self) -> FloatArray:
        """Offsets by atomic number, shape (119,), eV."""
        offsets = np.zeros(N_ELEMENTS)
        for number, symbol in enumerate(chemical_symbols):
            offsets[number] = self.offsets.get(symbol, 0.0)
        return offsets


def align(
    structures: Sequence[Atoms], labels: Sequence[float], model: Sequence[float]
) -> Alignment:
    """Fit offsets.

    Parameters
    ----------
    structures
        Of the labels that are trained on.
    labels
        DFT's energies in eV; nan where there is none.
    model
        The model's energies in eV.
    """
    known = [k for k, energy in enumerate(labels) if not np.isnan(energy)]
    if not known:
        return Alignment(EnergyUse.NONE, "no label has an energy", {}, 0, 0)
    symbols = sorted({s for k in known for s in structures[k].get_chemical_symbols()})
    counts = np.array(
        [[structures[k].get_chemical_symbols().count(s) for s in symbols] for k in known], float
    )
    # Energies per atom: a large cell is one label like any other.
    sizes = counts.sum(axis=1, keepdims=True)
    differences = np.array([labels[k] - model[k] for k in known])[:, None] / sizes
    solution, _, rank, _ = np.linalg.lstsq(counts / sizes, differences, rcond=1e-8)
    offsets = dict(zip(symbols, map(float, solution[:, 0]), strict=True))
    n, rank = len(known), int(rank)
    if n <= rank:
        reason = (
            f"{n} label{'' if n == 1 else 's'} with an energy of {rank} independent "
            f"composition{'' if rank == 1 else 's'}: offsets take up every energy"
        )
        return Alignment(EnergyUse.NONE, reason, offsets, n, rank)
    determined = rank == len(symbols)
    reason = (
        f"{n} labels with an energy, {rank} independent composition{'' if rank == 1 else 's'} of "
        f"{len(symbols)} element{'' if len(symbols) == 1 else 's'}"
    )
    use = EnergyUse.OFFSETS if determined else EnergyUse.CONSTANTS
    return Alignment(use, reason, offsets, n, rank)
