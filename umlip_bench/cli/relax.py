"""``umlip-bench relax``: relax the structures of any file, many at once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from umlip_bench.cli.options import (
    Subparsers,
    add_command,
    add_device_options,
    finite,
    positive,
    positive_float,
)

if TYPE_CHECKING:
    from ase import Atoms

    from umlip_bench.ground.structures import RefusedStructure

EXAMPLES = """\
  umlip-bench relax structures.xyz --model chgnet-0.3.0 --out relaxed.xyz
  umlip-bench relax *.cif --model m3gnet-mp-2021.2.8 --cell --fmax 0.02 --out relaxed.xyz

An interrupted run goes on where it was when the same command is given again.
"""


ENDINGS = (".xyz", ".extxyz")
"""Of the file that is written: by other names it would be taken for something else."""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "relax",
        help="relax structures with a model",
        description=(
            "Relax all structures of files that ASE reads, many at once, and write them with\n"
            "energies, forces and stresses, in the order of the input, to an extended XYZ file."
        ),
        examples=EXAMPLES,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--model", required=True, metavar="NAME")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="extended XYZ")
    parser.add_argument("--cell", action="store_true", help="relax the cell too")
    parser.add_argument(
        "--fmax",
        type=positive_float,
        default=0.05,
        metavar="F",
        help="largest force, eV/Å (default: 0.05)",
    )
    parser.add_argument(
        "--steps", type=positive, default=500, metavar="N", help="most steps (default: 500)"
    )
    parser.add_argument(
        "--optimizer",
        choices=("fire", "lbfgs"),
        default="fire",
        help="lbfgs takes half the steps where the start is near; fire (default) is the safer",
    )
    parser.add_argument(
        "--pressure", type=finite, default=0.0, metavar="P", help="on the cell, GPa (default: 0)"
    )
    add_device_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from umlip_bench.ground.errors import UmlipBenchError
    from umlip_bench.ground.files import check_writable

    if options.out.suffix.lower() not in ENDINGS:
        raise UmlipBenchError(
            f"--out {options.out}: relaxed structures are written as extended XYZ; the name must end in "
            f"{' or '.join(ENDINGS)}"
        )
    check_writable(options.out)
    if options.pressure and not options.cell:
        raise UmlipBenchError("--pressure acts on the cell: give --cell too")

    from umlip_bench.ground.structures import RefusedStructure

    total = 0
    failed: list[str] = []
    for number, each in _scanned(options.files):
        total += 1
        if isinstance(each, RefusedStructure):
            failed.append(f"structure {number}: {each.where}: {each.reason}")
    if len(failed) == total:
        raise UmlipBenchError("there is no structure to relax:\n" + "\n".join(failed))

    from ase import Atoms
    from ase.units import GPa

    from umlip_bench.cli import console
    from umlip_bench.cli.progress import progress_bar
    from umlip_bench.engine.fire import Fire
    from umlip_bench.engine.lbfgs import Lbfgs
    from umlip_bench.engine.relaxation import Minimiser, Relax
    from umlip_bench.engine.requests import Task
    from umlip_bench.engine.scheduler import Failed, run_tasks
    from umlip_bench.potentials.loading import potential as load_potential
    from umlip_bench.running.relaxations import RelaxedFile

    potential = load_potential(options.model, device=options.device, dtype=options.dtype)
    settings: dict[str, str | float | bool] = {
        "model": potential.card.name,
        "sha256": potential.weights.sha256,
        "dtype": options.dtype,
        "cell": options.cell,
        "fmax": options.fmax,
        "most_steps": options.steps,
        "pressure_GPa": options.pressure,
        "optimizer": options.optimizer,
    }

    minimisers: dict[str, Callable[[], Minimiser]] = {"fire": Fire, "lbfgs": Lbfgs}
    minimiser = minimisers[options.optimizer]

    def relax(atoms: Atoms) -> Task:
        relaxed = yield Relax(
            atoms,
            cell=options.cell,
            fmax=options.fmax,
            steps=options.steps,
            pressure=options.pressure * GPa,
            minimiser=minimiser,
            held=True,
        )
        return relaxed

    bar = progress_bar(console.errors(), "failed", "unconverged")
    readable = ((k, each) for k, each in _scanned(options.files) if isinstance(each, Atoms))
    with RelaxedFile(options.out, settings, readable) as out, bar:
        done = out.done
        tasks = (
            (k, relax(each))
            for k, each in _scanned(options.files)
            if isinstance(each, Atoms) and k not in done
        )
        unconverged = out.unconverged
        row = bar.add_task(
            potential.card.name,
            total=total,
            completed=len(done) + len(failed),
            failed=len(failed),
            unconverged=unconverged,
        )
        for outcome in run_tasks(potential, tasks):
            if isinstance(outcome, Failed):
                failed.append(f"structure {outcome.key}: {outcome.error}")
            else:
                out.add(outcome.key, outcome.result)
                unconverged += not outcome.result.converged
            bar.update(row, advance=1, failed=len(failed), unconverged=unconverged)
        n_written, damaged = len(out.done), out.damaged
    for what in damaged:
        print(f"{what}; relaxed again", file=sys.stderr)
    for reason in failed:
        print(f"failed: {reason}", file=sys.stderr)
    print(
        f"{n_written} of {total} structures in {options.out}; {len(failed)} failed, {unconverged} "
        f"did not converge in {options.steps} steps",
        file=sys.stderr,
    )
    return 0 if n_written else 1


def _scanned(files: Sequence[Path]) -> Iterator[tuple[int, Atoms | RefusedStructure]]:
    """Structures of all files, numbered through; a file that cannot be read counts as one refused."""
    from umlip_bench.ground.errors import DataError
    from umlip_bench.ground.structures import RefusedStructure, scan_structures

    number = 0
    for path in files:
        try:
            for each in scan_structures(path):
                yield number, each
                number += 1
        except DataError as error:
            yield number, RefusedStructure(str(path), str(error))
            number += 1
