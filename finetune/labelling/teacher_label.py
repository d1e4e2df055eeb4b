"""Labels from a better potential, the teacher, in place of DFT.

They are said to be a teacher's wherever they go: in each frame, in the manifest beside the file with the
teacher's own error on the embedded DFT set, and in the card of a model that is fitted to them. The level of
theory is that of the teacher's training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from umlip_bench import datasets
from umlip_bench.datasets import manifests
from umlip_bench.datasets.dataset import Manifest
from umlip_bench.datasets.labels import ENERGY, FORCES, STRESS
from umlip_bench.datasets.teacher import Teacher
from umlip_bench.engine import Failed, Static, Task, run_tasks
from umlip_bench.finetune.labelling.labelled import FailedFrame, Labelled
from umlip_bench.finetune.labelling.writing import simple_info, write_labels
from umlip_bench.finetune.retention import REFERENCE_SET, measure_others, other_materials
from umlip_bench.ground.errors import LabelError
from umlip_bench.ground.identity import identity
from umlip_bench.ground.journal import Journal
from umlip_bench.ground.lock import Lock
from umlip_bench.ground.outputs import Output
from umlip_bench.ground.structures import describe
from umlip_bench.potentials.graph import Prediction
from umlip_bench.potentials.protocol import Potential

TEACHER_SUFFIX = ".teacher"
"""Of the folder beside the labels, in which results are kept; not that of DFT labels, which stay."""
JUDGED = "judged"
"""Folder in it of what a teacher's own error is."""
DECIMALS = 8
"""Of positions and cells in Å, as extended XYZ keeps them: labels belong to the geometry that is written."""


@dataclass(frozen=True)
class TeacherPoint:
    """What a teacher gave for a frame; forces and stress are arrays beside it.

    Parameters
    ----------
    energy
        eV.
    with_stress
        Whether there is a stress.
    """

    energy: float
    with_stress: bool


def label_with_teacher(
    frames: Sequence[Atoms],
    out: Path | str,
    teacher: Potential,
    *,
    progress: Callable[[Labelled], None] | None = None,
) -> Labelled:
    """Label frames with a potential and write them in the standard form.

    Results are kept in a folder beside `out`, of its name with ``.teacher``, so that no frame is evaluated
    twice by one teacher. Beside `out` a manifest tells that the labels are a teacher's.

    Parameters
    ----------
    frames
        Periodic structures. ``info["system"]`` names the material, by default the reduced formula.
    out
        Extended XYZ to write.
    teacher
        Any model.
    progress
        Told how things stand when it starts and after every frame.

    Returns
    -------
    Labelled
        A frame that the teacher cannot evaluate does not keep the others from being labelled.

    Raises
    ------
    LabelError
        If there are no frames, `out` is not of this function's making, or another process is labelling into
        it.
    OutputError
        If `out` cannot be written.
    """
    out = Path(out)
    if not frames:
        raise LabelError("there are no frames to label")
    work = out.with_name(out.name + TEACHER_SUFFIX)
    if out.exists() and not work.is_dir():
        raise LabelError(
            f"{out} exists, but not {work.name} with a teacher's results it would be made of; choose another "
            "--out"
        )
    Output(out, force=True).check()
    with Lock(work / "lock", out, "choose another --out", LabelError):
        done = _Labelling(frames, teacher, Journal(work, TeacherPoint)).run(out, progress)
        if done.n_labels:
            whose = _judged_once(teacher, work / JUDGED)
            manifests.write(manifests.path_of(out), manifest_of(out, teacher, whose))
    return done


def _judged_once(teacher: Potential, folder: Path) -> Teacher:
    """`judged`, or what is kept of it: some teachers take minutes for the set."""
    journal = Journal(folder, Teacher)
    judges = datasets.load(REFERENCE_SET).sha256
    key = identity("teacher", teacher.weights.sha256, str(teacher.dtype), judges)
    known = journal.get(key)
    if known is None:
        known = judged(teacher)
        journal.append(key, known)
    journal.close()
    return known


def judged(teacher: Potential) -> Teacher:
    """A potential as a teacher, with its own error on the embedded DFT set."""
    weights = teacher.weights
    found = measure_others(teacher, other_materials(teacher, ()))
    if not found:  # trained on another functional than the set
        return Teacher(teacher.card.name, weights.sha256)
    mae, slope = (
        float(np.median([getattr(each, field) for each in found.values()]))
        for field in ("force_mae", "force_slope")
    )
    return Teacher(teacher.card.name, weights.sha256, REFERENCE_SET, len(found), mae, slope)


def manifest_of(out: Path, potential: Potential, teacher: Teacher) -> Manifest:
    """What the labels are, and are not."""
    return Manifest(
        id=out.name,
        title=f"labels of the teacher {teacher.name}",
        level_of_theory=potential.card.level_of_theory,
        settings=f"evaluated with {teacher.name}, sha256 {teacher.sha256}",
        source="umlip-finetune label --engine model",
        licence=manifests.NOT_STATED,
        citation=manifests.NOT_STATED,
        caveats=(f"these labels are not DFT's but those of {teacher}.",),
        teacher=teacher,
    )


class _Labelling:
    """One run: frames, the teacher, and what it has given."""

    def __init__(
        self, frames: Sequence[Atoms], teacher: Potential, journal: Journal[TeacherPoint]
    ) -> None:
        self._teacher, self._journal = teacher, journal
        self._frames, self._info = (
            [as_written(each) for each in frames],
            [*map(simple_info, frames)],
        )
        identities = (teacher.weights.sha256, str(teacher.dtype))
        self._keys = [identity("teacher label", *identities, each) for each in self._frames]
        self._known = {key for key in self._keys if key in journal}
        self._computed: set[str] = set()
        self._failed: dict[str, str] = {}

    def run(self, out: Path, progress: Callable[[Labelled], None] | None) -> Labelled:
        """Evaluate what is missing, and write all labels, also when this is interrupted."""
        first = dict(zip(reversed(self._keys), reversed(range(len(self._keys))), strict=True))
        tasks = (
            (key, _evaluated(self._frames[k])) for key, k in first.items() if key not in self._known
        )
        try:
            if progress is not None:
                progress(self._state())
            for outcome in run_tasks(self._teacher, tasks):
                if isinstance(outcome, Failed):
                    self._failed[outcome.key] = str(outcome.error)
                else:
                    self._keep(outcome.key, outcome.result)
                if progress is not None:
                    progress(self._state())
        finally:
            if self._known or self._computed:
                write_labels(Output(out, force=True), self._labels())
            self._journal.close()
        return self._state()

    def _keep(self, key: str, found: Prediction) -> None:
        arrays = {"forces": found.forces}
        if found.stress is not None:
            arrays["stress"] = found.stress
        self._journal.append(key, TeacherPoint(found.energy, found.stress is not None), arrays)
        self._computed.add(key)

    def _state(self) -> Labelled:
        done = sum(key in self._known or key in self._computed for key in self._keys)
        failed = tuple(
            FailedFrame(k, f"{describe(self._frames[k])}: {self._failed[key]}")
            for k, key in enumerate(self._keys)
            if key in self._failed
        )
        return Labelled(len(self._keys), len(self._computed), done - len(self._computed), failed)

    def _labels(self) -> Iterator[Atoms]:
        weights = self._teacher.weights
        for atoms, info, key in zip(self._frames, self._info, self._keys, strict=True):
            point = self._journal.get(key)
            if point is None:
                continue
            arrays = self._journal.arrays(key)
            out = atoms.copy()
            out.info = {
                **info,
                ENERGY: point.energy,
                "teacher": self._teacher.card.name,
                "teacher_sha256": weights.sha256,
            }
            if point.with_stress:
                out.info[STRESS] = arrays["stress"].ravel()
            out.arrays[FORCES] = arrays["forces"]
            yield out


def as_written(atoms: Atoms) -> Atoms:
    """The geometry alone, to the decimals that it is written with."""
    return Atoms(
        numbers=atoms.numbers,
        positions=np.round(atoms.positions, DECIMALS),
        cell=np.round(atoms.cell.array, DECIMALS),
        pbc=atoms.pbc,
    )


def _evaluated(atoms: Atoms) -> Task[Prediction]:
    prediction: Prediction = yield Static(atoms, stress=True)
    return prediction
