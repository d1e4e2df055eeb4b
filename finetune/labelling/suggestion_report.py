"""What a suggestion tells the user: which frames, and what spoke for each."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from umlip_bench.finetune.labelling.pool import PoolSuggestion
from umlip_bench.finetune.labelling.suggestion import Suggestion, Why
from umlip_bench.ground.structures import describe


def print_suggestion(suggestion: Suggestion, console: Console) -> None:
    """Print the choice as a table, and what its columns mean."""
    committee = len(suggestion.models) > 1
    table = Table(
        title=Text(
            f"{describe(suggestion.start)}: {len(suggestion.frames)} of {suggestion.n_states} states"
        ),
        title_justify="left",
    )
    # Of two lines where that is what 80 columns take.
    heads = (
        "frame",
        "run",
        "time\n(fs)",
        "T (K)",
        "strain",
        "meV/\natom",
        "max |F|\n(eV/Å)",
        "distance",
    )
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    if committee:
        table.add_column("disagreement\n(eV/Å)", justify="right")
    table.add_column("exceeds\n(%)")
    for k, frame in enumerate(suggestion.frames):
        state, why = frame.state, frame.why
        cells = [
            str(k),
            str(state.run),
            f"{state.time:.0f}",
            f"{state.temperature:.0f}",
            f"{state.strain:+.0%}" if state.strain else "",
            f"{1000 * why.energy:.0f}",
            f"{why.max_force:.2f}",
            f"{why.distance:.2f}",
        ]
        if why.disagreement is not None:
            cells.append(f"{why.disagreement:.2f}")
        table.add_row(*cells, Text(_exceeds(why)))
    console.print(table)
    for line in explanations(suggestion):
        console.print(Text(line))


def print_pool(suggestion: PoolSuggestion, console: Console) -> None:
    """Print frames chosen of a pool as a table, and what its columns mean."""
    title = f"{suggestion.system}: {len(suggestion.frames)} of {suggestion.n_pool} frames"
    table = Table(title=Text(title), title_justify="left")
    for name in ("frame", "in the pool", "rms |F| (eV/Å)", "max |F| (eV/Å)", "weaker (%)"):
        table.add_column(name, justify="right")
    for k, frame in enumerate(suggestion.frames):
        forces = f"{frame.rms_force:.2f}", f"{frame.max_force:.2f}"
        table.add_row(str(k), str(frame.index), *forces, f"{100 * frame.weaker:.0f}")
    console.print(table)
    for line in pool_explanations(suggestion):
        console.print(Text(line))


def pool_explanations(suggestion: PoolSuggestion) -> Iterator[str]:
    """Say in words how frames of a pool were chosen, and what a reader must know."""
    low, middle, high = suggestion.rms_forces
    yield (
        "weaker: share of the pool's squared forces that frames with smaller forces have. Each frame is the "
        "middle one of an equal part of that share: a factor for the pool counts its frames so. Forces are "
        f"those of {suggestion.model}; over the pool the root mean square of a frame goes from {low:.2f} to "
        f"{high:.2f} eV/Å, median {middle:.2f}."
    )
    if suggestion.failures:
        yield f"Warning: {len(suggestion.failures)} frames could not be evaluated:"
        yield from suggestion.failures


def explanations(suggestion: Suggestion) -> Iterator[str]:
    """Say in words how frames were chosen, and what a reader must know."""
    sampled, *others = suggestion.models
    factors = "distance and root mean square force"
    if others:
        factors = "distance, root mean square force and disagreement"
    yield (
        f"Each is the state with the largest product of {factors} when it was chosen; exceeds: in each "
        "of these, the share of the states that could have been chosen instead. Forces and energies "
        "(above the relaxed "
        f"structure) are those of {sampled}."
    )
    yield (
        "distance: to the nearest of the relaxed structure and the frames above, in units of the median "
        f"distance of all states from the relaxed one, in {suggestion.space}."
    )
    if others:
        yield (
            "disagreement: sample standard deviation of the force over "
            f"{', '.join(suggestion.models)}, root mean square over atoms; no error bar."
        )
    if not suggestion.converged:
        yield (
            f"Warning: the relaxation did not reach {suggestion.sampling.fmax:g} eV/Å in "
            f"{suggestion.sampling.relax_steps} steps; the runs started from where it ended."
        )
    if suggestion.failures:
        yield f"Warning: {len(suggestion.failures)} of {suggestion.sampling.runs} runs failed:"
        yield from suggestion.failures


def _exceeds(why: Why) -> str:
    ranks = (why.distance_rank, why.force_rank, why.disagreement_rank)
    return ", ".join(f"{100 * rank:.0f}" for rank in ranks if rank is not None)
