"""What an environment lacks, step by step, up to small cells that it evaluates."""

from __future__ import annotations

from itertools import islice

import numpy as np

from umlip_bench.environments.environment_file import EnvironmentFile
from umlip_bench.environments.interpreters import NoInterpreter, suitable
from umlip_bench.environments.registry import built, located
from umlip_bench.environments.sizes import in_words
from umlip_bench.environments.tables import state_of
from umlip_bench.ground.errors import NotBuilt, UmlipBenchError
from umlip_bench.potentials.adapters.worker import trial_structures
from umlip_bench.potentials.graph import Prediction
from umlip_bench.potentials.loading import potential

N_CELLS = 3
"""That are evaluated; a model may not know the elements of all."""


def check(name: str, checkpoint: str, *, device: str, dtype: str) -> tuple[list[str], bool]:
    """Go through an environment.

    Parameters
    ----------
    name
        One that is shipped, or the path of an environment file.
    checkpoint
        Which is evaluated.
    device, dtype
        As of `umlip_bench.potential`.

    Returns
    -------
    list of str
        What was found, a line each, up to what is missing.
    bool
        Whether nothing is.

    Raises
    ------
    UnknownModelError, ContentError
        If it is no environment.
    """
    file, place = located(name)
    lines = [f"file: {file.path}", f"checkpoints: {', '.join((*file.checkpoints, *file.custom))}"]
    try:
        environment = built(name)
    except NotBuilt as error:
        return [*lines, _python(file), f"missing: {error}"], False
    n_bytes = in_words(state_of(name).n_bytes)
    lines.append(f"build: {place.folder}, {n_bytes}, {len(environment.lock.split())} packages")
    lines.append(f"digest: {environment.digest}")
    try:
        model = potential(f"{name}:{checkpoint}", device=device, dtype=dtype)
    except UmlipBenchError as error:
        return [*lines, f"missing: {checkpoint} cannot be loaded: {error}"], False
    found, failed = [], []
    for atoms in islice(trial_structures(model.card.elements), N_CELLS):
        formula = atoms.get_chemical_formula()
        try:
            (prediction,) = model.evaluate([model.prepare(atoms)])
        except UmlipBenchError as error:
            failed.append(f"{checkpoint}, {formula}: {error}")
        else:
            found.append(f"{checkpoint}, {formula}: {_words(prediction, len(atoms))}")
    return [*lines, *found, *failed], bool(found)


def _python(file: EnvironmentFile) -> str:
    try:
        found = suitable(file.requires_python)
    except NoInterpreter as error:
        return f"missing: {error}"
    return f"python: {found.version}, {found.path}"


def _words(found: Prediction, n_atoms: int) -> str:
    force = np.abs(found.forces).max()
    words = f"{found.energy / n_atoms:.4f} eV/atom, largest force {force:.4f} eV/Å"
    return words if found.stress is None else f"{words}, stress"
