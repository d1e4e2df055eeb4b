"""The calculator of a package in another Python, as one of ASE's here; to check and time against."""

from __future__ import annotations

import json
import subprocess
import tempfile
import weakref
from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from umlip_bench.environments import reference
from umlip_bench.environments.environment import Environment
from umlip_bench.ground.errors import UmlipBenchError


class WorkerReference(Calculator):
    """One structure at a time, by `umlip_bench.environments.reference` in the package's environment.

    Parameters
    ----------
    environment, checkpoint
        Which model.
    device, dtype
        Passed on where the environment file takes them.
    """

    implemented_properties = ("energy", "forces", "stress")

    def __init__(
        self, environment: Environment, checkpoint: str, *, device: str, dtype: str
    ) -> None:
        super().__init__()
        self._name = f"{environment.name}:{checkpoint}"
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as this
        self._process = subprocess.Popen(
            [
                *(str(environment.python), "-I", reference.__file__),
                *(str(environment.file), checkpoint, device, dtype),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            env=environment.variables,
        )
        self._finalizer = weakref.finalize(self, self._process.kill)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Energy, forces and, where the package has one, stress.

        Raises
        ------
        UmlipBenchError
            If the process ended; with what it wrote last.
        """
        super().calculate(atoms, properties, system_changes)
        asked = {
            "numbers": self.atoms.numbers.tolist(),
            "positions": self.atoms.positions.tolist(),
            "cell": self.atoms.cell.array.tolist(),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps(asked), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._stderr.seek(0)
            raise UmlipBenchError(
                f"{self._name}: the reference ended:\n{self._stderr.read()[-4096:]}"
            )
        found = json.loads(answer)
        self.results = {name: np.array(value) for name, value in found.items() if value is not None}
        self.results["energy"] = found["energy"]
