"""What `race` shows and writes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from rich.console import Console
from rich.text import Text

from umlip_bench.finetune.experiment import NONE
from umlip_bench.finetune.measures import Measures
from umlip_bench.finetune.printing.cells import Shown, content_of, table_of
from umlip_bench.finetune.race import MIN_MATERIALS, RaceEntry, RaceRatio, RaceResult, summarise
from umlip_bench.ground.outputs import Output, json_text

ENTRIES, RESULTS = "race.csv", "race.json"
_NUMBERS = tuple(field.name for field in fields(Measures))
COLUMNS = (
    *("model", "material", "method", "n_labels", "seed", *_NUMBERS),
    *("curvature", "surface", "seconds", "failure"),
)
_RATIO = Shown("", digits=2)


def outputs(out: Path, force: bool = False) -> dict[str, Output]:
    """The files of a race, by name; to be checked before long work."""
    return {
        name: Output(out / name, force, COLUMNS if name == ENTRIES else ())
        for name in (ENTRIES, RESULTS)
    }


@dataclass(frozen=True)
class _Content:
    materials: tuple[str, ...]
    rows: tuple[RaceResult, ...]


def write_race(found: Sequence[RaceEntry], out: Path, force: bool = False) -> None:
    """Write `ENTRIES` (one line per fit; eV, Å, s) and `RESULTS`.

    Raises
    ------
    OutputError
        If a file cannot be written, or is there and not ours.
    """
    files, text = outputs(out, force), io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for each in found:
        numbers = [""] * len(_NUMBERS) if each.held_out is None else astuple(each.held_out)
        head = (each.model, each.material, each.method, each.n_labels, each.seed)
        tail = (each.curvature, each.surface, each.seconds, each.failure or "")
        writer.writerow([*head, *numbers, *tail])
    files[ENTRIES].write_text(text.getvalue())
    materials = tuple(dict.fromkeys(each.material for each in found))
    files[RESULTS].write_text(json_text(content_of(_Content(materials, summarise(found)))))


def print_race(found: Sequence[RaceEntry], console: Console) -> None:
    """Print a table for each model."""
    rows = summarise(found)
    for model in dict.fromkeys(row.model for row in rows):
        own = [row for row in rows if row.model == model]
        n = max(row.force.n for row in own)
        table = table_of(
            f"{model}: errors of held-out frames after / before, {n} materials",
            *("labels", "forces", "worse", "energies", "stress", "slope", "curvature"),
            *("surfaces", "seconds"),
            first="method",
        )
        for row in own:
            table.add_row(row.method, *_cells(row))
        console.print(table)
    failed = [each for each in found if each.failure is not None]
    for each in failed:
        what = f"{each.model}, {each.material}: {each.method}, {each.n_labels} labels"
        console.print(Text(f"Failed, and left out: {what}, draw {each.seed}: {each.failure}."))
    said = (
        "Geometric means over materials of those over draws, with 95 % intervals over materials "
        f"(from {MIN_MATERIALS}) by Student's t of the logarithms. worse: materials whose force error grew. "
        "slope, curvature, surfaces: medians over materials of the model over DFT; curvature over the "
        "amplitudes of the force sets, surfaces as cut; in brackets the number of materials."
    )
    console.print(Text(said, style="dim"))


def _cells(row: RaceResult) -> tuple[str, ...]:
    if row.method == NONE:
        errors: tuple[str, ...] = ("", "", "", "", "")
    else:
        worse = f"{row.force.n_worse}/{row.force.n}"
        energy, stress = (_ratio(each) for each in (row.energy, row.stress))
        errors = (str(row.n_labels), _ratio(row.force), worse, energy, stress)
    return (
        *errors,
        _RATIO.cell(row.force_slope),
        _counted(row.curvature, row.n_curvature),
        _counted(row.surface, row.n_surface),
        "" if row.method == NONE else f"{row.seconds:.0f}",
    )


def _ratio(ratio: RaceRatio) -> str:
    return _RATIO.interval(ratio.value, ratio.low, ratio.high)


def _counted(value: float, n: int) -> str:
    return f"{_RATIO.cell(value)} ({n})" if n else "-"
