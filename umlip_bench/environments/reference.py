"""A package's own ASE calculator, asked in its environment; the judge of `umlip_bench.environments.worker`.

It shares no code with the worker and needs only ase. ``reference.py FILE CHECKPOINT DEVICE DTYPE`` reads a
JSON object from each line (``numbers``, ``positions``, ``cell``) and writes one (``energy``, ``forces``,
``stress``). The calculator is what the environment file's ``reference`` gives, else its ``setup``.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import sys

from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError


def main(file: str, checkpoint: str, device: str, dtype: str) -> None:
    """Answer lines until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    spec = importlib.util.spec_from_file_location("environment_file", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    load = getattr(module, "reference", None) or module.setup
    if checkpoint not in module.CHECKPOINTS and hasattr(module, "setup_from_path"):
        load = module.setup_from_path
    takes = inspect.signature(load).parameters
    options = {"device": device, "dtype": dtype}
    calculator = load(checkpoint, **{name: options[name] for name in options if name in takes})
    for line in sys.stdin:
        given = json.loads(line)
        atoms = Atoms(given["numbers"], given["positions"], cell=given["cell"], pbc=True)
        atoms.calc = calculator
        answer = {
            "energy": float(atoms.get_potential_energy()),
            "forces": atoms.get_forces().tolist(),
        }
        try:
            answer["stress"] = atoms.get_stress(voigt=True).tolist()
        except (PropertyNotImplementedError, NotImplementedError):
            answer["stress"] = None
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
