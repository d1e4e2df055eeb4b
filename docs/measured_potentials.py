"""Fill the tables of results/potentials.md from run folders: every number of the page is of a run.

    python docs/measured_potentials.py runs/pbe runs/debye runs/r2scan

The page says which commands make the folders. What stands between the marks of a table is replaced, the
sentences around stay: read them again when the numbers change.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from umlip_bench import analysis
from umlip_bench.analysis.clusters import median_over_clusters
from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.comparison import PairedRow, compare
from umlip_bench.analysis.registry import suite_of
from umlip_bench.analysis.runs import Run

PAGE = Path(__file__).parent / "results" / "potentials.md"
FORCES = "high-energy"
COLUMNS = {
    "slope_median": "slope",
    "inverse_median": "inverse",
    "r2_median": "r2",
    "mae": "MAE (eV/Å)",
    "energy_slope_median": "energy slope",
    "stress_slope_median": "stress slope",
}
"""Rows of the suite of forces, and their names in its table."""
COMPARED = ("slope_median", "r2_median", "mae")
SAME_DATA = ("chgnet-0.3.0", "sevennet:7net-0", "nequix:nequix-mp-1")
PAIRS = (
    ("architecture", "chgnet-0.3.0", "sevennet:7net-0"),
    ("architecture", "sevennet:7net-0", "nequix:nequix-mp-1"),
    ("architecture", "chgnet-0.3.0", "nequix:nequix-mp-1"),
    ("MPtrj to OMat24", "nequix:nequix-mp-1", "nequix:nequix-omat-1"),
    ("phonon fine-tuning", "nequix:nequix-mp-1", "nequix:nequix-mp-1-pft"),
    ("MPtrj to MatPES", "m3gnet-mp-2021.2.8", "m3gnet-matpes-pbe-2025.1"),
)
"""What differs between two models, and which."""
FUNCTIONALS = (
    ("sevennet:7net-mf-0-pbe", "sevennet:7net-mf-0-r2scan"),
    ("tensornet-matpes-pbe-2025.1", "TensorNet-MatPES-r2SCAN-v2025.1-PES"),
    ("chgnet-0.3.0", "chgnet-r2scan"),
)
"""Trained in the same way on PBE and on r2SCAN, or nearly so."""


def main(pbe: Run, debye: Run, r2scan: Run) -> None:
    """Write the page."""
    text = PAGE.read_text(encoding="utf-8")
    text = filled(text, "forces", forces(pbe))
    text = filled(text, "forces-r2scan", forces(r2scan))
    text = filled(text, "functionals", functionals(debye, r2scan))
    text = filled(text, "scales", scales(pbe))
    text = filled(text, "spread", spread(pbe))
    text = filled(text, "pairs", pairs(pbe))
    text = filled(text, "scale-pairs", scale_pairs(pbe))
    PAGE.write_text(text, encoding="utf-8")


def filled(text: str, name: str, lines: Iterator[str]) -> str:
    """The page with a table in place of what stood between its marks."""
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    table = "\n".join(lines)
    if not marks.search(text):
        sys.exit(f"{PAGE} has no place for the table {name}")
    return marks.sub(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", text)


def table(head: Sequence[str], lines: Iterator[Sequence[str]]) -> Iterator[str]:
    """In Markdown."""
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for line in lines:
        yield f"| {' | '.join(line)} |"


def value(number: float, low: float | None, high: float | None, form: Callable[..., str]) -> str:
    """With its interval, if there is one."""
    if not np.isfinite(number):
        return "" if np.isnan(number) else ("above all" if number > 0 else "below all")
    if low is None or high is None:
        return form(number)
    return f"{form(number)} [{form(low)}, {form(high)}]"


def plain(number: float) -> str:
    """A value."""
    return f"{number:.3f}"


def signed(number: float) -> str:
    """A difference."""
    return f"{number:+.3f}"


def forces(run: Run) -> Iterator[str]:
    """The suite of forces, the softest model first."""

    def lines() -> Iterator[Sequence[str]]:
        for model in softest_first(run):
            # What comes after a colon are numbers of structures, and the like.
            trained_on = run.card(model).training_set.partition(":")[0]
            rows = [run.find(FORCES, "fixed-geometry", model, metric) for metric in COLUMNS]
            if rows[0] is None:
                continue
            numbers = [
                "" if r is None else value(r.value, r.ci_low, r.ci_high, plain) for r in rows
            ]
            yield model, trained_on, *numbers, str(rows[0].n_cases)

    return table(["model", "trained on", *COLUMNS.values(), "n"], lines())


def softest_first(run: Run) -> list[str]:
    """Models by their median slope."""
    rows = {
        model: run.find(FORCES, "fixed-geometry", model, "slope_median") for model in run.models
    }
    return sorted(rows, key=lambda model: np.inf if (row := rows[model]) is None else row.value)


def scales(run: Run) -> Iterator[str]:
    """The leading scale of every suite at DFT's geometry."""
    suites = [name for name in run.suites if suite_of(name).headlines]

    def lines() -> Iterator[Sequence[str]]:
        for model in softest_first(run):
            found = [scale(run, suite, model) for suite in suites]
            # What the first table has is not said again.
            if any(said for suite, said in zip(suites, found, strict=True) if suite != FORCES):
                yield model, *found

    return table(["model", *suites], lines())


def scale(run: Run, suite: str, model: str) -> str:
    """The first scale of a suite that a model has."""
    variant = suite_of(suite).variant_names[0]
    for headline in suite_of(suite).headlines:
        row = run.find(suite, variant, model, headline.metric)
        if row is not None and row.n_cases:
            failed = f", {row.n_failed} failed" if row.n_failed else ""
            return f"{value(row.value, row.ci_low, row.ci_high, plain)}; {row.n_cases}{failed}"
    return ""


def spread(run: Run) -> Iterator[str]:
    """How far models that were trained on the same data are apart, material by material."""
    slopes = np.array([slopes_of(run, model) for model in SAME_DATA])
    softness = 1.0 - slopes.mean(axis=0)
    measured = {
        "largest less smallest slope of the three": np.ptp(slopes, axis=0),
        "one less the mean of the three slopes": softness,
    }

    def lines() -> Iterator[Sequence[str]]:
        for what, of_material in measured.items():
            found = median_over_clusters(of_material, [str(k) for k in range(len(of_material))])
            yield what, value(found.value, found.low, found.high, plain), str(len(of_material))

    return table(["of each material, median", "value", "n"], lines())


def slopes_of(run: Run, model: str) -> list[float]:
    """Of the materials, in the order of the plan, which is that of every model."""
    return [float(record.metrics["slope"]) for record in run.of(FORCES, model)]


def pairs(run: Run) -> Iterator[str]:
    """Paired differences of forces."""

    def lines() -> Iterator[Sequence[str]]:
        for what, first, second in PAIRS:
            rows = {row.metric: row for row in compared(run, first, second) if row.suite == FORCES}
            if not rows:
                continue
            differences = [difference(rows.get(metric)) for metric in COMPARED]
            yield what, first, second, *differences, str(rows[COMPARED[0]].n_cases)

    head = ["what differs", "A", "B", *(f"{COLUMNS[metric]}, B - A" for metric in COMPARED), "n"]
    return table(head, lines())


def scale_pairs(run: Run) -> Iterator[str]:
    """Paired differences of the leading scales of the other suites."""
    suites = [name for name in run.suites if suite_of(name).headlines and name != FORCES]

    def lines() -> Iterator[Sequence[str]]:
        for what, first, second in PAIRS:
            rows = compared(run, first, second)
            found = [leading(rows, suite) for suite in suites]
            if any(found):
                yield what, first, second, *found

    return table(["what differs", "A", "B", *suites], lines())


def functionals(pbe: Run, r2scan: Run) -> Iterator[str]:
    """Models of either functional against labels of their own, at the same geometries."""

    def lines() -> Iterator[Sequence[str]]:
        for one, other in FUNCTIONALS:
            first = dict(zip(materials_of(pbe, one), slopes_of(pbe, one), strict=True))
            second = dict(zip(materials_of(r2scan, other), slopes_of(r2scan, other), strict=True))
            both = [name for name in second if name in first]
            if both:
                apart = [second[name] - first[name] for name in both]
                medians = (np.median([of[name] for name in both]) for of in (first, second))
                signs = f"{np.median(apart):+.3f} ({min(apart):+.3f} to {max(apart):+.3f})"
                yield one, other, *map(plain, medians), signs, str(len(both))

    head = ["PBE (A)", "r2SCAN (B)", "slope of A", "slope of B", "B - A, median (range)", "n"]
    return table(head, lines())


def materials_of(run: Run, model: str) -> list[str]:
    """In the order of `slopes_of`."""
    return [record.case for record in run.of(FORCES, model)]


def leading(rows: Sequence[PairedRow], suite: str) -> str:
    """Difference of the first scale that both have."""
    variant = suite_of(suite).variant_names[0]
    by_metric = {row.metric: row for row in rows if (row.suite, row.variant) == (suite, variant)}
    for headline in suite_of(suite).headlines:
        if headline.metric in by_metric:
            row = by_metric[headline.metric]
            return f"{difference(row)}; {row.n_cases}"
    return ""


def difference(row: PairedRow | None) -> str:
    """With its interval."""
    return "" if row is None else value(row.difference, row.ci_low, row.ci_high, signed)


def compared(run: Run, first: str, second: str) -> list[PairedRow]:
    """Nothing where the run has not both models."""
    if not {first, second} <= set(run.models):
        return []
    return compare(Side(run, first, first), Side(run, second, second))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: measured_potentials.py ON_PBE_MINI ON_DEBYE_MINI ON_R2SCAN_MINI")
    main(*map(analysis.read_run, sys.argv[1:]))
