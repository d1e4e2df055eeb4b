"""Relaxed structures: each kept as it comes, all written in the order of the input."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import ase.io
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from umlip_bench.engine.relaxation import Relaxed
from umlip_bench.ground.errors import JournalError, UmlipBenchError
from umlip_bench.ground.files import write_atomically
from umlip_bench.ground.identity import identity
from umlip_bench.ground.journal import Journal
from umlip_bench.ground.lock import Lock

WORK_SUFFIX = ".work"
"""Of the folder beside the file, which relaxations are kept in."""
INDEX, KEY = "index", "key"
"""Entries of a frame's ``info``: its place in the input, and the digest of all it depends on."""

Setting = str | float | bool


@dataclass(frozen=True)
class Relaxation:
    """One relaxed structure as it stands in the file.

    Parameters
    ----------
    frame
        Extended XYZ of one frame, but for its place in the input.
    converged
        Whether the forces are below the criterion.
    """

    frame: str
    converged: bool


def relaxation_key(atoms: Atoms, settings: Mapping[str, Setting]) -> str:
    """Digest of all that a relaxation depends on.

    Parameters
    ----------
    atoms
        The start, with its constraints.
    settings
        The model's identity and what the user can set.
    """
    held = [constraint.todict() for constraint in atoms.constraints]
    return identity("relaxation", atoms, held, settings)


def relaxation_of(relaxed: Relaxed, key: str, settings: Mapping[str, Setting]) -> Relaxation:
    """A relaxed structure as it is kept.

    Parameters
    ----------
    relaxed
        The structure.
    key, settings
        As of `relaxation_key`.
    """
    atoms = relaxed.atoms.copy()
    atoms.set_constraint()
    stress = None if relaxed.stress is None else full_3x3_to_voigt_6_stress(relaxed.stress)
    atoms.calc = SinglePointCalculator(
        atoms, energy=relaxed.energy, forces=relaxed.forces, stress=stress
    )
    atoms.info |= {
        "converged": relaxed.converged,
        "steps": relaxed.steps,
        "residual": relaxed.fmax,
        **settings,
        KEY: key,
    }
    atoms.info.pop(INDEX, None)
    text = io.StringIO()
    ase.io.write(text, atoms, format="extxyz")
    return Relaxation(text.getvalue(), relaxed.converged)


class RelaxedFile:
    """An extended XYZ file of relaxed structures and, beside it, the journal that it is made of.

    Use it as a context. Energy, forces and stress are stored where ASE's reader finds them; `index` (place
    in the input), `converged`, `steps`, `residual` and the settings are in each frame's `info`. The file is
    written when the context ends, also by an error; until then, and after a kill, results are in the
    journal, in the folder of the file's name with ``.work``.

    Parameters
    ----------
    path
        The file; replaced if it was made from the journal beside it.
    settings
        What the results depend on, stored with each of them.
    structures
        The input, each with its place in it.

    Attributes
    ----------
    damaged
        What of an earlier command could not be read and is computed again, a sentence each.

    Raises
    ------
    UmlipBenchError
        If the file is something else, or another process is writing to it.
    """

    def __init__(
        self,
        path: Path,
        settings: Mapping[str, Setting],
        structures: Iterable[tuple[int, Atoms]],
    ) -> None:
        self._path = path
        self.settings = dict(settings)
        self.folder = work = path.with_name(path.name + WORK_SUFFIX)
        if path.exists() and not work.is_dir():
            raise UmlipBenchError(
                f"{path} exists and is no file of relaxed structures with its folder {work.name} beside "
                "it; name another one"
            )
        self._lock = Lock(work / "lock", path, "name another file")
        try:
            self._journal = Journal(work, Relaxation)
        except JournalError:
            self._lock.release()
            raise
        self.keys: Mapping[int, str] = {
            index: relaxation_key(atoms, settings) for index, atoms in structures
        }

    @property
    def damaged(self) -> tuple[str, ...]:
        """See the class."""
        return self._journal.damaged

    @property
    def done(self) -> frozenset[int]:
        """Places in the input of the structures that are relaxed."""
        return frozenset(k for k, key in self.keys.items() if key in self._journal)

    @property
    def unconverged(self) -> int:
        """How many of these did not converge."""
        found = (self._journal.get(key) for key in self.keys.values())
        return sum(each is not None and not each.converged for each in found)

    def add(self, index: int, relaxed: Relaxed) -> None:
        """Keep one result; it is on disk when this returns."""
        key = self.keys[index]
        self._journal.append(key, relaxation_of(relaxed, key, self.settings))

    def read_again(self) -> None:
        """Take in what other processes have added meanwhile."""
        self._journal.close()
        self._journal = Journal(self.folder, Relaxation)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._write()
        finally:
            self._journal.close()
            self._lock.release()

    def _write(self) -> None:
        """Write all results, in the order of the input."""
        frames = []
        for index, key in sorted(self.keys.items()):
            entry = self._journal.get(key)
            if entry is not None:
                count, comment, rest = entry.frame.split("\n", 2)
                frames.append(f"{count}\n{comment} {INDEX}={index}\n{rest}")
        if frames:
            content = "".join(frames).encode()
            write_atomically(self._path, lambda file: file.write(content))
