"""PBE labels computed on this machine with GPAW, one process for each frame.

Results are entries of a journal, by a digest of geometry and settings: a frame is never computed twice,
and a killed run goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from umlip_bench.datasets import manifests
from umlip_bench.datasets.dataset import Manifest
from umlip_bench.datasets.labels import ENERGY, FORCES, FREE_ENERGY, STRESS
from umlip_bench.finetune.labelling.labelled import WORK_SUFFIX, FailedFrame, Labelled
from umlip_bench.finetune.labelling.settings import GpawSettings, Spin, check_spin, starting_moments
from umlip_bench.finetune.labelling.writing import simple_info, write_labels
from umlip_bench.ground.errors import LabelError
from umlip_bench.ground.journal import Journal
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.lock import Lock
from umlip_bench.ground.outputs import Output
from umlip_bench.ground.plain import from_plain
from umlip_bench.ground.structures import check_structure, describe

WORKER = Path(__file__).with_name("gpaw_worker.py")
INSTALL = (
    "install it, on Debian or Ubuntu:\n"
    "  apt install libxc-dev libopenblas-dev\n"
    "  pip install gpaw==25.7.0 gpaw-data      (or pip install 'umlip-bench[gpaw]')\n"
    "If it is in another environment, name its Python with --python /path/to/python"
)


@dataclass(frozen=True)
class SinglePoint:
    """What GPAW gave for a frame.

    Parameters
    ----------
    energy
        eV, extrapolated to zero smearing.
    free_energy
        eV, the one whose gradient the forces are.
    forces
        Shape (N, 3), eV/Å.
    stress
        Shape (3, 3), eV/Å³.
    moment
        Of the cell, μB; ``None`` without spin.
    kpoints
        Mesh, ``"3 x 3 x 3"``.
    gpaw, ase
        Versions.
    """

    energy: float
    free_energy: float
    forces: tuple[tuple[float, float, float], ...]
    stress: tuple[tuple[float, float, float], ...]
    moment: float | None
    kpoints: str
    gpaw: str
    ase: str


def label_with_gpaw(
    frames: Sequence[Atoms],
    out: Path | str,
    *,
    settings: GpawSettings | None = None,
    python: str | None = None,
    workers: int = 1,
    progress: Callable[[Labelled], None] | None = None,
) -> Labelled:
    """Compute PBE labels with GPAW and write them in the standard form.

    Results and GPAW's logs are kept in a folder beside `out`, of its name with ``.work``. The file `out` is
    written anew after every frame, with all labels that there are, in the order of the input; a manifest
    beside it tells the level of theory. Frames that failed are tried again when this is called again.

    Parameters
    ----------
    frames
        Periodic structures. ``info["system"]`` names the material, by default the reduced formula.
    out
        Extended XYZ to write.
    settings
        Of the single points; `GpawSettings` has the defaults.
    python
        Interpreter of an environment with GPAW; by default this one.
    workers
        Frames computed at once. The threads of each are OMP_NUM_THREADS, as ever.
    progress
        Told how things stand when it starts and after every frame.

    Returns
    -------
    Labelled
        A frame that fails does not keep the others from being computed.

    Raises
    ------
    LabelError
        If GPAW cannot be had, a magnetic element comes without a decision on spin, the file `out` is not
        of this function's making, or another process is labelling into it.
    OutputError
        If `out` cannot be written.
    StructureError
        If a frame is not a periodic structure.
    """
    out, settings = Path(out), settings or GpawSettings()
    if not frames:
        raise LabelError("there are no frames to label")
    for atoms in frames:
        check_structure(atoms, ())
    check_spin(frames, settings.spin)
    work = out.with_name(out.name + WORK_SUFFIX)
    if out.exists() and not work.is_dir():
        raise LabelError(
            f"{out} exists, but not {work.name} with the results it would be made of; choose another --out"
        )
    Output(out, force=True).check()
    python = python or sys.executable
    check_gpaw(python)
    with Lock(work / "lock", out, "choose another --out", LabelError):
        manifests.write(manifests.path_of(out), _manifest(out, settings))
        return _Labelling(frames, out, work, settings, python, workers, progress).run()


def _manifest(out: Path, settings: GpawSettings) -> Manifest:
    """What the labels are; without a hash, since the file grows."""
    spin = (
        "no spin polarisation" if settings.spin in (None, Spin.NONE) else f"{settings.spin} spins"
    )
    return Manifest(
        id=out.name,
        title="Labels computed with GPAW",
        level_of_theory=LevelOfTheory("PBE", pseudopotentials="GPAW PAW"),
        settings=(
            f"plane waves, {settings.cutoff:g} eV, k-point density {settings.kpoint_density:g} Å, "
            f"Fermi-Dirac {settings.smearing:g} eV, {spin}, no U"
        ),
        source="umlip-finetune label",
        licence=manifests.NOT_STATED,
        citation=manifests.NOT_STATED,
    )


def check_gpaw(python: str) -> None:
    """Make sure that an interpreter has GPAW.

    Raises
    ------
    LabelError
        Says how to install it.
    """
    try:
        done = subprocess.run(
            [python, str(WORKER)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise LabelError(f"--python {python} cannot be run ({error})") from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise LabelError(f"GPAW cannot be imported by {python} ({said[-1]}); {INSTALL}")


def job_of(atoms: Atoms, settings: GpawSettings) -> dict[str, object]:
    """What a result depends on, as the worker reads it."""
    moments = starting_moments(atoms, settings.spin)
    return {
        "numbers": [int(number) for number in atoms.numbers],
        # To what extended XYZ keeps, so that a file written and read again means the same frame.
        "positions": np.round(atoms.positions, 8).tolist(),
        "cell": np.round(atoms.cell.array, 8).tolist(),
        "moments": None if moments is None else [float(x) for x in moments],
        "cutoff": settings.cutoff,
        "kpoint_density": settings.kpoint_density,
        "smearing": settings.smearing,
        "max_iterations": settings.max_iterations,
    }


def digest_of(job: dict[str, object]) -> str:
    """Key of a job's result; not of how long it may take.

    As it always was, so that results of earlier versions, which cost hours, are found.
    """
    content = {key: value for key, value in job.items() if key != "max_iterations"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


class _Labelling:
    """One run: which frames are done, and the processes of those under way."""

    def __init__(
        self,
        frames: Sequence[Atoms],
        out: Path,
        work: Path,
        settings: GpawSettings,
        python: str,
        workers: int,
        progress: Callable[[Labelled], None] | None,
    ) -> None:
        self._frames, self._out, self._work = frames, out, work
        self._settings, self._python, self._workers = settings, python, workers
        self._progress = progress
        self._jobs = [job_of(atoms, settings) for atoms in frames]
        self._names = [digest_of(job) for job in self._jobs]
        self._reasons: dict[str, str] = {}
        self._journal = Journal(work, SinglePoint)
        self._adding = threading.Lock()
        for name in set(self._names):
            # A process that was killed may have left what its worker wrote last.
            if name not in self._journal and self._result(name).exists():
                self._take_in(name)
        self._known = {name for name in self._names if name in self._journal}
        self._computed: set[str] = set()
        self._running: set[subprocess.Popen[str]] = set()

    def run(self) -> Labelled:
        """Compute what is missing, and write the labels after every frame."""
        todo = {
            name: job
            for name, job in zip(self._names, self._jobs, strict=True)
            if name not in self._known
        }
        self._report()
        with ThreadPoolExecutor(self._workers) as pool:
            names: dict[Future[str | None], str] = {
                pool.submit(self._compute, name, job): name for name, job in todo.items()
            }
            left = set(names)
            try:
                while left:
                    ended, left = wait(left, return_when=FIRST_COMPLETED)
                    for future in ended:
                        reason = future.result()
                        if reason is None:
                            self._computed.add(names[future])
                        else:
                            self._reasons[names[future]] = reason
                    self._report()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for process in list(self._running):
                    process.kill()
                raise
        return self._state()

    def _compute(self, name: str, job: dict[str, object]) -> str | None:
        """Run one worker; the reason if it failed."""
        request = self._work / f"{name}.job.json"
        request.write_text(json.dumps(job), encoding="utf-8")
        log = self._work / f"{name}.txt"
        command = [self._python, str(WORKER), str(request), str(self._result(name)), str(log)]
        # Its standard input stays open as long as this process lives; the worker ends with it.
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            self._running.add(process)
            assert process.stderr is not None
            said = process.stderr.read().strip().splitlines()
            status = process.wait()
            self._running.discard(process)
        request.unlink(missing_ok=True)
        if self._result(name).exists():  # it appears whole or not at all
            return self._take_in(name)
        if status < 0:
            return f"ended by signal {-status}, perhaps for lack of memory; log: {log}"
        return f"{said[-1] if said else f'exit status {status}'}; log: {log}"

    def _report(self) -> None:
        state = self._state()
        if state.n_labels:
            write_labels(Output(self._out, force=True), self._labels())
        if self._progress is not None:
            self._progress(state)

    def _state(self) -> Labelled:
        done = sum(name in self._known | self._computed for name in self._names)
        failed = tuple(
            FailedFrame(k, f"{describe(self._frames[k])}: {self._reasons[name]}")
            for k, name in enumerate(self._names)
            if name in self._reasons
        )
        n_computed = len(self._computed)
        return Labelled(len(self._frames), n_computed, done - n_computed, failed)

    def _labels(self) -> Iterator[Atoms]:
        for atoms, job, name in zip(self._frames, self._jobs, self._names, strict=True):
            if name in self._known | self._computed:
                result = self._journal.get(name)
                assert result is not None
                yield _labelled(atoms, job, result, self._settings)

    def _take_in(self, name: str) -> str | None:
        """Move a worker's result into the journal; the reason if it cannot be read."""
        path = self._result(name)
        try:
            result = from_plain(SinglePoint, json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            path.unlink(missing_ok=True)
            return f"{path} was damaged ({error}); it is computed again by the next command"
        with self._adding:
            self._journal.append(name, result)
        path.unlink()
        return None

    def _result(self, name: str) -> Path:
        return self._work / f"{name}.json"


def _labelled(
    atoms: Atoms, job: dict[str, object], result: SinglePoint, settings: GpawSettings
) -> Atoms:
    """A frame with its labels and what they were computed with."""
    out = Atoms(numbers=job["numbers"], positions=job["positions"], cell=job["cell"], pbc=True)
    out.info = {
        **simple_info(atoms),
        ENERGY: result.energy,
        FREE_ENERGY: result.free_energy,
        STRESS: np.ravel(result.stress),
        "code": f"gpaw {result.gpaw}",
        "cutoff_eV": settings.cutoff,
        "kpoints": result.kpoints,
        "smearing_eV": settings.smearing,
    }
    if result.moment is not None:
        out.info["moment_muB"] = result.moment
    out.arrays[FORCES] = np.array(result.forces)
    return out
