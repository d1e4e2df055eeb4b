"""``umlip-bench relax``: relax the structures of any file, many at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from umlip_bench.cli.declare import Argument, Compiles, File, Name
from umlip_bench.cli.settings_file import write_settings
from umlip_bench.cli.workers import Sharing
from umlip_bench.ground.limits import Count, Finite, Positive

if TYPE_CHECKING:
    from ase import Atoms

    from umlip_bench.ground.structures import RefusedStructure
    from umlip_bench.potentials.protocol import Potential

ENDINGS = (".xyz", ".extxyz")
"""Of the file that is written: by other names it would be taken for something else."""


@dataclass(frozen=True, kw_only=True)
class RelaxCommand(Compiles, Sharing):
    """Relax all structures of files that ASE reads, many at once.

    They are written with energies, forces and stresses, in the order of the input, to an extended XYZ file.
    Rerun the command to resume an interrupted run.
    """

    name = "umlip-bench relax"
    examples = """\
  umlip-bench relax structures.xyz --model chgnet-0.3.0 --out relaxed.xyz
  umlip-bench relax *.cif --model m3gnet-mp-2021.2.8 --cell --fmax 0.02 --out relaxed.xyz
"""
    files: Annotated[tuple[Path, ...], Argument("FILE")]
    """structures"""
    model: Name
    """as for `umlip-bench run`"""
    out: File
    """extended XYZ; settings and what is done are kept beside it, in a folder of its name with .work"""
    cell: bool = False
    """relax the cell too"""
    fmax: Positive = 0.05
    """largest force, eV/Å"""
    steps: Count = 500
    """most steps"""
    optimizer: Literal["fire", "lbfgs", "scaled-lbfgs"] = "scaled-lbfgs"
    """scaled-lbfgs takes a quarter of the steps of fire, which suites relax by, and ASE's lbfgs half"""
    pressure: Finite = 0.0
    """on the cell, GPa"""

    def run(self) -> int:
        total, failed = self._refused()
        self.use_compiled()
        self.begin_others((self.model,))

        from ase import Atoms

        from umlip_bench.cli import console
        from umlip_bench.cli.progress import progress_bar
        from umlip_bench.potentials.loading import potential as load_potential
        from umlip_bench.running.jobs import jobs_on
        from umlip_bench.running.relaxations import WORK_SUFFIX, RelaxedFile
        from umlip_bench.running.relaxing import RelaxSettings, StructureLeft, relax_all

        others = self.others(self.device)
        potential = load_potential(self.model, device=self.device, dtype=self.dtype)
        jobs = jobs_on(others, potential.device)
        settings = RelaxSettings(self.cell, self.fmax, self.steps, self.pressure, self.optimizer)
        bar = progress_bar(console.errors(), "failed", "unconverged")
        readable = ((k, each) for k, each in _scanned(self.files) if isinstance(each, Atoms))
        told: list[str] = []
        with RelaxedFile(self.out, self._decisive(potential), readable) as out, bar:
            done = out.done
            left = (
                StructureLeft(k, out.keys[k], each)
                for k, each in _scanned(self.files)
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
            for some in relax_all(potential, left, settings, out, jobs, told):
                failed += [f"structure {k}: {reason}" for k, reason in some.failed.items()]
                unconverged += some.n_unconverged
                bar.update(row, advance=some.n, failed=len(failed), unconverged=unconverged)
            n_written, damaged, unconverged = len(out.done), out.damaged, out.unconverged
        write_settings(self, self.out.with_name(self.out.name + WORK_SUFFIX))
        for what in damaged:
            print(f"{what}; relaxed again", file=sys.stderr)
        for said in told:
            print(f"{said}.", file=sys.stderr)
        for reason in failed:
            print(f"failed: {reason}", file=sys.stderr)
        print(
            f"{n_written} of {total} structures in {self.out}; {len(failed)} failed, {unconverged} "
            f"did not converge in {self.steps} steps",
            file=sys.stderr,
        )
        return 0 if n_written else 1

    def _refused(self) -> tuple[int, list[str]]:
        """How many structures there are, and which cannot be taken.

        Raises
        ------
        UmlipBenchError
            If nothing can be relaxed, or not as it is asked for.
        """
        from umlip_bench.ground.errors import UmlipBenchError
        from umlip_bench.ground.files import check_writable
        from umlip_bench.ground.structures import RefusedStructure

        if self.out.suffix.lower() not in ENDINGS:
            raise UmlipBenchError(
                f"--out {self.out}: relaxed structures are written as extended XYZ; the name must end in "
                f"{' or '.join(ENDINGS)}"
            )
        check_writable(self.out)
        if self.pressure and not self.cell:
            raise UmlipBenchError("--pressure acts on the cell: give --cell too")

        total = 0
        failed: list[str] = []
        for number, each in _scanned(self.files):
            total += 1
            if isinstance(each, RefusedStructure):
                failed.append(f"structure {number}: {each.where}: {each.reason}")
        if len(failed) == total:
            raise UmlipBenchError("there is no structure to relax:\n" + "\n".join(failed))
        return total, failed

    def _decisive(self, potential: Potential) -> dict[str, str | float | bool]:
        """What a relaxed structure depends on, besides the structure."""
        return {
            "model": potential.card.name,
            "sha256": potential.weights.sha256,
            "dtype": self.dtype,
            "cell": self.cell,
            "fmax": self.fmax,
            "most_steps": self.steps,
            "pressure_GPa": self.pressure,
            "optimizer": self.optimizer,
        }


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


COMMAND = RelaxCommand
