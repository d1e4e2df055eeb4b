"""Labels on disk: which files hold some, and one contract for reading all of them.

`read_labels` yields, for each geometry of a file, a `Result` or a `RefusedResult` with the reason; nothing is
left out unseen, and one bad geometry does not take the others with it. Every reader gives energies
extrapolated to zero smearing, forces in eV/Å and stress in eV/Å³ with ASE's sign (pressure = -trace/3), and
refuses a calculation that did not converge and a structure that `ground.structures.check_input` refuses.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from umlip_bench.datasets.label_names import KNOWN
from umlip_bench.datasets.readers import (
    deepmd,
    espresso,
    gpaw,
    json_files,
    n2p2,
    outcar,
    parquet,
    vasp,
    xyz,
)
from umlip_bench.datasets.readers.result import Code, Read, RefusedResult, Result
from umlip_bench.datasets.readers.vasp_settings import BAND, OF_BAND
from umlip_bench.ground.errors import DataError, LabelError
from umlip_bench.ground.files import files_below
from umlip_bench.ground.label_reading import AS_FOUND, LabelReading
from umlip_bench.ground.structures import READER_ERRORS, check_content

__all__ = [
    "EXPECTED",
    "Code",
    "RefusedResult",
    "Result",
    "code_of",
    "find_labels",
    "of_bands",
    "read_labels",
    "sources_of",
    "told_elsewhere",
]

HEAD = 20_000
"""Characters in which a text file shows what wrote it."""

DATABASES = (".db", ".aselmdb", ".lmdb")
JSON = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz")

EXPECTED = (
    "vasprun.xml(.gz) or OUTCAR(.gz), output of pw.x (*.out, *.pwo), GPAW's text (*.txt) or *.gpw, extended "
    "XYZ with labels, ASE's *.db, *.traj or *.aselmdb, DeePMD's folders (type.raw), n2p2's input.data, JSON "
    "of pymatgen, CHGNet or MatPES, or *.parquet"
)


def _read_vasp(path: Path) -> Read:
    return outcar.read(path) if _is_outcar(path) else vasp.read(path)


def _of_a_code(reader: Callable[[Path], Read]) -> Callable[[Path, LabelReading], Read]:
    """A reader of a form that says itself what its labels are."""
    return lambda path, _: reader(path)


def _read_with_ase(path: Path, reading: LabelReading) -> Read:
    suffix = path.suffix.lower()
    if suffix == ".traj":
        return xyz.read_trajectory(path, reading)
    return (xyz.read_database if suffix in DATABASES else xyz.read_any)(path, reading)


READERS: dict[Code, Callable[[Path, LabelReading], Read]] = {
    Code.VASP: _of_a_code(_read_vasp),
    Code.ESPRESSO: _of_a_code(espresso.read),
    Code.GPAW: _of_a_code(gpaw.read),
    Code.EXTXYZ: xyz.read,
    Code.ASE: _read_with_ase,
    Code.DEEPMD: _of_a_code(deepmd.read),
    Code.N2P2: n2p2.read,
    Code.PARQUET: parquet.read,
    Code.JSON: json_files.read,
}


def find_labels(path: Path, reading: LabelReading = AS_FOUND) -> Iterator[tuple[Path, Code]]:
    """Files with results at a path, or anywhere below it, in the order of their names.

    What is written of a calculation twice is read once (`told_elsewhere`).

    Raises
    ------
    LabelError
        If a file that is named is no such result.
    """
    if path.is_file():
        code = code_of(path)
        if code is None:
            raise LabelError(f"{path} is no result that can be read: expected {EXPECTED}")
        yield path, code
        return
    if not path.is_dir():
        raise LabelError(f"{path}: no such file or folder")
    for file in files_below(path):
        code = code_of(file)
        if code is None or told_elsewhere(file, code):
            continue
        if code is Code.EXTXYZ and not _has_labels(file, reading):
            continue
        yield file, code


def sources_of(path: Path) -> list[Path]:
    """Files that the labels of one come from: itself, and what belongs to it."""
    return list(deepmd.sources(path)) if path.name.lower() == deepmd.TYPES else [path]


def told_elsewhere(path: Path, code: Code) -> bool:
    """Whether a file of a folder is not to be read, as another one tells the same.

    GPAW's own text lies beside the standard form (``label.xyz``), an OUTCAR beside the vasprun.xml of the
    same calculation, and folders ending in ``.work`` hold what is on the way.
    """
    if any(part.endswith(".work") for part in path.parts):
        return True
    if code is Code.GPAW:
        return path.with_name("label.xyz").exists()
    if not _is_outcar(path):
        return False
    others = (each for each in path.parent.iterdir() if not _is_outcar(each))
    return any(
        code_of(each) is Code.VASP and _calculation(each) == _calculation(path)
        for each in others
        if "vasprun" in each.name.lower()
    )


def _is_outcar(path: Path) -> bool:
    return "outcar" in path.name.lower()


def _calculation(path: Path) -> str:
    """What is left of the name of a file of VASP's without what each has, as ``relax2``."""
    return re.sub(r"vasprun|outcar|xml|gz|[._-]", "", path.name.lower())


def code_of(path: Path) -> Code | None:
    """What wrote a file, by its name, else by its first lines."""
    name = path.name.lower()
    if "vasprun" in name and name.endswith((".xml", ".xml.gz")):
        return Code.VASP
    # Beside it there may be what others make of one: OUTCAR.png, outcar.py.
    if re.fullmatch(r"(.*[._-])?outcar([._-]?[a-z]*\d*)?(\.gz)?", name) and _of_vasp(path):
        return Code.VASP
    if name.endswith((".xyz", ".extxyz")):
        return Code.EXTXYZ
    if name.endswith((".traj", *DATABASES)):
        return Code.ASE
    if name == deepmd.TYPES:
        return Code.DEEPMD
    if name.endswith(".parquet"):
        return Code.PARQUET
    if name.endswith(JSON):
        return Code.JSON if _holds_structures(path) else None
    if name.endswith(".data"):
        return Code.N2P2 if _begins_with(path, "begin") else None
    if name.endswith(".gpw"):
        return Code.GPAW
    if name.endswith((".out", ".pwo", ".txt", ".log")):
        with path.open(encoding="utf-8", errors="replace") as stream:
            head = stream.read(HEAD)
        if "Program PWSCF" in head:
            return Code.ESPRESSO
        if "|__ |  _|___|_____|" in head:
            return Code.GPAW
    return None


def read_labels(
    path: Path, code: Code | None = None, reading: LabelReading = AS_FOUND
) -> list[Result | RefusedResult]:
    """Every labelled geometry of a file, and every one that was refused.

    Parameters
    ----------
    path
        A file.
    code
        What wrote it; ``None`` to tell by `code_of`, and where that knows none, to try ASE's readers.
    reading
        What the user says of its labels.

    Returns
    -------
    list of Result or RefusedResult
        In the file's order. Where reading breaks off, what was read stands and the last entry says why.
    """
    named = Code.JSON if path.name.lower().endswith(JSON) else Code.ASE
    reader = READERS[code or code_of(path) or named]
    found: list[Result | RefusedResult] = []
    try:
        check_content(path)
        found.extend(reader(path, reading))
    except DataError as error:
        said = str(error).removeprefix(str(path)).removeprefix(":").lstrip()
        found.append(RefusedResult(str(path), said))
    except READER_ERRORS as error:
        found.append(
            RefusedResult(
                str(path),
                f"not readable as a finished calculation ({type(error).__name__}: {error})",
            )
        )
    if not found:
        found.append(RefusedResult(str(path), "it holds no labelled geometry"))
    return found


def of_bands(results: Iterable[Result]) -> Iterator[str]:
    """What is to be said of labels that are images of nudged elastic bands, if there are any."""
    n = sum(result.procedure == BAND for result in results)
    if n:
        yield f"forces of {n} labels {OF_BAND}"


def _holds_structures(path: Path) -> bool:
    """Whether JSON begins as that of a structure, a record with one, or a database of ASE's."""
    try:
        head = _head(path)
    except (EOFError, gzip.BadGzipFile):
        return True  # the reader will say that it is damaged
    return any(f'"{key}"' in head for key in ("structure", "lattice", "numbers", "positions"))


def _begins_with(path: Path, word: str) -> bool:
    return _head(path).split(maxsplit=1)[:1] == [word]


def _head(path: Path) -> str:
    opened = gzip.open if path.name.endswith(".gz") else open
    with opened(path, "rb") as stream:
        return stream.read(HEAD).decode(errors="replace")


def _of_vasp(path: Path) -> bool:
    """Whether a text, compressed or not, begins as VASP's OUTCAR."""
    opened = gzip.open if path.name.endswith(".gz") else open
    try:
        with opened(path, "rb") as stream:
            return b"vasp." in stream.read(200)
    except (EOFError, gzip.BadGzipFile):
        return True  # the reader will say that it is damaged


def _has_labels(path: Path, reading: LabelReading) -> bool:
    """Whether extended XYZ has labels: a folder also holds the frames that are to be labelled."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        stream.readline()
        comment = stream.readline()
    columns = {reading.forces_key, *(names.forces for names in KNOWN)}
    return any(f":{column}:R:3" in comment for column in columns)
