"""``umlip-bench data check`` and ``data export``: looking at labels, and writing the standard form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from umlip_bench.cli.declare import Argument, Name, Overwriting, TakesLabels
from umlip_bench.ground.limits import Index

if TYPE_CHECKING:
    from umlip_bench.datasets import Dataset, Frame
    from umlip_bench.ground.errors import DataError

SHOWN = 8
"""Frames named for each finding; the rest are counted."""


@dataclass(frozen=True, kw_only=True)
class DataCheckCommand(TakesLabels):
    """Look for the usual mistakes in one's own labels.

    Stress in GPa or kbar or of the wrong sign, energies per atom, forces that do not sum to zero, missing
    stress, duplicates; in migration paths atoms in another order or wrapped, images that are missing, several
    ions that move.
    """

    name = "umlip-bench data check"
    examples = """\
  umlip-bench data check my.xyz
  umlip-bench data check folder_of_vaspruns
"""
    data: Annotated[str, Argument("ID|FILE|FOLDER")]
    """what to look at"""

    def run(self) -> int:
        from umlip_bench import datasets
        from umlip_bench.datasets import manifests
        from umlip_bench.datasets.checks import check_frames
        from umlip_bench.datasets.tasks import Task

        dataset = datasets.load(self.data, reading=self.reading)
        for each in dataset.understood:
            print(f"{self.data}: {each.text}")
        frames, paths = dataset.frames, dataset.of_task(Task.MIGRATION)
        systems = len({frame.system for frame in frames})
        others = Counter(str(case.task) for case in dataset.cases if case.unusable is None)
        for shown in (Task.HIGH_ENERGY, Task.MIGRATION):
            others.pop(shown, None)
        if frames or not (paths or others):
            print(f"{self.data}: {len(frames)} frames of {systems} materials")
        if paths:
            print(f"{self.data}: {len(paths)} migration path{'' if len(paths) == 1 else 's'}")
        for task, n in others.items():
            print(f"{self.data}: {n} case{'' if n == 1 else 's'} of {task}")
        findings = check_frames(frames)
        notes = [(case.name, note) for case in paths for note in getattr(case, "notes", ())]
        # What reading has to say of a user's files, beside what their manifest says.
        path = Path(self.data)
        known = manifests.of_users_data(path).caveats if path.exists() else dataset.manifest.caveats
        said = [caveat for caveat in dataset.manifest.caveats if caveat not in known]
        for caveat in said:
            print(f"- {caveat}")
        for finding in findings:
            named = ", ".join(map(str, finding.frames[:SHOWN]))
            more = len(finding.frames) - SHOWN
            print(f"- {finding.message} (frames {named}{f' and {more} more' if more > 0 else ''})")
        for name, note in notes:
            print(f"- path {name}: {note}")
        if not findings and not notes and not said:
            print("Nothing looks suspicious.")
        return 1 if findings or notes or said else 0


@dataclass(frozen=True, kw_only=True)
class DataExportCommand(Overwriting, TakesLabels):
    """Write the labelled frames of a set in the standard form.

    That is extended XYZ with REF_energy (eV), REF_forces (eV/Å) and REF_stress (eV/Å³), which `run --data`
    takes back, and beside it their level of theory, source and licence (OUT.manifest.yaml).
    """

    name = "umlip-bench data export"
    examples = """\
  umlip-bench data export pbe-mini out.xyz
  umlip-bench data export pbe-mini one.xyz --material SiC --frame 0
"""
    data: Annotated[str, Argument("ID|FILE|FOLDER")]
    """where the frames are"""
    out: Annotated[Path, Argument("OUT.xyz")]
    """where to"""
    material: Name | None = None
    """only this material's frames"""
    frame: tuple[Index, ...] = ()
    """only the N-th frame, from 0, of what is left; may be given several times"""

    def run(self) -> int:
        from umlip_bench.cli.labels import load_labels
        from umlip_bench.datasets import manifests
        from umlip_bench.datasets.extxyz import holds, write_frames
        from umlip_bench.ground.files import check_writable

        out, manifest = self.out, manifests.path_of(self.out)
        for path in (out, manifest):
            check_writable(path)
        # Labels are not overwritten, not even ours; but frames without a manifest may be those of an export
        # that was killed between the two, which the same command finishes.
        if manifest.exists() and not self.force:
            raise _exists(manifest)
        dataset = load_labels(self.data, self.reading)
        frames = _chosen(self, dataset)
        if out.exists() and not self.force and not holds(out, frames):
            raise _exists(out)
        count = write_frames(out, frames)
        manifests.write(manifest, dataset.manifest, [out])
        print(f"{out}: {count} frame{'' if count == 1 else 's'}")
        return 0


def _exists(path: Path) -> DataError:
    from umlip_bench.ground.errors import DataError

    return DataError(f"{path} exists; give another name, or --force to overwrite it")


def _chosen(options: DataExportCommand, dataset: Dataset) -> Sequence[Frame]:
    """The frames that are to be exported."""
    from umlip_bench.ground.errors import DataError

    if not dataset.frames:
        tasks = ", ".join(dataset.tasks) or "none"
        raise DataError(
            f"{options.data} has no labelled frames to export; it has cases for {tasks}"
        )
    frames = dataset.frames
    if options.material is not None:
        systems = dataset.by_system()
        if options.material not in systems:
            raise DataError(
                f"{options.data} has no material {options.material!r}; it has {', '.join(systems)}"
            )
        frames = systems[options.material]
    if options.frame:
        beyond = [k for k in options.frame if not 0 <= k < len(frames)]
        if beyond:
            raise DataError(f"there is no frame {beyond[0]}; there are 0 to {len(frames) - 1}")
        frames = tuple(frames[k] for k in options.frame)
    return frames
