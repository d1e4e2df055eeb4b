"""VASP inputs of single points at the Materials Project's settings, without POTCAR contents."""

from __future__ import annotations

import warnings
from importlib.metadata import version
from pathlib import Path

from ase import Atoms
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.vasp.sets import MPMetalRelaxSet, MPRelaxSet, MPStaticSet, VaspInputSet

from umlip_bench.datasets.labels import bare
from umlip_bench.finetune.labelling.settings import VaspSet, VaspSettings, is_metal

NOTE = """\
{set_name} of pymatgen {version}, ions held.
POTCAR: concatenate those of the PBE set named in POTCAR.spec, in its order (`pmg potcar -s ...` where
pymatgen knows your VASP's files). The order of atoms in POSCAR is not that of frames.xyz;
`umlip-finetune collect` puts it right.
"""
METAL_NOTE = """\
All elements are metals: ISMEAR, SIGMA and the density of k-points are those of MPMetalRelaxSet, since forces
with the tetrahedron method (ISMEAR = -5) are wrong in metals.
"""
SIGNIFICANT_FIGURES = 12


def write_inputs(folder: Path, atoms: Atoms, settings: VaspSettings) -> None:
    """Write INCAR, KPOINTS, POSCAR, POTCAR.spec and a note into a folder.

    Parameters
    ----------
    folder
        An existing folder.
    atoms
        The frame.
    settings
        Which set.
    """
    made = input_set(atoms, settings)
    made.incar.write_file(str(folder / "INCAR"))
    made.kpoints.write_file(str(folder / "KPOINTS"))
    made.poscar.write_file(str(folder / "POSCAR"), significant_figures=SIGNIFICANT_FIGURES)
    (folder / "POTCAR.spec").write_text("\n".join(made.potcar_symbols) + "\n", encoding="utf-8")
    note = NOTE.format(set_name=type(made).__name__, version=version("pymatgen"))
    if is_metal(atoms):
        note += METAL_NOTE
    (folder / "NOTE.txt").write_text(note, encoding="utf-8")


def input_set(atoms: Atoms, settings: VaspSettings) -> VaspInputSet:
    """The set of one frame, as pymatgen makes it."""
    # Without moments, which pymatgen would take over in place of the set's.
    structure = AseAtomsAdaptor.get_structure(bare(atoms))
    incar: dict[str, object] = {"NSW": 0, "IBRION": -1, "ISIF": 2, "LWAVE": False, "LCHARG": False}
    kpoints = None
    if is_metal(atoms):
        # What MPMetalRelaxSet changes of MPRelaxSet.
        changes = MPMetalRelaxSet(structure)
        incar |= changes.incar_updates
        kpoints = dict(changes.kpoints_updates)
    kind = {VaspSet.STATIC: MPStaticSet, VaspSet.RELAX: MPRelaxSet}[settings.vasp_set]
    with warnings.catch_warnings():
        # That the set's POTCARs are of an old release, which the models were trained with.
        warnings.simplefilter("ignore")
        return kind(structure, user_incar_settings=incar, user_kpoints_settings=kpoints)
