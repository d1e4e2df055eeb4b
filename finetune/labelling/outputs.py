"""Results of DFT codes on disk: which files they are, and what is in them.

Every reader gives energies extrapolated to zero smearing, forces in eV/Å and stress in eV/Å³ with ASE's
sign (pressure = -trace/3), and refuses a calculation that did not converge.
"""

from __future__ import annotations

import gzip
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.io.formats import UnknownFileTypeError
from ase.io.ulm import InvalidULMFileError
from ase.stress import voigt_6_to_full_3x3_stress
from ase.units import Ry

from umlip_bench.datasets.labels import ENERGY, FORCES, STRESS, from_calculator
from umlip_bench.finetune.labelling.writing import FREE_ENERGY
from umlip_bench.ground.errors import LabelError

HEAD = 20_000
"""Characters in which a text file shows what wrote it."""

FIRST_ORDER = ("fermi-dirac", "gaussian")
"""Smearings of which half of -TS is taken off to come to zero width; for others Quantum ESPRESSO's energy
is near it as it is."""


class Code(StrEnum):
    """What wrote a result."""

    VASP = "vasp"
    ESPRESSO = "qe"
    GPAW = "gpaw"
    EXTXYZ = "extxyz"


@dataclass(frozen=True, eq=False)
class Result:
    """A labelled geometry.

    Parameters
    ----------
    where
        File and, if it has several, ionic step.
    code
        What wrote it.
    atoms
        The geometry as the code had it.
    energy
        eV, extrapolated to zero smearing.
    free_energy
        eV, the one whose gradient the forces are; ``None`` where the file does not tell it apart.
    forces
        Shape (N, 3), eV/Å.
    stress
        Shape (3, 3), eV/Å³, or ``None``.
    """

    where: str
    code: Code
    atoms: Atoms
    energy: float
    free_energy: float | None
    forces: np.ndarray
    stress: np.ndarray | None


@dataclass(frozen=True)
class RefusedResult:
    """A result that must not become a label.

    Parameters
    ----------
    where
        File and, if it has several, ionic step.
    reason
        Why.
    """

    where: str
    reason: str


def find_outputs(path: Path) -> Iterator[tuple[Path, Code]]:
    """Results of DFT codes at a path, or anywhere below it, in the order of their names.

    Of a folder with a result in the standard form (``label.xyz``) GPAW's own text is not read as well.

    Raises
    ------
    LabelError
        If a file that is named is no such result.
    """
    if path.is_file():
        code = code_of(path)
        if code is None:
            raise LabelError(
                f"{path} is no result that can be read: expected vasprun.xml(.gz), output of pw.x, GPAW's "
                "text or *.gpw, or extended XYZ with labels"
            )
        yield path, code
        return
    if not path.is_dir():
        raise LabelError(f"{path}: no such file or folder")
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        code = code_of(file)
        if code is None or any(part.endswith(".work") for part in file.parts):
            continue
        if code is Code.EXTXYZ and not _has_labels(file):
            continue
        if code is Code.GPAW and (file.with_name("label.xyz")).exists():
            continue
        yield file, code


def code_of(path: Path) -> Code | None:
    """What wrote a file, by its name, else by its first lines."""
    name = path.name.lower()
    if "vasprun" in name and name.endswith((".xml", ".xml.gz")):
        return Code.VASP
    if name.endswith((".xyz", ".extxyz")):
        return Code.EXTXYZ
    if name.endswith(".gpw"):
        return Code.GPAW
    if name.endswith((".out", ".pwo", ".txt", ".log")):
        head = _text(path)[:HEAD]
        if "Program PWSCF" in head:
            return Code.ESPRESSO
        if "|__ |  _|___|_____|" in head:
            return Code.GPAW
    return None


def read_output(path: Path, code: Code) -> list[Result | RefusedResult]:
    """Every labelled geometry of a file, and every one that was refused; a file cut off is refused."""
    readers: dict[Code, Callable[[Path], Iterator[Result | RefusedResult]]] = {
        Code.VASP: _read_vasp,
        Code.ESPRESSO: _read_espresso,
        Code.GPAW: _read_gpaw,
        Code.EXTXYZ: _read_extxyz,
    }
    try:
        return list(readers[code](path))
    # What ASE's readers and the XML parser raise on files that were cut off or are something else.
    except (
        AssertionError,
        AttributeError,
        EOFError,
        OSError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        SyntaxError,
        RuntimeError,
        UnknownFileTypeError,
        InvalidULMFileError,
    ) as error:
        return [
            RefusedResult(
                str(path),
                f"not readable as a finished calculation ({type(error).__name__}: {error})",
            )
        ]


def _read_vasp(path: Path) -> Iterator[Result | RefusedResult]:
    """Ionic steps of a vasprun.xml; self-consistency is judged as pymatgen does, by NELM."""
    electronic, most = _vasp_electronic_steps(path)
    steps = ase.io.read(path, index=":", format="vasp-xml")
    for k, atoms in enumerate(steps):
        where = str(path) if len(steps) == 1 else f"{path}, ionic step {k}"
        if k >= len(electronic):
            yield RefusedResult(where, "the calculation was cut off")
        elif electronic[k] >= most:
            yield RefusedResult(
                where,
                f"not self-consistent: {electronic[k]} electronic steps of at most {most} (NELM); raise NELM "
                "or change ALGO",
            )
        else:
            yield _from_calculator(where, Code.VASP, atoms)


def _vasp_electronic_steps(path: Path) -> tuple[list[int], int]:
    """Electronic steps of each finished ionic step, and NELM; of a file cut off, as far as it goes."""
    opened = gzip.open if path.name.endswith(".gz") else open
    counts: list[int] = []
    most = 60  # VASP's default
    with opened(path, "rb") as stream:
        try:
            for _, element in ElementTree.iterparse(stream):
                if element.tag == "calculation":
                    counts.append(len(element.findall("scstep")))
                    element.clear()
                elif element.tag == "i" and element.get("name") == "NELM":
                    most = int(str(element.text))
        except ElementTree.ParseError:
            pass
    return counts, most


def _read_espresso(path: Path) -> Iterator[Result | RefusedResult]:
    text = _text(path)
    if "convergence NOT achieved" in text:
        yield RefusedResult(
            str(path),
            "not self-consistent (convergence NOT achieved); raise electron_maxstep or lower mixing_beta",
        )
        return
    if "JOB DONE" not in text:
        yield RefusedResult(str(path), "the calculation was cut off (no JOB DONE)")
        return
    steps = ase.io.read(path, index=":", format="espresso-out")
    smearing = re.search(r"number of k points=\s*\d+\s+(.*?)\s*smearing", text)
    first_order = smearing is not None and smearing.group(1).strip().lower() in FIRST_ORDER
    entropies = [
        float(x) * Ry for x in re.findall(r"smearing contrib\. \(-TS\)\s*=\s*(\S+) Ry", text)
    ]
    for k, atoms in enumerate(steps):
        where = str(path) if len(steps) == 1 else f"{path}, ionic step {k}"
        result = _from_calculator(where, Code.ESPRESSO, atoms)
        if isinstance(result, Result) and first_order and len(entropies) == len(steps):
            free = result.energy
            # F = E - TS; energies at zero width lie halfway between the two.
            yield Result(
                where,
                Code.ESPRESSO,
                result.atoms,
                free - 0.5 * entropies[k],
                free,
                result.forces,
                result.stress,
            )
        else:
            yield result


def _read_gpaw(path: Path) -> Iterator[Result | RefusedResult]:
    binary = path.suffix.lower() == ".gpw"
    if not binary:
        text = _text(path)
        if "Did not converge" in text or "Converged after" not in text:
            yield RefusedResult(str(path), "not self-consistent, or cut off; raise maxiter")
            return
    steps = ase.io.read(path, index=":", format="gpw" if binary else "gpaw-out")
    for k, atoms in enumerate(steps):
        where = str(path) if len(steps) == 1 else f"{path}, step {k}"
        yield _from_calculator(where, Code.GPAW, atoms)


def _read_extxyz(path: Path) -> Iterator[Result | RefusedResult]:
    for k, atoms in enumerate(ase.io.iread(path, index=":", format="extxyz")):
        where = f"{path}, frame {k}"
        if FORCES in atoms.arrays:
            yield _from_keys(where, atoms)
        else:
            yield _from_calculator(where, Code.EXTXYZ, atoms)


def _has_labels(path: Path) -> bool:
    """Whether extended XYZ has labels: a folder also holds the frames that are to be labelled."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        stream.readline()
        comment = stream.readline()
    return FORCES in comment or ":forces:R:3" in comment


def _from_keys(where: str, atoms: Atoms) -> Result | RefusedResult:
    if ENERGY not in atoms.info:
        return RefusedResult(where, f"{FORCES} without {ENERGY}")
    stress = atoms.info.get(STRESS)
    free = atoms.info.get(FREE_ENERGY)
    # pbe-mini's and GPAW scripts' frames say which code wrote them; others may be anyone's.
    code = Code.GPAW if str(atoms.info.get("code", "")).startswith("gpaw") else Code.EXTXYZ
    return _checked(
        Result(
            where,
            code,
            atoms,
            float(atoms.info[ENERGY]),
            None if free is None else float(free),
            np.asarray(atoms.arrays[FORCES], dtype=float),
            None if stress is None else _full(np.asarray(stress, dtype=float)),
        )
    )


def _from_calculator(where: str, code: Code, atoms: Atoms) -> Result | RefusedResult:
    free = None if atoms.calc is None else atoms.calc.results.get("free_energy")
    labelled = from_calculator(atoms)
    if ENERGY not in labelled.info or FORCES not in labelled.arrays:
        lacks = "energy" if ENERGY not in labelled.info else "forces"
        return RefusedResult(where, f"it has no {lacks}")
    stress = labelled.info.get(STRESS)
    return _checked(
        Result(
            where,
            code,
            atoms,
            labelled.info[ENERGY],
            None if free is None else float(free),
            labelled.arrays[FORCES],
            None if stress is None else _full(stress),
        )
    )


def _checked(result: Result) -> Result | RefusedResult:
    values = [np.array(result.energy), result.forces]
    if result.stress is not None:
        values.append(result.stress)
    if not all(np.isfinite(value).all() for value in values):
        return RefusedResult(result.where, "it holds numbers that are not finite")
    return result


def _full(stress: np.ndarray) -> np.ndarray:
    if stress.shape == (6,):
        return np.asarray(voigt_6_to_full_3x3_stress(stress))
    return stress.reshape(3, 3)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
