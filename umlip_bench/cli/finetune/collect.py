"""``umlip-finetune collect``: read results of DFT codes into labels."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from umlip_bench.cli.declare import Argument, File, TakesLabels, metavar
from umlip_bench.ground.limits import Positive


@dataclass(frozen=True, kw_only=True)
class CollectCommand(TakesLabels):
    """Read results of DFT codes into labels in the standard form.

    That is vasprun.xml(.gz), the output of pw.x, GPAW's text or gpw, or extended XYZ, from files or folders
    with all below them. Refused are results that did not converge, and those whose composition, cell or
    positions are not those of a frame that was to be labelled.
    """

    name = "umlip-finetune collect"
    examples = """\
  umlip-finetune collect suggested/vasp --out labels.xyz
  umlip-finetune collect frame-0/pw.out frame-1/pw.out --frames suggested/frames.xyz --out labels.xyz
  umlip-finetune collect vasprun.xml --out labels.xyz
"""
    paths: Annotated[tuple[Path, ...], Argument("PATH")]
    """files, or folders of them"""
    out: File
    """extended XYZ"""
    frames: File | None = None
    """what was to be labelled (default: frames.xyz of the folder that `suggest` wrote, if the results lie in
    one; else results are taken as they are)"""
    tolerance: Annotated[Positive, metavar("Å")] = 1e-3
    """by which positions and cells may differ"""

    def run(self) -> int:
        from umlip_bench.finetune.labelling.collection import collect, frames_beside
        from umlip_bench.ground.structures import read_structures

        source = self.frames or frames_beside(self.paths)
        frames = None if source is None else read_structures(source)
        done = collect(
            self.paths, self.out, frames=frames, tolerance=self.tolerance, reading=self.reading
        )
        for each in done.refused:
            print(f"refused: {each.where}: {each.reason}", file=sys.stderr)
        for said in done.told:
            print(said, file=sys.stderr)
        if done.n_frames is None:
            labels = f"{done.n_labels} labels of {done.code} in {self.out}"
            print(f"{labels}, not compared with any input (--frames)", file=sys.stderr)
            return 0
        print(
            f"{done.n_labels} of {done.n_frames} frames of {source} in {self.out}, labelled by {done.code}; "
            f"{len(done.refused)} refused",
            file=sys.stderr,
        )
        if done.missing:
            print(f"no label: frame {', '.join(map(str, done.missing))}", file=sys.stderr)
        return 0


COMMAND = CollectCommand
