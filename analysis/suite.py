"""A suite, seen from its results: what it declares, and what follows from that.

A run folder is read with this alone: no model and no reference data is needed. How cases are found and
measured a suite says on top (`umlip_bench.benchmarks.suite.Suite`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import numpy as np

from umlip_bench.analysis.intervals import Estimate
from umlip_bench.analysis.metric import (
    Headline,
    Metric,
    PairedMetricEstimate,
    Together,
    numbers,
)
from umlip_bench.analysis.over import Count, Over, Share
from umlip_bench.analysis.over_sums import Pooled
from umlip_bench.analysis.parity import Parity, Quantity
from umlip_bench.analysis.properties import Fact as Fact
from umlip_bench.analysis.properties import Property, PropertyRow
from umlip_bench.analysis.results import NO_RESULT as NO_RESULT
from umlip_bench.analysis.results import Named, clusters
from umlip_bench.analysis.results import Variant as Variant
from umlip_bench.analysis.summary import Row, RowHead
from umlip_bench.analysis.tables import (
    CaseTable,
    Presentation,
    clusters_in_words,
    minus_fixed,
)
from umlip_bench.analysis.under_factor import scaled
from umlip_bench.ground.arrays import from_arrays, to_arrays
from umlip_bench.ground.errors import DataError

if TYPE_CHECKING:
    from umlip_bench.analysis.drawing import Drawing


R = TypeVar("R", bound=Named)
V = TypeVar("V")


def _itself(result: R, variant: str) -> Any:
    return result


def _never(result: Any, variant: str) -> bool:
    return False


def _nan(view: Any) -> float:
    return float("nan")


def _always(result: Any) -> bool:
    return True


def _no_words(views: Sequence[Any]) -> str:
    return ""


def _none(result: Any, variant: str) -> tuple[Any, ...]:
    return ()


def _nothing(results: Sequence[Any]) -> None:
    return None


@dataclass(frozen=True, kw_only=True, eq=False)
class DeclaredSuite(Generic[R, V]):
    """A suite, seen from its results.

    Parameters
    ----------
    name
        As given to ``umlip-bench run``.
    title
        Of its section in the report.
    place
        Where it comes among the suites, from 1; those without a place come last, by name.
    result
        Class of the results; files are made of its fields (`umlip_bench.ground.arrays`), and which of them
        a factor on the energy surface multiplies they say themselves (`umlip_bench.analysis.under_factor`).
    variants
        Ways of measuring that it knows; the first is at DFT's geometry.
    view
        From a result and the name of a variant what metrics are made of; ``None`` if the case has nothing
        of the variant.
    metrics
        Its numbers, in the order of its tables.
    together
        Rows of the summary that follow from all cases together, below those of the metrics.
    facts
        Numbers of a case that are of no variant.
    quantities
        What is plotted against DFT.
    cases_are
        What the cases are, in the plural: ``"materials"``.
    count
        The row of the summary whose number of cases is a table's.
    verdict
        From the rows of one panel and the name of a model: one line on it.
    caption
        From the rows of one panel: what the table shows and how its intervals were made.
    compared
        Whether a result has anything to be compared with; others are in no row of the summary.
    lost
        Whether a case has no result in a variant that it was to be measured in; counted as failed there.
    amplitude
        How far from equilibrium the model was measured, in words, from the cases of a variant; empty where
        that is the data's own.
    faults
        What went wrong in a case and variant, in words, whether or not there is a reference to compare with:
        `NO_RESULT` for a geometry that was to be measured and has no result.
    properties
        What a sheet of a material without a reference lists of a case and variant.
    system
        What clusters: results of one material, formula or element are not independent.
    case_table
        Cases of one model, one by one; ``None`` where there is more to a case than a line holds.
    drawing_title, drawings
        What is drawn of single cases, and curves from results of one case by model; DFT's first.
    """

    name: str
    title: str
    result: type[R]
    variants: tuple[Variant, ...]
    metrics: tuple[Metric[V], ...]
    count: str
    verdict: Callable[[Sequence[Row], str], str]
    caption: Callable[[Sequence[Row]], str]
    place: int = 1000
    view: Callable[[R, str], V | None] = _itself
    together: tuple[Together[V], ...] = ()
    facts: tuple[Fact[R], ...] = ()
    quantities: tuple[Quantity[V], ...] = ()
    cases_are: str = "materials"
    compared: Callable[[R], bool] = _always
    lost: Callable[[R, str], bool] = _never
    amplitude: Callable[[Sequence[V]], str] = _no_words
    faults: Callable[[R, str], tuple[str, ...]] = _none
    properties: Callable[[R, str], Sequence[Property]] = _none
    system: Callable[[R], str] = clusters
    case_table: Callable[[Sequence[R]], CaseTable | None] = _nothing
    drawing_title: str = ""
    drawings: Callable[[Mapping[str, R]], list[Drawing]] | None = None

    # ---- what is declared, seen otherwise

    @cached_property
    def _summarised(self) -> dict[str, tuple[str, Over, Callable[[V], float]]]:
        """Of each row: label, how it is made, and what it would be of one case."""

        def of_case(metric: Metric[V], over: Over) -> Callable[[V], float]:
            return lambda view: over.of_case(metric.of(view))

        return {
            name: (label, over, of_case(metric, over))
            for metric in self.metrics
            for over in metric.over
            for name, label in over.names(metric.key)
        }

    @cached_property
    def presentation(self) -> Presentation:
        """How its rows are shown."""
        labels = [(name, label) for name, (label, _, _) in self._summarised.items()]
        labels += [(name, label) for group in self.together for name, label, _ in group.rows]
        if len(self.variants) > 1:
            labels += [
                (minus_fixed(each.metric), f"{self._summarised[each.metric][0]}, minus fixed")
                for each in self.headlines
            ]
        return Presentation(
            [each for each in labels if each[1]],
            self.count,
            self.cases_are,
            self.verdict,
            lambda rows: self.caption(rows) + clusters_in_words(rows, self.cases_are, self.count),
        )

    @cached_property
    def headlines(self) -> tuple[Headline[V], ...]:
        """Its scales, the most telling first."""
        return tuple(
            Headline(
                metric=name,
                inverse=over.inverse or None,
                label=over.headline,
                of_case=of_case,
                inverse_of_case=self._summarised[over.inverse][2] if over.inverse else _nan,
                error=over.error_of_case,
            )
            for name, (_, over, of_case) in self._summarised.items()
            if over.headline
        )

    @cached_property
    def beside_headlines(self) -> Mapping[str, str]:
        """Rows that are scales too, and what of."""
        return {n: over.scale_of for n, (_, over, _) in self._summarised.items() if over.scale_of}

    @cached_property
    def left_out(self) -> Mapping[str, str]:
        """Rows that count cases which are not compared through no fault of the model, and why."""
        found = {n: o.left_out for n, (_, o, _) in self._summarised.items() if isinstance(o, Count)}
        return {name: said for name, said in found.items() if said}

    @cached_property
    def faults_by_reference(self) -> Mapping[str, str]:
        """Rows that are shares of cases with a fault that only a reference can tell, in words."""
        found = {n: o.fault for n, (_, o, _) in self._summarised.items() if isinstance(o, Share)}
        return {name: said for name, said in found.items() if said}

    @property
    def errors(self) -> tuple[str, ...]:
        """Rows that are errors before and after a correction within the sample."""
        return tuple(name for name, (_, over, _) in self._summarised.items() if over.error)

    def line(self, metric: str) -> str:
        """What a line of the slope of this row is, in words."""
        pooled = isinstance(self._summarised[metric][1], Pooled)
        return "pooled slope" if pooled else f"median over {self.cases_are}"

    @property
    def variant_names(self) -> tuple[str, ...]:
        """Names of its variants, DFT's geometry first."""
        return tuple(variant.name for variant in self.variants)

    def _of(self, variant: str) -> list[Metric[V]]:
        return [metric for metric in self.metrics if not metric.only or variant in metric.only]

    # ---- one result

    def numbers(self, result: R) -> Mapping[str, float | int]:
        """The numbers of one case, for cases.jsonl."""
        found: dict[str, float | int] = {}
        for variant in self.variants:
            view = self.view(result, variant.name)
            if view is not None:
                found |= numbers(self._of(variant.name), variant.prefix, view)
        return found | {fact.key: fact.of(result) for fact in self.facts}

    def to_arrays(self, result: R) -> Mapping[str, np.ndarray]:
        """Everything the result consists of, for the run folder's predictions."""
        return to_arrays(result)

    def from_arrays(self, arrays: Mapping[str, np.ndarray]) -> R:
        """The result again."""
        return from_arrays(self.result, arrays)

    def scaled(self, result: R, factor: float) -> R:
        """The result of the same model with its energy surface multiplied by a factor; see `scaled`."""
        return scaled(result, factor)

    def scale(self, result: R, variant: str, headline: Headline[V]) -> float:
        """What a headline is in one case; nan if the case has none, or it is not comparable."""
        return self.value(result, variant, headline.of_case)

    def value(self, result: R, variant: str, of: Callable[[V], float]) -> float:
        """What something is in one case; nan where the variant has nothing."""
        view = self.view(result, variant)
        return float("nan") if view is None else of(view)

    def number(self, result: R, variant: str, key: str) -> float:
        """A metric of one case by its key; nan where the variant has nothing."""
        of = next(metric.of for metric in self.metrics if metric.key == key)
        return self.value(result, variant, lambda view: float(of(view)))

    def parities(self, result: R, variant: str) -> tuple[Parity, ...]:
        """What can be plotted against DFT; empty if nothing is comparable."""
        view = self.view(result, variant)
        if view is None:
            return ()
        found = ((quantity, quantity.values(view)) for quantity in self.quantities)
        return tuple(Parity(each, *values) for each, values in found if values is not None)

    def property_rows(self, model: str, data: str, result: R) -> Iterator[PropertyRow]:
        """The properties of one case in all variants, for files."""
        for variant in self.variant_names:
            for each in self.properties(result, variant):
                yield PropertyRow.of(each, model, data, self.name, variant, result.name)

    # ---- many results

    def rows(self, model: str, data: str, results: Sequence[R], n_failed: int) -> list[Row]:
        """Summary over the cases that succeeded, each variant apart.

        Parameters
        ----------
        model, data
            Names for the rows.
        results
            Cases that the model gave results for; may be empty.
        n_failed
            Cases that it gave none for; those that are lost in one variant are added to it there.

        Raises
        ------
        DataError
            If two cases share a name: they would pass for independent.
        """
        names = Counter(result.name for result in results)
        repeated = sorted(name for name, count in names.items() if count > 1)
        if repeated:
            raise DataError(f"{self.cases_are} given more than once: {', '.join(repeated)}")
        judged = [result for result in results if self.compared(result)]
        rows: list[Row] = []
        for variant in self.variant_names:
            seen = [(self.system(result), self.view(result, variant)) for result in judged]
            known = [(system, view) for system, view in seen if view is not None]
            lost = sum(self.lost(result, variant) for result in judged)
            if results and not known and not lost:
                continue
            systems, views = [name for name, _ in known], [view for _, view in known]
            amplitude = self.amplitude(views)
            n_systems = len(set(systems))
            head = RowHead(model, data, self.name, variant, n_failed + lost, amplitude, n_systems)
            for metric in self._of(variant):
                rows += metric.rows(head, systems, views)
            for group in self.together:
                estimates = group.of(views)
                named = zip(group.rows, estimates, strict=True) if estimates else ()
                rows += [head.row(name, unit, found) for (name, _, unit), found in named]
            rows += self._minus_fixed(head, judged)
        return rows

    def _minus_fixed(self, head: RowHead, results: Sequence[R]) -> Iterator[Row]:
        """Headlines of a variant less those at DFT's geometry, case by case."""
        if head.variant == self.variant_names[0]:
            return
        metrics = {headline.metric for headline in self.headlines}
        pairs = [(result, result) for result in results]
        for found in self.paired(pairs, self.variant_names[0], head.variant):
            own = found.estimate
            if found.metric in metrics and own.n_cases:
                difference = Estimate(own.difference, own.low, own.high, own.n_cases, own.method)
                yield head.row(minus_fixed(found.metric), found.unit, difference)

    def paired(
        self, pairs: Sequence[tuple[R, R]], first: str, second: str
    ) -> Iterator[PairedMetricEstimate]:
        """Paired differences, case by case, of what its metrics declare to be compared.

        Parameters
        ----------
        pairs
            Results of the same cases.
        first, second
            Variants of the two sides.
        """
        seen = [
            (self.system(one), self.view(one, first), self.view(other, second))
            for one, other in pairs
        ]
        known = [(s, a, b) for s, a, b in seen if a is not None and b is not None]
        systems = [system for system, _, _ in known]
        for metric in (each for each in self._of(first) if each in self._of(second)):
            yield from metric.compare(systems, [a for _, a, _ in known], [b for _, _, b in known])


AnySuite: TypeAlias = DeclaredSuite[Any, Any]
"""A suite of whatever results."""
