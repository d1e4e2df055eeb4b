"""``umlip-finetune label``: compute DFT labels on this machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from umlip_bench.cli.finetune.dft_options import add_dft_options
from umlip_bench.cli.options import Subparsers, add_command, positive

ENGINES = ("gpaw",)

EXAMPLES = """\
  umlip-finetune label --engine gpaw suggested/frames.xyz --out labels.xyz
  umlip-finetune label --engine gpaw frames.xyz --python ~/gpaw/bin/python --workers 4 --out labels.xyz
  umlip-finetune label --engine gpaw al.xyz --kpoint-density 4 --smearing 0.1 --out labels.xyz

An interrupted run goes on where it was when the same command is given again: no frame is computed twice.
"""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "label",
        help="compute DFT labels on this machine",
        description=(
            "Compute PBE energies, forces and stresses with GPAW in plane waves, one process a frame,\n"
            "and write them in the form that `umlip-finetune fit` and `umlip-bench run` take. Results and\n"
            "logs are kept in a folder beside the file, its name with .work."
        ),
        examples=EXAMPLES,
    )
    parser.add_argument("frames", type=Path, metavar="FRAMES", help="any file that ASE reads")
    parser.add_argument("--engine", required=True, choices=ENGINES, help="DFT code")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="extended XYZ")
    parser.add_argument(
        "--python",
        metavar="PATH",
        help="interpreter of an environment with GPAW (default: this one)",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        default=1,
        metavar="N",
        help="frames at once (default: 1), each with OMP_NUM_THREADS threads",
    )
    parser.add_argument(
        "--max-iterations",
        type=positive,
        default=333,
        metavar="N",
        help="steps of self-consistency after which a frame counts as failed (default: 333)",
    )
    add_dft_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from umlip_bench.cli import INTERRUPTED, console
    from umlip_bench.cli.progress import progress_bar
    from umlip_bench.finetune.labelling.gpaw_label import Labelled, label_with_gpaw
    from umlip_bench.finetune.labelling.settings import GpawSettings, Spin, is_metal
    from umlip_bench.ground.errors import StructureError
    from umlip_bench.ground.structures import RefusedStructure, scan_structures

    found = list(scan_structures(options.frames))
    refused = [each for each in found if isinstance(each, RefusedStructure)]
    # Frames are named by their place in the file.
    places = [k for k, each in enumerate(found) if not isinstance(each, RefusedStructure)]
    frames = [each for each in found if not isinstance(each, RefusedStructure)]
    if not frames:
        raise StructureError("\n".join(f"{each.where}: {each.reason}" for each in refused))
    for each in refused:
        print(f"left out: {each.where}: {each.reason}", file=sys.stderr)
    settings = GpawSettings(
        cutoff=options.cutoff,
        kpoint_density=options.kpoint_density,
        smearing=options.smearing,
        spin=None if options.spin is None else Spin(options.spin),
        max_iterations=options.max_iterations,
    )
    metals = sorted({str(f.symbols.formula.reduce()[0]) for f in frames if is_metal(f)})
    if metals and (settings.kpoint_density < 2.5 or settings.smearing < 0.1):
        print(
            f"{', '.join(metals)}: metals need more k-points and smearing than the defaults; "
            "--kpoint-density 2.5 --smearing 0.1 is what pbe-mini has",
            file=sys.stderr,
        )
    bar = progress_bar(console.errors(), "failed")
    try:
        with bar:
            row = bar.add_task(f"{options.engine}, PBE", total=len(frames), failed=0)

            def show(state: Labelled) -> None:
                n_failed = len(state.failed)
                bar.update(row, completed=state.n_labels + n_failed, failed=n_failed)

            done = label_with_gpaw(
                frames,
                options.out,
                settings=settings,
                python=options.python,
                workers=options.workers,
                progress=show,
            )
    except KeyboardInterrupt:
        print(
            "umlip-finetune: interrupted; the same command goes on with the next frame",
            file=sys.stderr,
        )
        return INTERRUPTED
    for failure in done.failed:
        print(f"failed: frame {places[failure.index]}: {failure.reason}", file=sys.stderr)
    known = f", {done.n_known} of them known before" if done.n_known else ""
    left_out = f", {len(refused)} left out" if refused else ""
    print(
        f"{done.n_labels} of {len(found)} frames in {options.out}{known}; {len(done.failed)} failed"
        f"{left_out}",
        file=sys.stderr,
    )
    return 0 if done.n_labels else 1
