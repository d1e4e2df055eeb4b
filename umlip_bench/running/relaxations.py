"""Relaxed structures on disk: written as they come, in order in the end, never computed twice."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import ase.io
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from umlip_bench.engine.relaxation import Relaxed
from umlip_bench.ground.errors import UmlipBenchError

INDEX = "index"
"""Key of a structure's place in the input."""

Setting = str | float | bool


@dataclass(frozen=True)
class _Place:
    """Where a frame lies in the file, in bytes."""

    start: int
    stop: int


class RelaxedFile:
    """An extended XYZ file that relaxed structures are added to; use it as a context.

    Energy, forces and stress are stored where ASE's reader finds them; `index` (place in the input),
    `converged`, `steps`, `fmax` and the settings are in each frame's `info`. A file of an interrupted
    run is taken up again: what it holds is in `done`, a frame that was cut off is dropped.

    Parameters
    ----------
    path
        The file; made if it is not there.
    settings
        What the results depend on, stored with each of them.

    Raises
    ------
    UmlipBenchError
        If the file holds something else, or results of other settings.
    """

    def __init__(self, path: Path, settings: Mapping[str, Setting]) -> None:
        self._path = path
        self._settings = dict(settings)
        self._places: dict[int, _Place] = {}
        self._end = self._read() if path.exists() else 0
        self._stream = path.open("r+b" if path.exists() else "w+b")
        self._stream.truncate(self._end)
        self._stream.seek(self._end)

    @property
    def done(self) -> frozenset[int]:
        """Places in the input of the structures in the file."""
        return frozenset(self._places)

    def add(self, index: int, relaxed: Relaxed) -> None:
        """Append one result and see to it that it is on disk."""
        atoms = relaxed.atoms.copy()
        atoms.set_constraint()
        stress = None if relaxed.stress is None else full_3x3_to_voigt_6_stress(relaxed.stress)
        atoms.calc = SinglePointCalculator(
            atoms, energy=relaxed.energy, forces=relaxed.forces, stress=stress
        )
        atoms.info |= {
            INDEX: index,
            "converged": relaxed.converged,
            "steps": relaxed.steps,
            "residual": relaxed.fmax,
            **self._settings,
        }
        text = io.StringIO()
        ase.io.write(text, atoms, format="extxyz")
        content = text.getvalue().encode()
        self._stream.write(content)
        self._stream.flush()
        self._places[index] = _Place(self._end, self._end + len(content))
        self._end += len(content)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if list(self._places) != sorted(self._places):
            self._sort()
        os.fsync(self._stream.fileno())
        self._stream.close()

    def _sort(self) -> None:
        """Bring the frames into the order of the input."""
        ordered = self._path.with_name(self._path.name + ".part")
        with ordered.open("wb") as out:
            for index in sorted(self._places):
                place = self._places[index]
                self._stream.seek(place.start)
                out.write(self._stream.read(place.stop - place.start))
        ordered.replace(self._path)

    def _read(self) -> int:
        """Find the frames and return where the last whole one ends."""
        end = 0
        with self._path.open("rb") as stream:
            while True:
                lines = [stream.readline()]
                if not lines[0].strip().isdigit():
                    if lines[0].endswith(b"\n"):
                        raise self._foreign()
                    return end
                lines += [stream.readline() for _ in range(int(lines[0]) + 1)]
                if not lines[-1].endswith(b"\n"):
                    return end
                self._take(b"".join(lines), end)
                end = stream.tell()

    def _take(self, content: bytes, start: int) -> None:
        try:
            info = ase.io.read(io.StringIO(content.decode()), format="extxyz").info
        except (ValueError, KeyError, IndexError, OSError) as error:
            raise self._foreign() from error
        if INDEX not in info:
            raise self._foreign()
        for name, value in self._settings.items():
            if info.get(name) != value:
                raise UmlipBenchError(
                    f"{self._path} holds relaxations with {name} {info.get(name)}, asked for is {value}; "
                    "name another file, or give the settings of the first run to go on with it"
                )
        self._places[int(info[INDEX])] = _Place(start, start + len(content))

    def _foreign(self) -> UmlipBenchError:
        return UmlipBenchError(
            f"{self._path} exists and is no file of relaxed structures; name another one"
        )
