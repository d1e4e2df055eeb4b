"""All-electron equations of state of the elements (Delta project; WIEN2k, PBE), from ASE itself.

71 elements in or near their stable structures, spin-polarised where those are magnetic: Fe, Co and Ni
ferromagnetic, O, Cr and Mn (a cell of two atoms) antiferromagnetic. DFT scaled the cells without change
of shape or internal coordinates, and so must a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ase import Atoms
from ase.collections import dcdft
from ase.units import GPa

from umlip_bench.datasets.cases import EosCase, Preparation
from umlip_bench.ground.level_of_theory import LevelOfTheory


def cases(folder: Path, level: LevelOfTheory) -> Iterator[EosCase]:
    """One case per element; `folder` is not read."""
    for element in dcdft.names:
        stored = dcdft[element]
        published = dcdft.data[element]
        # Published per atom; the stored cells are near, but not at, the equilibrium volume.
        volume = published["wien2k_volume"] * len(stored)
        scale = (volume / stored.get_volume()) ** (1 / 3)
        yield EosCase(
            name=element,
            system=element,
            level_of_theory=level,
            preparation=Preparation.RELAXED,
            atoms=Atoms(
                numbers=stored.numbers,
                scaled_positions=stored.get_scaled_positions(wrap=False),
                cell=stored.cell * scale,
                pbc=True,
            ),
            volume=volume,
            bulk_modulus=published["wien2k_B"] * GPa,
            bulk_modulus_derivative=published["wien2k_Bp"],
        )
