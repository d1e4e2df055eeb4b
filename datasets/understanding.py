"""How a user's files were understood: what was read as what, in lines for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from umlip_bench.datasets.cases import ReferenceCase
from umlip_bench.datasets.dataset import Understood
from umlip_bench.datasets.frame import composition
from umlip_bench.datasets.label_names import ASE_NAMES, STANDARD, LabelNames
from umlip_bench.datasets.labels import SYSTEM, geometry_of
from umlip_bench.datasets.paths import PathFrame
from umlip_bench.datasets.readers.result import ROLE, Code, Result
from umlip_bench.datasets.values_table import Table
from umlip_bench.ground.label_reading import LabelReading, StressUnit
from umlip_bench.ground.level_of_theory import LevelOfTheory

NAMED = 8
"""Files that are named; the others are counted."""

FORMS = {
    Code.VASP: "VASP: energies at zero smearing (eV), forces (eV/Å), stress from kbar of VASP's sign",
    Code.ESPRESSO: "pw.x: energies at zero smearing and forces from Ry and bohr, stress of ASE's sign",
    Code.GPAW: "GPAW: energies at zero smearing (eV), forces (eV/Å), stress of ASE's sign",
    Code.EXTXYZ: "extended XYZ",
    Code.ASE: "read by ASE",
    Code.DEEPMD: "DeePMD's arrays, read by dpdata (eV, Å), stress from -virial/volume",
    Code.N2P2: "n2p2's or RuNNer's input.data, without stress",
    Code.PYMATGEN: "pymatgen's entries: uncorrected energy (eV), forces (eV/Å)",
    Code.CHGNET: "CHGNet's JSON: total energies, force (eV/Å), stress from kbar of VASP's sign",
    Code.MATPES: "MatPES's JSON: energy (eV), forces (eV/Å), stress from kbar of VASP's sign, Voigt order",
    Code.JSON: "JSON records: structure, energy (eV), forces (eV/Å)",
    Code.PARQUET: "parquet",
}
"""What each form holds."""


def of_labels(results: Sequence[Result], reading: LabelReading) -> Iterator[Understood]:
    """How many labels of which form there are, and under which names."""
    groups: dict[tuple[Code, str], list[Result]] = {}
    for each in results:
        groups.setdefault((each.code, _names(each)), []).append(each)
    for (code, names), members in groups.items():
        n_files = len({each.where.split(", ")[0] for each in members})
        n_stress = sum(each.stress is not None for each in members)
        stress = "" if n_stress == len(members) else f"; {n_stress} of them have a stress"
        usual = members[0].names
        expected = usual is None or usual.energy in (STANDARD.energy, ASE_NAMES.energy)
        text = (
            f"{len(members)} label{_s(members)} of {n_files} file{'' if n_files == 1 else 's'}, "
            f"{FORMS[code]}{names}{stress}."
        )
        yield Understood(text, expected and reading.virial_key is None)
    if reading.stress_unit is not None and reading.stress_unit is not StressUnit.ASE:
        unit = {StressUnit.GPA: "GPa", StressUnit.VASP: "kbar of VASP's sign"}[reading.stress_unit]
        yield Understood(f"stresses are taken to be in {unit}.", expected=False)


def of_band(name: str, images: Sequence[PathFrame]) -> Understood:
    """What a folder of images of VASP's is taken for."""
    n = sum(bool(np.isfinite(image.energy)) for image in images)
    return Understood(
        f"{name}: a nudged elastic band of VASP's, {len(images)} images, {n} with the energy of their last "
        "step; its forces, with springs in them, are not used.",
        expected=True,
    )


def of_roles(cases: Sequence[ReferenceCase], parts: Sequence[Result]) -> Iterator[Understood]:
    """What structures with roles became."""
    if parts:
        roles = Counter(str(each.atoms.info[ROLE]) for each in parts)
        tasks = Counter(str(case.task) for case in cases)
        given = ", ".join(f"{n} {role}" for role, n in roles.items())
        made = ", ".join(f"{n} of {task}" for task, n in tasks.items())
        yield Understood(f"roles: {given}; cases: {made}.", expected=True)


def system_of(result: Result) -> str:
    """The material that a structure names, else its reduced formula."""
    return str(result.atoms.info.get(SYSTEM) or composition(geometry_of(result.atoms)))


def of_curves(curves: Mapping[str, Sequence[Result]]) -> Iterator[Understood]:
    """Structures that are taken for equations of state, though nothing says so."""
    for system, members in curves.items():
        yield Understood(
            f"{system}: {len(members)} structures of one cell at as many volumes are taken for an equation "
            "of state; role=state says that they are none.",
            expected=False,
        )


def of_table(table: Table, cases: Sequence[ReferenceCase]) -> Understood:
    """What a table of values became."""
    tasks = Counter(str(case.task) for case in cases)
    made = ", ".join(f"{n} of {task}" for task, n in tasks.items()) or "none"
    return Understood(f"{table.told}; cases: {made}.", expected=True)


def of_level(level: LevelOfTheory, by: str) -> Understood:
    """At which level of theory labels are, and what says so."""
    if level.functional == "unknown":
        return Understood(
            "the level of theory is not stated: --functional PBE says it, or a manifest.",
            expected=True,
        )
    return Understood(f"level of theory: {level.in_full}, as {by} says.", expected=True)


def of_skipped(files: Sequence[Path]) -> Iterator[Understood]:
    """Files of a folder that no reader knows."""
    if files:
        named = ", ".join(str(each) for each in files[:NAMED])
        more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
        yield Understood(
            f"{len(files)} file{_s(files)} that hold no labels known here "
            f"{'was' if len(files) == 1 else 'were'} skipped: {named}{more}.",
            expected=True,
        )


def _names(result: Result) -> str:
    names: LabelNames | None = result.names
    if names is None:
        return ""
    text = f": energy from {names.energy}, forces from {names.forces}"
    if result.stress is None:
        return text
    taken = f"-{names.virials[0]}/volume" if names.use_virial else names.stress
    return f"{text}, stress from {taken}"


def _s(several: Sequence[object]) -> str:
    return "" if len(several) == 1 else "s"
