"""``umlip-finetune collect``: read results of DFT codes into labels."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from umlip_bench.cli.options import (
    Subparsers,
    add_command,
    positive_float,
)

EXAMPLES = """\
  umlip-finetune collect suggested/vasp --out labels.xyz
  umlip-finetune collect frame-0/pw.out frame-1/pw.out --frames suggested/frames.xyz --out labels.xyz
  umlip-finetune collect vasprun.xml --out labels.xyz
"""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "collect",
        help="read results of DFT codes into labels",
        description=(
            "Read vasprun.xml(.gz), the output of pw.x, GPAW's text or gpw, or extended XYZ, from files or\n"
            "folders with all below them, into labels in the standard form. Refused are results that did\n"
            "not converge, and those whose composition, cell or positions are not those of a frame that was\n"
            "to be labelled."
        ),
        examples=EXAMPLES,
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="extended XYZ")
    parser.add_argument(
        "--frames",
        type=Path,
        metavar="FILE",
        help="what was to be labelled (default: frames.xyz of the folder that `suggest` wrote, if the "
        "results lie in one; else results are taken as they are)",
    )
    parser.add_argument(
        "--tolerance",
        type=positive_float,
        default=1e-3,
        metavar="Å",
        help="by which positions and cells may differ (default: 0.001)",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from umlip_bench.finetune.labelling.collection import collect, frames_beside
    from umlip_bench.ground.structures import read_structures

    source = options.frames or frames_beside(options.paths)
    frames = None if source is None else read_structures(source)
    done = collect(options.paths, options.out, frames=frames, tolerance=options.tolerance)
    for each in done.refused:
        print(f"refused: {each.where}: {each.reason}", file=sys.stderr)
    for said in done.told:
        print(said, file=sys.stderr)
    if done.n_frames is None:
        print(
            f"{done.n_labels} labels of {done.code} in {options.out}, not compared with any input (--frames)",
            file=sys.stderr,
        )
        return 0
    print(
        f"{done.n_labels} of {done.n_frames} frames of {source} in {options.out}, labelled by {done.code}; "
        f"{len(done.refused)} refused",
        file=sys.stderr,
    )
    if done.missing:
        print(f"no label: frame {', '.join(map(str, done.missing))}", file=sys.stderr)
    return 0
