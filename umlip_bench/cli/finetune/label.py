"""``umlip-finetune label``: compute DFT labels on this machine."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from umlip_bench.cli.declare import Argument, Command, File, Part, metavar
from umlip_bench.cli.settings_file import write_settings
from umlip_bench.finetune.labelling.settings import GpawSettings
from umlip_bench.ground.limits import Count


@dataclass(frozen=True, kw_only=True)
class LabelCommand(Command):
    """Compute PBE energies, forces and stresses with GPAW in plane waves, one process a frame.

    They are written in the form that `umlip-finetune fit` and `umlip-bench run` take. Results, logs and
    settings are kept in a folder beside the file, its name with .work: rerun the command to resume an
    interrupted run, no frame is computed twice.
    """

    name = "umlip-finetune label"
    examples = """\
  umlip-finetune label --engine gpaw suggested/frames.xyz --out labels.xyz
  umlip-finetune label --engine gpaw frames.xyz --python ~/gpaw/bin/python --workers 4 --out labels.xyz
  umlip-finetune label --engine gpaw al.xyz --kpoint-density 4 --smearing 0.1 --out labels.xyz
"""
    frames: Annotated[Path, Argument("FRAMES")]
    """any file that ASE reads"""
    engine: Literal["gpaw"]
    """DFT code"""
    out: File
    """extended XYZ"""
    python: Annotated[str | None, metavar("PATH")] = None
    """interpreter of an environment with GPAW (default: this one)"""
    workers: Count = 1
    """frames at once, each with OMP_NUM_THREADS threads"""
    gpaw: Annotated[GpawSettings, Part("DFT settings (PBE, no +U)")] = field(
        default_factory=GpawSettings
    )

    def run(self) -> int:
        from umlip_bench.cli import console
        from umlip_bench.cli.progress import progress_bar
        from umlip_bench.finetune.labelling.gpaw_label import WORK_SUFFIX, Labelled, label_with_gpaw
        from umlip_bench.finetune.labelling.settings import is_metal
        from umlip_bench.ground.errors import StructureError
        from umlip_bench.ground.structures import RefusedStructure, scan_structures

        found = list(scan_structures(self.frames))
        refused = [each for each in found if isinstance(each, RefusedStructure)]
        # Frames are named by their place in the file.
        places = [k for k, each in enumerate(found) if not isinstance(each, RefusedStructure)]
        frames = [each for each in found if not isinstance(each, RefusedStructure)]
        if not frames:
            raise StructureError("\n".join(f"{each.where}: {each.reason}" for each in refused))
        for each in refused:
            print(f"left out: {each.where}: {each.reason}", file=sys.stderr)
        metals = sorted({str(f.symbols.formula.reduce()[0]) for f in frames if is_metal(f)})
        if metals and (self.gpaw.kpoint_density < 2.5 or self.gpaw.smearing < 0.1):
            print(
                f"{', '.join(metals)}: metals need more k-points and smearing than the defaults; "
                "--kpoint-density 2.5 --smearing 0.1 is what pbe-mini has",
                file=sys.stderr,
            )
        bar = progress_bar(console.errors(), "failed")
        with bar:
            row = bar.add_task(f"{self.engine}, PBE", total=len(frames), failed=0)

            def show(state: Labelled) -> None:
                n_failed = len(state.failed)
                bar.update(row, completed=state.n_labels + n_failed, failed=n_failed)

            done = label_with_gpaw(
                frames,
                self.out,
                settings=self.gpaw,
                python=self.python,
                workers=self.workers,
                progress=show,
            )
        write_settings(self, self.out.with_name(self.out.name + WORK_SUFFIX))
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


COMMAND = LabelCommand
