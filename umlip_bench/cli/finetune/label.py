"""``umlip-finetune label``: compute labels on this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from umlip_bench.cli.declare import Argument, File, Name, OnDevice, Part, metavar
from umlip_bench.cli.options import changed
from umlip_bench.cli.settings_file import write_settings
from umlip_bench.finetune.labelling.settings import GpawSettings
from umlip_bench.ground.limits import Count

if TYPE_CHECKING:
    from ase import Atoms

    from umlip_bench.finetune.labelling.labelled import Labelled

OF_ALL = {"frames", "engine", "out"}
OF_TEACHERS = {"teacher", "device", "dtype"}
"""Options; the others are of GPAW."""


@dataclass(frozen=True, kw_only=True)
class LabelCommand(OnDevice):
    """Label frames: by DFT (gpaw), or by a better potential, a teacher (model).

    gpaw computes PBE energies, forces and stresses in plane waves, one process a frame. model takes them from
    any potential that --model takes elsewhere, without DFT and in seconds; the labels say so wherever they
    go, with the teacher's own error on the embedded DFT set.

    They are written in the form that `umlip-finetune fit` and `umlip-bench run` take. Results are kept in a
    folder beside the file, its name with .work or .teacher: rerun the command to resume an interrupted run,
    no frame is computed twice.
    """

    name = "umlip-finetune label"
    examples = """\
  umlip-finetune label --engine gpaw suggested/frames.xyz --out labels.xyz
  umlip-finetune label --engine gpaw frames.xyz --python ~/gpaw/bin/python --jobs 4 --out labels.xyz
  umlip-finetune label --engine gpaw al.xyz --kpoint-density 4 --smearing 0.1 --out labels.xyz
  umlip-finetune label --engine model --teacher tensornet-matpes-pbe-2025.1 md.xyz --out labels.xyz
"""
    renamed: ClassVar = {"--workers": "--jobs"}
    frames: Annotated[Path, Argument("FRAMES")]
    """any file that ASE reads"""
    engine: Literal["gpaw", "model"]
    """DFT code, or model for a teacher"""
    out: File
    """extended XYZ"""
    teacher: Name | None = None
    """with --engine model: the potential, as --model takes it"""
    python: Annotated[str | None, metavar("PATH")] = None
    """interpreter of an environment with GPAW (default: this one)"""
    jobs: Count = 1
    """frames at once, each with OMP_NUM_THREADS threads"""
    gpaw: Annotated[GpawSettings, Part("DFT settings (PBE, no +U)")] = field(
        default_factory=GpawSettings
    )

    def run(self) -> int:
        from umlip_bench.ground.errors import StructureError
        from umlip_bench.ground.structures import RefusedStructure, scan_structures

        self._check_options()
        found = list(scan_structures(self.frames))
        refused = [each for each in found if isinstance(each, RefusedStructure)]
        # Frames are named by their place in the file.
        places = [k for k, each in enumerate(found) if not isinstance(each, RefusedStructure)]
        frames = [each for each in found if not isinstance(each, RefusedStructure)]
        if not frames:
            raise StructureError("\n".join(f"{each.where}: {each.reason}" for each in refused))
        for each in refused:
            print(f"left out: {each.where}: {each.reason}", file=sys.stderr)
        done = self._by_teacher(frames) if self.engine == "model" else self._by_gpaw(frames)
        for failure in done.failed:
            print(f"failed: frame {places[failure.index]}: {failure.reason}", file=sys.stderr)
        known = f", {done.n_known} of them known before" if done.n_known else ""
        left_out = f", {len(refused)} left out" if refused else ""
        print(
            f"{done.n_labels} of {len(found)} frames in {self.out}{known}; {len(done.failed)} failed"
            f"{left_out}",
            file=sys.stderr,
        )
        return 0 if done.n_labels else 1

    def _check_options(self) -> None:
        """Refuse options of the other engine, which would be ignored without a word."""
        from umlip_bench.ground.errors import LabelError

        of_model = self.engine == "model"
        if of_model and self.teacher is None:
            raise LabelError(
                "--engine model needs --teacher NAME, a potential as --model takes it, e.g. "
                "tensornet-matpes-pbe-2025.1"
            )
        for option in changed(self):
            if option not in OF_ALL and (option in OF_TEACHERS) != of_model:
                other = "gpaw" if of_model else "model"
                raise LabelError(
                    f"--{option} is an option of --engine {other}, not of {self.engine}; leave it away"
                )

    def _by_teacher(self, frames: Sequence[Atoms]) -> Labelled:
        from umlip_bench.cli import console
        from umlip_bench.datasets import manifests
        from umlip_bench.finetune.labelling.teacher_label import TEACHER_SUFFIX, label_with_teacher
        from umlip_bench.potentials.loading import potential

        assert self.teacher is not None
        with console.errors().status(f"loading {self.teacher}"):
            teacher = potential(self.teacher, device=self.device, dtype=self.dtype)
        with _bar(self.teacher, len(frames)) as show:
            done = label_with_teacher(frames, self.out, teacher, progress=show)
        write_settings(self, self.out.with_name(self.out.name + TEACHER_SUFFIX))
        if done.n_labels:
            said = manifests.of_users_data(self.out).teacher
            print(f"{self.out}: labels of {said}; they are not DFT's", file=sys.stderr)
        return done

    def _by_gpaw(self, frames: Sequence[Atoms]) -> Labelled:
        from umlip_bench.finetune.labelling.gpaw_label import label_with_gpaw
        from umlip_bench.finetune.labelling.labelled import WORK_SUFFIX
        from umlip_bench.finetune.labelling.settings import is_metal

        metals = sorted({str(f.symbols.formula.reduce()[0]) for f in frames if is_metal(f)})
        if metals and (self.gpaw.kpoint_density < 2.5 or self.gpaw.smearing < 0.1):
            print(
                f"{', '.join(metals)}: metals need more k-points and smearing than the defaults; "
                "--kpoint-density 2.5 --smearing 0.1 is what pbe-mini has",
                file=sys.stderr,
            )
        with _bar("gpaw, PBE", len(frames)) as show:
            done = label_with_gpaw(
                frames,
                self.out,
                settings=self.gpaw,
                python=self.python,
                workers=self.jobs,
                progress=show,
            )
        write_settings(self, self.out.with_name(self.out.name + WORK_SUFFIX))
        return done


@contextmanager
def _bar(text: str, n: int) -> Iterator[Callable[[Labelled], None]]:
    """A bar over the frames; yields what to tell how things stand."""
    from umlip_bench.cli import console
    from umlip_bench.cli.progress import progress_bar

    bar = progress_bar(console.errors(), "failed")
    with bar:
        row = bar.add_task(text, total=n, failed=0)

        def show(state: Labelled) -> None:
            n_failed = len(state.failed)
            bar.update(row, completed=state.n_labels + n_failed, failed=n_failed)

        yield show


COMMAND = LabelCommand
