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
    for path in options.files:  # what cannot be read is told before the model is loaded
        for _ in _structures(path):
            pass

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
        )
        return relaxed

    failed: list[str] = []
    bar = progress_bar(console.errors(), "failed", "unconverged")
    with RelaxedFile(options.out, settings, _read(options.files)) as out, bar:
        done, total = out.done, len(out.keys)
        tasks = ((k, relax(atoms)) for k, atoms in enumerate(_read(options.files)) if k not in done)
        unconverged = out.unconverged
        row = bar.add_task(
            potential.card.name, total=total, completed=len(done), failed=0, unconverged=unconverged
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


def _read(files: Sequence[Path]) -> Iterator[Atoms]:
    """Structures of all files."""
    for path in files:
        yield from _structures(path)


def _structures(path: Path) -> Iterator[Atoms]:
    """Structures of one file, one at a time.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    import ase.io
    from ase.io.formats import UnknownFileTypeError

    from umlip_bench.ground.errors import DataError

    try:
        yield from ase.io.iread(path, index=":")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    # What ASE's readers raise on content that is not what the file's name promises.
    except (
        AssertionError,
        OSError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        RuntimeError,
        UnknownFileTypeError,
    ) as error:
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}: {error}); expected a structure file that ASE "
            "knows, such as extended XYZ, CIF or POSCAR"
        ) from error
