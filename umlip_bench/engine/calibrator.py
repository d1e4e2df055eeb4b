"""Measuring the memory and the time of a model's calls on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch

from umlip_bench.engine.calibration import Calibration, Duration, Errors, Key
from umlip_bench.engine.free_memory import free_memory
from umlip_bench.engine.packing import Packer
from umlip_bench.engine.trial_batches import trial_batches, trial_structures
from umlip_bench.ground.errors import DeviceError, UmlipBenchError
from umlip_bench.potentials.graph import Footprint, Graph, Linear
from umlip_bench.potentials.memory import cost_of_call, fit_linear, measure
from umlip_bench.potentials.protocol import DifferentiablePotential, Potential

N_FITTED, N_WITHOUT_ANGLES, N_HELD_OUT = 32, 4, 50
TIMED_REPEATS = 4

_POOL = 80
_LARGEST_STRUCTURE = 100
_SMALLEST_CALL = 50
_NEEDED_EDGES = 500
_LARGEST_CALL = {"cpu": 6000, "cuda": 200_000}
"""Edges."""
_LONGEST_CALL = 0.5
"""Seconds, so that a large model on a small machine is done in minutes as well."""
_SHARE_OF_FREE_MEMORY = 0.3

BATCH_SIZES = (250, 500, 1000, 2000, 4000, 8000)
"""Edges per call that are tried on a CPU."""
GOOD_ENOUGH = 1.03
"""The smallest size is taken that is within 3 % of the fastest: less memory for the same speed, and
no large batch for a difference that is noise."""
_SEARCHED_EDGES = 8000
_LONGEST_PASS = 1.0
_MOST_REPEATS, _FEWEST_REPEATS = 7, 3
_LONGEST_SEARCH = 30.0
"""Seconds."""


def calibrate(potential: Potential) -> Calibration:
    """Fit memory and time of a potential's calls, and on a CPU find how much to hand over at once.

    The terms are fitted to batches of made-up structures of 1 to 100 atoms, their errors found on
    `N_HELD_OUT` batches of others. Nothing is written: see `Calibration.save`.

    Parameters
    ----------
    potential
        On the device, in the number format and, on a CPU, with as many threads as it will run.

    Raises
    ------
    UmlipBenchError
        If the potential takes one structure at a time, as foreign calculators do.
    DeviceError
        If there is hardly any memory free.
    """
    check_takes_batches(potential)
    pool, other_pool = (
        _graphs(potential, seed=seed, largest=_LARGEST_STRUCTURE) for seed in (1, 2)
    )
    edges = (_SMALLEST_CALL, _largest_call(potential, pool))
    fitted = trial_batches(pool, N_FITTED, edges=edges, seed=1)
    thin = [graph for graph in pool if graph.n_angles == 0]
    if 0 < len(thin) < len(pool):
        # Few batches have no angle at all, and what calls take without any shows only there.
        fitted += trial_batches(thin, N_WITHOUT_ANGLES, edges=edges, seed=1)
    held_out = trial_batches(other_pool, N_HELD_OUT, edges=edges, seed=2)

    memory = Footprint(**_fit(fitted, [measure(potential, batch) for batch in fitted]))
    memory_errors = _errors(memory, held_out, [measure(potential, batch) for batch in held_out])
    seconds = _fastest(potential, [*fitted, *held_out])
    duration = Duration(**_fit(fitted, seconds[: len(fitted)]))
    duration_errors = _errors(duration, held_out, seconds[len(fitted) :])
    on_cpu = potential.device.type == "cpu"
    return Calibration(
        key=Key.of(potential),
        memory=memory,
        duration=duration,
        edges_per_batch=_best_cpu_batch(potential, duration) if on_cpu else None,
        n_fitted=len(fitted),
        n_held_out=len(held_out),
        memory_errors=memory_errors,
        duration_errors=duration_errors,
    )


def check_takes_batches(potential: Potential) -> None:
    """Refuse what has no batches.

    Raises
    ------
    UmlipBenchError
        If the potential takes one structure at a time.
    """
    if not isinstance(potential, DifferentiablePotential):
        raise UmlipBenchError(
            f"{potential.card.name} takes one structure at a time, so that there are no batches to "
            "calibrate; give a model that `umlip-bench models` lists, or the path of its weights"
        )


def smallest_good_enough(seconds: Sequence[Sequence[float]], sizes: Sequence[int]) -> int:
    """The smallest size that is as fast as the fastest, but for `GOOD_ENOUGH`.

    Parameters
    ----------
    seconds
        For each repeat the time of the same work in calls of each size. Times are compared within
        a repeat, and the median over the repeats counts: a machine that slows down for a while
        does so for all sizes.
    sizes
        Ascending.
    """
    times = np.log(np.asarray(seconds, dtype=float))
    relative = np.median(times - times.mean(axis=1, keepdims=True), axis=0)
    good = relative <= relative.min() + np.log(GOOD_ENOUGH)
    return sizes[int(np.argmax(good))]


def _best_cpu_batch(potential: Potential, duration: Duration) -> int:
    """Edges per call at which small cells are evaluated fastest."""
    graphs: list[Graph] = []
    total = 0
    for graph in _graphs(potential, seed=3, largest=20):
        expected = duration.of_call(cost_of_call([*graphs, graph]))
        if total >= _SEARCHED_EDGES or (len(graphs) > 1 and expected > _LONGEST_PASS):
            break
        graphs.append(graph)
        total += graph.cost.edges
    # All in one call is the largest that can be told from the others.
    sizes = [size for size in BATCH_SIZES if size <= total] or [BATCH_SIZES[0]]
    packer = Packer(potential)
    calls = {}
    for size in sizes:
        packer.budget = size
        calls[size] = [[graphs[k] for k in call] for call in packer.partition(graphs)]
    seconds: list[list[float]] = []
    started = time.perf_counter()
    while len(seconds) < _MOST_REPEATS:
        late = time.perf_counter() - started > _LONGEST_SEARCH
        if late and len(seconds) >= _FEWEST_REPEATS:
            break
        seconds.append([_pass(potential, calls[size]) for size in sizes])
    return smallest_good_enough(seconds, sizes)


def _pass(potential: Potential, calls: Sequence[Sequence[Graph]]) -> float:
    """Seconds that calls take on a machine that does nothing else."""
    alone = potential.device.type == "cpu" and torch.get_num_threads() == 1
    # The time of one thread does not run while other programs have its core.
    clock = time.process_time if alone else time.perf_counter
    start = clock()
    for call in calls:
        potential.evaluate(call)
    return clock() - start


def _graphs(potential: Potential, *, seed: int, largest: int) -> list[Graph]:
    structures = trial_structures(potential.card.elements, _POOL, seed=seed, largest=largest)
    return [potential.prepare(atoms) for atoms in structures]


def _largest_call(potential: Potential, pool: Sequence[Graph]) -> int:
    """Edges of the largest batch to try, within bounds of memory and of time."""
    everything = cost_of_call(pool)
    peak, free = Packer(potential).peak, free_memory(potential.device)
    fixed = peak.per_call + peak.per_call_with_angles
    per_edge = peak.added_by(everything) / everything.edges
    fitting = (_SHARE_OF_FREE_MEMORY * free - fixed) / per_edge
    if fitting < _NEEDED_EDGES:
        raise DeviceError(
            f"{potential.card.name} cannot be calibrated on {potential.device}: "
            f"{(fixed + _NEEDED_EDGES * per_edge) / _SHARE_OF_FREE_MEMORY / 1e9:.2f} GB must be free, "
            f"and {free / 1e9:.2f} are; wait for other programs to end, or choose another device"
        )
    (sample,) = trial_batches(pool, 1, edges=(500, 501), seed=0)
    (seconds,) = _fastest(potential, [sample])  # libraries choose and compile on the first calls
    per_second = cost_of_call(sample).edges / seconds
    longest = max(_NEEDED_EDGES, _LONGEST_CALL * per_second)
    return int(min(fitting, longest, _LARGEST_CALL[potential.device.type]))


def _fit(batches: Sequence[Sequence[Graph]], values: Sequence[float]) -> dict[str, float]:
    return fit_linear([cost_of_call(batch) for batch in batches], values)


def _errors(model: Linear, batches: Sequence[Sequence[Graph]], measured: Sequence[float]) -> Errors:
    predicted = np.array([model.of_call(cost_of_call(batch)) for batch in batches])
    relative = np.abs(predicted / np.asarray(measured, dtype=float) - 1)
    return Errors(median=float(np.median(relative)), worst=float(relative.max()))


def _fastest(potential: Potential, batches: Sequence[Sequence[Graph]]) -> list[float]:
    """Seconds of each call, the least of `TIMED_REPEATS`.

    What else goes on makes a call slower, never faster. All batches are gone through before the
    next repeat, so that no batch meets a busy machine in all of its repeats.
    """
    repeats = [[_pass(potential, [batch]) for batch in batches] for _ in range(TIMED_REPEATS)]
    return np.min(repeats, axis=0).tolist()
