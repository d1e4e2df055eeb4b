"""Six frames of MgO in the forms that people have labels in, each written by the tool that writes it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import ase.db
import ase.io
import dpdata
import numpy as np
import pandas as pd
from ase import Atoms
from ase.calculators.morse import MorsePotential
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import Bohr, GPa, Hartree, create_units
from monty.serialization import dumpfn
from pymatgen.core import Structure
from pymatgen.entries.computed_entries import ComputedStructureEntry

from tests.support.narrowing import some
from umlip_bench import datasets
from umlip_bench.datasets.frame import Frame

KBAR = -0.1 * GPa
"""eV/Å³ of ASE's sign in a kbar of VASP's."""


def frames() -> list[Frame]:
    """The five states of the embedded set, eight atoms each, and the first again with its axes exchanged."""
    mini = list(datasets.load("pbe-mini").by_system()["MgO"])
    first, turn = mini[0], np.roll(np.eye(3), 1, axis=0)
    atoms = first.atoms.copy()
    atoms.set_cell(first.atoms.cell.array @ turn)
    atoms.positions = first.atoms.positions @ turn
    stress = turn.T @ some(first.stress) @ turn
    return [*mini, Frame(atoms, first.energy, first.forces @ turn, stress, "MgO", len(mini))]


class Bonds(MorsePotential):
    """A pair potential with the bond length of MgO, whose forces point along DFT's."""

    def __init__(self) -> None:
        super().__init__(r0=2.1, epsilon=1.0, rho0=4.0, rcut1=2.6, rcut2=2.9)


@dataclass(frozen=True)
class Form:
    """How a form is written.

    Parameters
    ----------
    write
        Writes frames into a folder and gives what a user would name.
    options
        Of commands, that say what the form does not.
    stress
        Whether it holds one.
    atol
        To which its numbers are held: their decimals.
    """

    write: Callable[[Path, list[Frame]], Path]
    options: tuple[str, ...] = ()
    stress: bool = True
    atol: float = 1e-7
    note: Mapping[str, str] = field(default_factory=dict)


def calculated(frame: Frame) -> Atoms:
    """With ASE's results."""
    atoms = frame.atoms.copy()
    atoms.info = {}
    stress = full_3x3_to_voigt_6_stress(some(frame.stress))
    atoms.calc = SinglePointCalculator(
        atoms, energy=frame.energy, forces=frame.forces, stress=stress
    )
    return atoms


def keyed(
    energy: str, forces: str, stress: str, factor: Callable[[Frame], float] | float = 1.0
) -> Callable[[Path, list[Frame]], Path]:
    """Extended XYZ with these names; the stress is multiplied by a factor."""

    def write(folder: Path, labels: list[Frame]) -> Path:
        out = []
        for frame in labels:
            atoms = frame.atoms.copy()
            times = factor(frame) if callable(factor) else factor
            atoms.info = {energy: frame.energy, stress: times * some(frame.stress)}
            atoms.arrays[forces] = frame.forces
            out.append(atoms)
        ase.io.write(folder / "my.xyz", out, format="extxyz")
        return folder / "my.xyz"

    return write


def minus_volume(frame: Frame) -> float:
    return -float(frame.atoms.get_volume())


def by_ase(name: str) -> Callable[[Path, list[Frame]], Path]:
    """What `ase.io.write` makes of frames with a calculator's results."""

    def write(folder: Path, labels: list[Frame]) -> Path:
        path = folder / name
        ase.io.write(path, [calculated(frame) for frame in labels])
        return path

    return write


def database(name: str, **options: bool) -> Callable[[Path, list[Frame]], Path]:
    def write(folder: Path, labels: list[Frame]) -> Path:
        with ase.db.connect(folder / name, **options) as connection:
            for frame in labels:
                connection.write(calculated(frame))
        return folder / name

    return write


def named_rows(folder: Path, labels: list[Frame]) -> Path:
    """A database whose rows have labels under names of their own."""
    with ase.db.connect(folder / "my.db") as connection:
        for frame in labels:
            data = {"DFT_forces": frame.forces, "DFT_stress": frame.stress}
            atoms = frame.atoms.copy()
            connection.write(atoms, DFT_energy=frame.energy, data=data)
    return folder / "my.db"


def gpumd(folder: Path, labels: list[Frame]) -> Path:
    """GPUMD's train.xyz: keywords in small letters, ``force`` and a virial."""
    lines = []
    for frame in labels:
        virial = -frame.atoms.get_volume() * some(frame.stress)
        numbers = {"lattice": frame.atoms.cell.array, "virial": virial}
        texts = [f'{k}="{" ".join(f"{x:.10f}" for x in v.ravel())}"' for k, v in numbers.items()]
        lines += [
            str(len(frame.atoms)),
            f"energy={frame.energy:.10f} {' '.join(texts)} properties=species:S:1:pos:R:3:force:R:3",
        ]
        for atom, force in zip(frame.atoms, frame.forces, strict=True):
            lines.append(
                f"{atom.symbol} " + " ".join(f"{x:.10f}" for x in (*atom.position, *force))
            )
    (folder / "train.xyz").write_text("\n".join(lines) + "\n")
    return folder / "train.xyz"


def by_dpdata(form: str, single: bool = False) -> Callable[[Path, list[Frame]], Path]:
    """DeePMD's folders, which dpdata writes."""

    def write(folder: Path, labels: list[Frame]) -> Path:
        # Atoms of all frames in one order of types, as a system of dpdata has them.
        system = dpdata.LabeledSystem(calculated(labels[0]), fmt="ase/structure")
        for frame in labels[1:]:
            system.append(dpdata.LabeledSystem(calculated(frame), fmt="ase/structure"))
        if single:
            system.to(form, str(folder / "system"))
        else:
            system.to(form, str(folder / "system"), comp_prec=np.float64, set_size=4)
        return folder / "system"

    return write


def n2p2(length: float, energy: float) -> Callable[[Path, list[Frame]], Path]:
    def write(folder: Path, labels: list[Frame]) -> Path:
        lines = []
        for frame in labels:
            lines += ["begin", "comment of MgO"]
            for row in frame.atoms.cell.array / length:
                lines.append("lattice " + " ".join(f"{x:.12f}" for x in row))
            for atom, force in zip(frame.atoms, frame.forces, strict=True):
                position, other = atom.position / length, force / energy * length
                numbers = [" ".join(f"{x:.12f}" for x in each) for each in (position, other)]
                lines.append(f"atom {numbers[0]} {atom.symbol} 0.0 0.0 {numbers[1]}")
            lines += [f"energy {frame.energy / energy:.12f}", "charge 0.0", "end"]
        (folder / "input.data").write_text("\n".join(lines) + "\n")
        return folder / "input.data"

    return write


def structure(frame: Frame) -> Structure:
    return Structure(
        frame.atoms.cell.array,
        frame.atoms.get_chemical_symbols(),
        frame.atoms.positions,
        coords_are_cartesian=True,
    )


def entries(folder: Path, labels: list[Frame]) -> Path:
    """pymatgen's entries, with corrections, and forces and stress as data."""
    made = [
        ComputedStructureEntry(
            structure(frame),
            frame.energy,
            correction=-2.7,
            parameters={"run_type": "GGA"},
            data={"forces": frame.forces.tolist(), "stress": (some(frame.stress) / GPa).tolist()},
            entry_id=f"MgO-{k}",
        )
        for k, frame in enumerate(labels)
    ]
    dumpfn(made, folder / "entries.json")
    return folder / "entries.json"


def chgnet_record(frame: Frame) -> dict[str, object]:
    return {
        "structure": structure(frame).as_dict(),
        "uncorrected_total_energy": frame.energy,
        "corrected_total_energy": frame.energy - 2.7,
        "energy_per_atom": (frame.energy - 2.7) / len(frame.atoms),
        "force": frame.forces.tolist(),
        "stress": (some(frame.stress) / KBAR).tolist(),
        "magmom": [0.0] * len(frame.atoms),
    }


def mptrj(folder: Path, labels: list[Frame]) -> Path:
    """CHGNet's MPtrj: structures by material and frame."""
    nested: dict[str, dict[str, object]] = {"mp-1265": {}, "mp-1266": {}}
    for k, frame in enumerate(labels):
        nested["mp-1265" if k < 4 else "mp-1266"][f"mp-1265-0-{k}"] = chgnet_record(frame)
    (folder / "mptrj.json").write_text(json.dumps(nested))
    return folder / "mptrj.json"


def chgnet_lists(folder: Path, labels: list[Frame]) -> Path:
    """CHGNet's form of one calculation: a list for each label."""
    records = [chgnet_record(frame) for frame in labels]
    lists = {key: [record[key] for record in records] for key in records[0]}
    (folder / "chgnet.json").write_text(json.dumps(lists))
    return folder / "chgnet.json"


def matpes(name: str) -> Callable[[Path, list[Frame]], Path]:
    """MatPES: a list of records, or a record a line; stress in kbar and Voigt order."""

    def write(folder: Path, labels: list[Frame]) -> Path:
        records = [
            {
                "matpes_id": f"matpes-{k}",
                "structure": structure(frame).as_dict(),
                "energy": frame.energy,
                "forces": frame.forces.tolist(),
                "stress": (full_3x3_to_voigt_6_stress(some(frame.stress)) / KBAR).tolist(),
                "functional": "PBE",
                "cohesive_energy_per_atom": -5.0,
            }
            for k, frame in enumerate(labels)
        ]
        by_line = ".jsonl" in name
        text = "\n".join(map(json.dumps, records)) if by_line else json.dumps(records)
        opened = gzip.open if name.endswith(".gz") else open
        with opened(folder / name, "wt", encoding="utf-8") as stream:
            stream.write(text)
        return folder / name

    return write


def plain_records(folder: Path, labels: list[Frame]) -> Path:
    """JSON of nobody's form, whose stress has no unit of its own."""
    records = [
        {
            "structure": structure(frame).as_dict(),
            "energy": frame.energy,
            "forces": frame.forces.tolist(),
            "stress": (some(frame.stress) / GPa).tolist(),
        }
        for frame in labels
    ]
    (folder / "records.json").write_text(json.dumps(records))
    return folder / "records.json"


def parquet(forces: str, stress: str) -> Callable[[Path, list[Frame]], Path]:
    """A table with a row for each structure, as sets on the hub have them."""

    def write(folder: Path, labels: list[Frame]) -> Path:
        rows = [
            {
                "atomic_numbers": frame.atoms.numbers.tolist(),
                "positions": frame.atoms.positions.tolist(),
                "cell": frame.atoms.cell.array.tolist(),
                "pbc": [True] * 3,
                "energy": frame.energy,
                forces: frame.forces.tolist(),
                stress: some(frame.stress).tolist(),
            }
            for frame in labels
        ]
        pd.DataFrame(rows).to_parquet(folder / "part.parquet")
        return folder / "part.parquet"

    return write


def vectors(rows: np.ndarray) -> str:
    return "".join("<v>" + " ".join(f"{x:.12f}" for x in row) + "</v>" for row in rows)


def vasprun_text(labels: list[Frame]) -> str:
    """vasprun.xml by hand: VASP alone writes it."""
    first = labels[0].atoms
    rows = "".join(f"<rc><c>{a.symbol}</c><c>{1 + (a.symbol == 'O')}</c></rc>" for a in first)
    types = "".join(
        f"<rc><c>4</c><c>{s}</c><c>1</c><c>1</c><c>PAW_PBE {s} 2000</c></rc>" for s in ("Mg", "O")
    )

    def cell(atoms: Atoms, name: str = "") -> str:
        return (
            f'<structure{name}><crystal><varray name="basis">{vectors(atoms.cell.array)}</varray>'
            f'</crystal><varray name="positions">{vectors(atoms.get_scaled_positions(wrap=False))}'
            "</varray></structure>"
        )

    steps = ""
    for frame in labels:
        names = ("e_fr_energy", "e_wo_entrp", "e_0_energy")
        energies = "".join(f'<i name="{n}">{frame.energy:.12f}</i>' for n in names)
        steps += (
            f"<calculation><scstep><energy>{energies}</energy></scstep>{cell(frame.atoms)}"
            f'<varray name="forces">{vectors(frame.forces)}</varray>'
            f'<varray name="stress">{vectors(some(frame.stress) / KBAR)}</varray>'
            f"<energy>{energies}</energy></calculation>"
        )
    return (
        "<modeling><incar></incar><kpoints><varray name='kpointlist'><v>0 0 0</v></varray>"
        "<varray name='weights'><v>1.0</v></varray></kpoints><parameters>"
        '<separator name="electronic"><separator name="electronic convergence">'
        '<i type="int" name="NELM">60</i></separator></separator></parameters>'
        f'<atominfo><array name="atoms"><set>{rows}</set></array>'
        f'<array name="atomtypes"><set>{types}</set></array></atominfo>'
        f"{cell(first, ' name=' + chr(34) + 'initialpos' + chr(34))}{steps}</modeling>"
    )


def outcar_text(labels: list[Frame]) -> str:
    """OUTCAR by hand."""
    text = """ vasp.6.4.2 18Apr17 (build Jan 01 2020 00:00:00) complex

 POTCAR:    PAW_PBE Mg 13Apr2007
 POTCAR:    PAW_PBE O 08Apr2002
 POTCAR:    PAW_PBE Mg 13Apr2007
 POTCAR:    PAW_PBE O 08Apr2002
   VRHFIN =Mg: d10 p1
   TITEL  = PAW_PBE Mg 13Apr2007
   VRHFIN =O: s2p4
   TITEL  = PAW_PBE O 08Apr2002

   ions per type =               4   4

   NELM   =     60;   NELMIN=  2; NELMDL= -5     # of ELM steps
   NSW    =      0    number of steps for IOM
   IBRION =     -1    ionic relax: 0-MD 1-quasi-New 2-CG
   GGA     =    --    GGA type
   LHFCALC =     F    Hartree Fock is set to
"""
    for k, frame in enumerate(labels):
        # Elements in blocks, as of a POTCAR.
        order = np.argsort(-frame.atoms.numbers, kind="stable")
        xx, yy, zz, yz, xz, xy = full_3x3_to_voigt_6_stress(some(frame.stress)) / KBAR
        text += f"--- Iteration {k + 1:6d}({1:4d})  ---\n"
        lines = [
            "  in kB " + " ".join(f"{x:.9f}" for x in (xx, yy, zz, xy, yz, xz)),
            "      direct lattice vectors                 reciprocal lattice vectors",
            *(" ".join(f"{x:.12f}" for x in (*row, 0, 0, 0)) for row in frame.atoms.cell.array),
            " POSITION                                       TOTAL-FORCE (eV/Angst)",
            " ------------------------------------------------------------------",
            *(
                " ".join(f"{x:.10f}" for x in (*at, *force))
                for at, force in zip(frame.atoms.positions[order], frame.forces[order], strict=True)
            ),
            " ------------------------------------------------------------------",
            "  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)",
            "  ---------------------------------------------------",
            f"  free  energy  TOTEN  = {frame.energy:.10f} eV",
            "",
            f"  energy  without entropy= {frame.energy:.10f}  energy(sigma->0) = {frame.energy:.10f}",
        ]
        text += "\n".join(lines) + "\n"
    return text


def text_of(name: str, made: Callable[[list[Frame]], str]) -> Callable[[Path, list[Frame]], Path]:
    """A text in a file, compressed where its name says so."""

    def write(folder: Path, labels: list[Frame]) -> Path:
        content = made(labels).encode()
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return folder / name

    return write


def folder_of_calculations(folder: Path, labels: list[Frame]) -> Path:
    """A calculation a folder, with the files that lie beside it."""
    for k, frame in enumerate(labels):
        place = folder / "calculations" / f"{k}"
        place.mkdir(parents=True)
        (place / "vasprun.xml").write_text(vasprun_text([frame]))
        (place / "OUTCAR").write_text(outcar_text([frame]))
        (place / "INCAR").write_text("ENCUT = 520\n")
    return folder / "calculations"


def espresso_text(labels: list[Frame]) -> str:
    """Output of pw.x by hand, of several ionic steps."""
    units = create_units("2006")  # ASE reads pw.x by these
    Bohr, Ry = units["Bohr"], units["Ry"]
    first = labels[0].atoms
    alat = first.cell.lengths()[0] / Bohr
    text = f"""
     Program PWSCF v.7.2 starts on  1Jan2026 at 0: 0: 0

     bravais-lattice index     =            0
     lattice parameter (alat)  = {alat:15.10f}  a.u.
     unit-cell volume          = {first.get_volume() / Bohr**3:15.6f} (a.u.)^3
     number of atoms/cell      = {len(first):12d}
     number of atomic types    =            2
     Exchange-correlation= PBE
     celldm(1)= {alat:.10f}

     crystal axes: (cart. coord. in units of alat)
"""
    for k, row in enumerate(first.cell.array / Bohr / alat):
        text += f"               a({k + 1}) = ( {' '.join(f'{x:.10f}' for x in row)} )\n"
    text += (
        "\n     Cartesian axes\n\n     site n.     atom                  positions (alat units)\n"
    )
    for k, atom in enumerate(first):
        numbers = " ".join(f"{x:.12f}" for x in atom.position / Bohr / alat)
        text += f"     {k + 1:5d}        {atom.symbol:4s} tau({k + 1:4d}) = ( {numbers} )\n"
    text += "\n     number of k points=     1\n"
    text += "                       cart. coord. in units 2pi/alat\n"
    text += "        k(    1) = (   0.0000000   0.0000000   0.0000000), wk =   2.0000000\n"
    for k, frame in enumerate(labels):
        if k:
            text += "\nCELL_PARAMETERS (angstrom)\n"
            text += "\n".join(" ".join(f"{x:.12f}" for x in r) for r in frame.atoms.cell.array)
            text += "\n\nATOMIC_POSITIONS (angstrom)\n"
            for atom in frame.atoms:
                text += f"{atom.symbol} " + " ".join(f"{x:.12f}" for x in atom.position) + "\n"
        text += f"\n!    total energy              = {frame.energy / Ry:.12f} Ry\n"
        text += "\n     Forces acting on atoms (cartesian axes, Ry/au):\n\n"
        for j, force in enumerate(frame.forces / Ry * Bohr):
            numbers = " ".join(f"{x:.12f}" for x in force)
            text += f"     atom {j + 1:4d} type  1   force = {numbers}\n"
        text += "\n     Total force =     0.0\n\n"
        text += "     total   stress  (Ry/bohr**3)                   (kbar)     P=        0.00\n"
        for row in -some(frame.stress) / Ry * Bohr**3:
            text += " ".join(f"{x:.12f}" for x in row) + "   0.0 0.0 0.0\n"
        text += "\n"
    return text + "\n   JOB DONE.\n"


METAL, ATOMIC = ("--units", "metal"), ("--units", "atomic")
FORMS = {
    "REF_": Form(keyed("REF_energy", "REF_forces", "REF_stress")),
    "extxyz of ASE": Form(by_ase("my.xyz")),
    ".extxyz of ASE": Form(by_ase("my.extxyz")),
    "DFT_": Form(keyed("DFT_energy", "DFT_forces", "DFT_stress")),
    "dft_ of GAP": Form(
        keyed("dft_energy", "dft_force", "dft_virial", minus_volume),
        ("--virial-key", "dft_virial"),
    ),
    "MACE_": Form(keyed("MACE_energy", "MACE_forces", "MACE_stress")),
    "MACE_ virials": Form(
        keyed("REF_energy", "REF_forces", "REF_virials", minus_volume),
        ("--virial-key", "REF_virials"),
    ),
    "TotEnergy of MTP": Form(
        keyed("TotEnergy", "force", "virial", minus_volume), ("--virial-key", "virial")
    ),
    "own names": Form(
        keyed("E", "F", "S"), ("--energy-key", "E", "--forces-key", "F", "--stress-key", "S")
    ),
    "stress in GPa": Form(
        keyed("energy", "forces", "REF_pressure", 1 / GPa),
        ("--stress-key", "REF_pressure", "--stress-unit", "gpa"),
    ),
    "stress in VASP's kbar": Form(
        keyed("DFT_energy", "DFT_forces", "DFT_stress", 1 / KBAR), ("--stress-unit", "vasp")
    ),
    "train.xyz of GPUMD": Form(gpumd, ("--virial-key", "virial")),
    "traj": Form(by_ase("my.traj")),
    "ASE json": Form(by_ase("my.json")),
    "ASE db": Form(database("my.db")),
    "ASE json db": Form(database("rows.json")),
    "db with names": Form(named_rows),
    "aselmdb of fairchem": Form(database("data.aselmdb")),
    "bundle of columns": Form(parquet("forces", "stress")),
    "parquet of ColabFit": Form(parquet("atomic_forces", "cauchy_stress")),
    "deepmd/npy": Form(by_dpdata("deepmd/npy")),
    "deepmd/npy/mixed": Form(by_dpdata("deepmd/npy/mixed")),
    "deepmd/raw": Form(by_dpdata("deepmd/raw", single=True), atol=1e-6),
    "n2p2 in eV": Form(n2p2(1.0, 1.0), METAL, stress=False),
    "RuNNer in hartree": Form(n2p2(Bohr, Hartree), ATOMIC, stress=False),
    "ComputedStructureEntry": Form(entries, ("--stress-unit", "gpa")),
    "MPtrj of CHGNet": Form(mptrj),
    "lists of CHGNet": Form(chgnet_lists),
    "MatPES json": Form(matpes("matpes.json")),
    "MatPES json.gz": Form(matpes("matpes.json.gz")),
    "MatPES jsonl": Form(matpes("matpes.jsonl")),
    "records": Form(plain_records, ("--stress-unit", "gpa")),
    "vasprun.xml": Form(text_of("vasprun.xml", vasprun_text)),
    "vasprun.xml.gz": Form(text_of("vasprun.xml.gz", vasprun_text)),
    "OUTCAR": Form(text_of("OUTCAR", outcar_text), atol=1e-6),
    "OUTCAR.gz": Form(text_of("OUTCAR.gz", outcar_text), atol=1e-6),
    "folder of VASP": Form(folder_of_calculations),
    "pw.x": Form(text_of("pw.out", espresso_text), atol=1e-6),
}
"""By name; the standard form is the first."""
