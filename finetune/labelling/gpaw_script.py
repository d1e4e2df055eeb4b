"""A GPAW script for each frame, to run where GPAW is, without this package."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms

from umlip_bench.finetune.labelling.settings import GpawSettings, starting_moments

SCRIPT = "run.py"
GEOMETRY = "frame.xyz"
TEMPLATE = '''\
"""A PBE single point with GPAW: python run.py, or mpiexec -n 8 gpaw python run.py."""

from pathlib import Path

import ase.io
from gpaw import GPAW, PW, FermiDirac

atoms = ase.io.read("frame.xyz")
{magnetism}atoms.calc = GPAW(
    mode=PW({cutoff!r}),
    xc="PBE",
    kpts={{"density": {density!r}, "gamma": True}},
    occupations=FermiDirac({smearing!r}),
    convergence={{"energy": 1e-5}},
    maxiter={max_iterations!r},
    txt="gpaw.txt",
)
label = atoms.copy()
label.info["REF_energy"] = atoms.get_potential_energy()  # eV, extrapolated to zero smearing
label.info["REF_free_energy"] = atoms.get_potential_energy(force_consistent=True)
label.arrays["REF_forces"] = atoms.get_forces()  # eV/Å
label.info["REF_stress"] = atoms.get_stress(voigt=False).ravel()  # eV/Å³, pressure = -trace/3
label.info["code"] = "gpaw"
ase.io.write("label.part", label, format="extxyz")
Path("label.part").rename("label.xyz")
'''


def write_inputs(folder: Path, atoms: Atoms, settings: GpawSettings) -> None:
    """Write the script and the geometry that it reads into a folder.

    Parameters
    ----------
    folder
        An existing folder.
    atoms
        The frame; its ``info`` goes along.
    settings
        Of the single point.
    """
    frame = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    frame.info = {key: atoms.info[key] for key in ("system", "frame") if key in atoms.info}
    ase.io.write(folder / GEOMETRY, frame, format="extxyz")
    moments = starting_moments(atoms, settings.spin)
    magnetism = ""
    if moments is not None:
        numbers = [float(x) for x in np.round(moments, 6)]
        magnetism = f"atoms.set_initial_magnetic_moments({numbers})\n"
    text = TEMPLATE.format(
        magnetism=magnetism,
        cutoff=settings.cutoff,
        density=settings.kpoint_density,
        smearing=settings.smearing,
        max_iterations=settings.max_iterations,
    )
    (folder / SCRIPT).write_text(text, encoding="utf-8")
