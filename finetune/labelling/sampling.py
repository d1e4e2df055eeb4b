"""High-energy states of a material, as the paper sampled them: dynamics at 1000 K, and strain.

B. Deng et al., npj Comput. Mater. 11, 9 (2025), doi 10.1038/s41524-024-01500-6.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from umlip_bench.engine import (
    Failed,
    Langevin,
    Relax,
    Static,
    Task,
    Trajectory,
    run_requests,
    run_tasks,
)
from umlip_bench.finetune.labelling.settings import Sampling
from umlip_bench.ground.errors import LabelError, UmlipBenchError
from umlip_bench.ground.structures import describe
from umlip_bench.potentials.graph import Prediction
from umlip_bench.potentials.protocol import Potential

TIMESTEP, TIMESTEP_WITH_HYDROGEN = 2.0, 0.5
"""fs: about a twentieth of the shortest period of vibration."""
UNSTRAINED = 3
"""Of the states of a run so many are left as they are for every one under each strain, as in pbe-mini."""


@dataclass(frozen=True, eq=False)
class SampledState:
    """A sampled state.

    Parameters
    ----------
    atoms
        Geometry, wrapped into the cell.
    run
        Trajectory it is from.
    time
        fs since that started.
    temperature
        K, of the atoms at that moment.
    strain
        What its lattice vectors were multiplied by, less 1.
    energy
        eV, the model's.
    forces
        Shape (N, 3), eV/Å, the model's.
    """

    atoms: Atoms
    run: int
    time: float
    temperature: float
    strain: float
    energy: float
    forces: np.ndarray


@dataclass(frozen=True, eq=False)
class Samples:
    """States sampled with a model.

    Parameters
    ----------
    start
        What the runs started from: relaxed, if asked for, and repeated.
    converged
        Whether the relaxation reached its `fmax`; true if there was none.
    states
        By run and time.
    failures
        Why runs ended without states.
    """

    start: Atoms
    converged: bool
    states: tuple[SampledState, ...]
    failures: tuple[str, ...]


def sample(
    potential: Potential,
    atoms: Atoms,
    sampling: Sampling,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Samples:
    """Relax a structure, repeat it, and sample states of it; all runs share the model's calls.

    Parameters
    ----------
    potential
        Any model.
    atoms
        A material; its constraints and velocities are not taken over.
    sampling
        How.
    progress
        Told how many steps of how many are done.

    Raises
    ------
    StructureError
        If the model cannot evaluate or relax the structure.
    LabelError
        If every run failed.
    """
    start, converged = _start(potential, atoms, sampling)
    timestep = sampling.timestep or (TIMESTEP_WITH_HYDROGEN if 1 in start.numbers else TIMESTEP)
    every = max(1, round(sampling.interval / timestep))
    discard = round(sampling.equilibration / timestep)
    seeds = np.random.SeedSequence(sampling.seed).generate_state(sampling.runs)
    runs = [
        Langevin(
            start,
            temperature=sampling.temperature,
            steps=discard + every * (sampling.states_per_run - 1),
            seed=int(seed),
            timestep=timestep,
            friction=sampling.friction,
            discard=discard,
            every=every,
        )
        for seed in seeds
    ]
    total = sum(run.steps + 1 for run in runs)
    steps = 0

    def tick() -> None:
        nonlocal steps
        steps += 1
        if progress is not None:
            progress(steps, total)

    tasks = ((k, _run(k, run, sampling.strains, tick)) for k, run in enumerate(runs))
    found: dict[int, list[SampledState]] = {}
    failures: dict[int, str] = {}
    for outcome in run_tasks(potential, tasks):
        if isinstance(outcome, Failed):
            failures[outcome.key] = f"run {outcome.key}: {outcome.error}"
        else:
            found[outcome.key] = outcome.result
    if not found:
        raise LabelError(
            f"{describe(start)}: all {sampling.runs} runs at {sampling.temperature:g} K failed; {failures[0]}"
        )
    return Samples(
        start=start,
        converged=converged,
        states=tuple(state for k in sorted(found) for state in found[k]),
        failures=tuple(failures[k] for k in sorted(failures)),
    )


def repeated(atoms: Atoms, enough_atoms: int, enough_length: float) -> Atoms:
    """Repeat a cell along its shortest direction until it is large enough in one sense or the other.

    Parameters
    ----------
    atoms
        A periodic structure.
    enough_atoms
        Number of atoms that is enough whatever the widths.
    enough_length
        Distance in Å between opposite faces that is enough in each direction.
    """
    repeats = np.ones(3, dtype=int)
    widths = 1.0 / np.linalg.norm(atoms.cell.reciprocal().array, axis=1)
    while (
        len(atoms) * repeats.prod() < enough_atoms
        and (repeats * widths < enough_length - 1e-9).any()
    ):
        # To the rounding, so that equal directions take turns in order.
        repeats[int(np.round(repeats * widths, 6).argmin())] += 1
    return atoms.repeat(repeats)


def strained(atoms: Atoms, strain: float) -> Atoms:
    """Copy with all lattice vectors multiplied by 1 + strain, fractional coordinates kept."""
    out = atoms.copy()
    out.set_cell(atoms.cell.array * (1 + strain), scale_atoms=True)
    return out


def _start(potential: Potential, atoms: Atoms, sampling: Sampling) -> tuple[Atoms, bool]:
    start = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    converged = True
    if sampling.relax:
        request = Relax(
            start, cell=sampling.relax_cell, fmax=sampling.fmax, steps=sampling.relax_steps
        )
        (outcome,) = run_requests(potential, [request])
        if isinstance(outcome, Failed):
            raise outcome.error
        relaxed = outcome.result
        start, converged = relaxed.atoms, relaxed.converged
    return repeated(start, sampling.enough_atoms, sampling.enough_length), converged


def _run(
    number: int, run: Langevin, strains: Sequence[float], tick: Callable[[], None]
) -> Task[list[SampledState]]:
    """One trajectory, and its states under their strains."""
    trajectory = yield from _counted(run, tick)
    applied = _strains(number, len(trajectory.frames), strains)
    geometries = []
    for frame, strain in zip(trajectory.frames, applied, strict=True):
        geometry = Atoms(
            numbers=frame.numbers, positions=frame.positions, cell=frame.cell, pbc=True
        )
        geometry = strained(geometry, strain)
        geometry.wrap()
        geometries.append(geometry)
    predictions = yield [Static(geometry) for geometry in geometries]
    return [
        SampledState(
            atoms=geometry,
            run=number,
            time=float(trajectory.times[k]),
            temperature=float(trajectory.temperatures[k]),
            strain=applied[k],
            energy=predictions[k].energy,
            forces=predictions[k].forces,
        )
        for k, geometry in enumerate(geometries)
    ]


def _strains(run: int, n: int, strains: Sequence[float]) -> list[float]:
    """Strain of each state of a run; runs begin at different places, so that few states have all."""
    pattern = [0.0] * UNSTRAINED + list(strains)
    return [pattern[(k + run) % len(pattern)] for k in range(n)]


def _counted(run: Langevin, tick: Callable[[], None]) -> Generator[Static, Prediction, Trajectory]:
    """The steps of a trajectory, each reported."""
    task = run.task()
    request = next(task)
    while True:
        try:
            answer = yield request
        except UmlipBenchError as error:
            request = task.throw(error)
            continue
        tick()
        try:
            request = task.send(answer)
        except StopIteration as end:
            trajectory: Trajectory = end.value
            return trajectory
