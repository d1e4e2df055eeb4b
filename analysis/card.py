"""The report card of a model, to be handed to others: what it is for, where it fails, what to correct.

Everything on it follows from one run folder: it says what was measured, on what, and what was not.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from umlip_bench.analysis.card_content import (
    CardCase,
    CardCheck,
    CardCount,
    CardFactor,
    CardFailure,
    CardScale,
    ModelCardContent,
)
from umlip_bench.analysis.chemistry import ClassScale, by_class
from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.force_chemistry import suite_of_forces
from umlip_bench.analysis.reference import DFT, reference_of
from umlip_bench.analysis.registry import all_suites, suite_of
from umlip_bench.analysis.run_files import VERSIONS
from umlip_bench.analysis.runs import Run
from umlip_bench.analysis.sheet import sheets_of
from umlip_bench.analysis.suite import NO_RESULT, AnySuite, Headline
from umlip_bench.analysis.summary import Row
from umlip_bench.ground.content import as_mapping
from umlip_bench.ground.elements import SYMBOLS
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.level_of_theory import EXPERIMENT

WORST = 3
"""Cases that are named, of each suite and variant."""


def card_content(side: Side) -> ModelCardContent:
    """What the report card of a model says.

    Parameters
    ----------
    side
        As of `model_card`.

    Raises
    ------
    UmlipBenchError
        If the run has no finished case of the model, or a file of its predictions cannot be read.
    """
    run, model = side.run, side.model
    if model not in run.models:
        raise UmlipBenchError(
            f"{run.path} has no finished case of {model}; it has {', '.join(run.models) or 'none'}"
        )
    identity, provenance = run.config.identity, run.config.provenance
    known = {suite: run.of(suite, model) for suite in run.suites}
    present = {s for cases in known.values() for case in cases for s in case.elements}
    return ModelCardContent(
        title=side.label,
        model=run.card(model),
        sha256=str(run.config.models[model]["sha256"]),
        suites={suite: len(cases) for suite, cases in known.items() if cases},
        elements=tuple(symbol for symbol in SYMBOLS if symbol in present),
        unmeasured=tuple(suite for suite in all_suites() if not known.get(suite)),
        scales=tuple(_scales(side)),
        checks=tuple(_checks(side)),
        chemistry=tuple(_classes(side)),
        worst=tuple(_worst(side)),
        faults=(*_faults(side), *_false_alarms(side)),
        left_out=tuple(_left_out(side)),
        failures=tuple(
            CardFailure(record.suite, record.case, record.reason or "no reason recorded")
            for record in run.failed(model=model)
        ),
        factor=_factor(side),
        sheet=sheets_of([side]).get(run.data),
        data=run.data,
        data_notes=() if _is_dft(run) else run.data_notes,
        data_sha256=str(as_mapping(identity["data"])["sha256"]),
        data_level=run.level,
        settings={name: str(value) for name, value in as_mapping(identity["settings"]).items()},
        versions=_versions(provenance, run.config.models[model].get(VERSIONS)),
        measured_on=str(provenance.get("device", "unknown")),
        started=str(provenance.get("started", "unknown")),
        incomplete=run.incomplete,
    )


def _is_dft(run: Run) -> bool:
    """Whether reference values are DFT's, not another model's nor measured."""
    return reference_of(run.data) == DFT and run.level.functional != EXPERIMENT


def _classes(side: Side) -> list[ClassScale]:
    suite = suite_of_forces(side.run)
    if suite is None:
        return []
    return by_class(side.run, suite.name, suite.variant_names[0], side.model)


def _panels(run: Run, model: str) -> Iterator[tuple[AnySuite, str, Headline]]:
    """Suites, variants and headlines that the model has cases of."""
    for suite in run.suites:
        if run.of(suite, model):
            analysis = suite_of(suite)
            for variant in analysis.variant_names:
                for headline in analysis.headlines:
                    yield analysis, variant, headline


def _scales(side: Side) -> Iterator[CardScale]:
    run, model = side.run, side.model
    for analysis, variant, headline in _panels(run, model):
        row = run.find(analysis.name, variant, model, headline.metric)
        if row is None or math.isnan(row.value):
            continue
        best = (
            None
            if headline.inverse is None
            else run.find(analysis.name, variant, model, headline.inverse)
        )
        if best is None or math.isnan(best.value):
            factor = factor_low = factor_high = None
        else:
            factor, factor_low, factor_high = best.value, best.ci_low, best.ci_high
        yield CardScale(
            suite=analysis.name,
            variant=variant,
            label=headline.label,
            value=row.value,
            low=row.ci_low,
            high=row.ci_high,
            factor=factor,
            factor_low=factor_low,
            factor_high=factor_high,
            n_cases=row.n_cases,
            n_failed=row.n_failed,
            verdict=_sentence(run, analysis, variant, model),
        )


def _checks(side: Side) -> Iterator[CardCheck]:
    run, parent = side.run, side.run.card(side.model).parent
    for suite in run.suites:
        analysis = suite_of(suite)
        if analysis.headlines or not run.of(suite, side.model):
            continue
        for variant in analysis.variant_names:
            of_parent: str | None = None
            broken: tuple[str, ...] = ()
            if parent is not None and run.of(suite, parent):
                of_parent = _sentence(run, analysis, variant, parent)
                broken = _broken(run, analysis, variant, side.model, parent)
            said = _sentence(run, analysis, variant, side.model)
            yield CardCheck(suite, variant, said, of_parent, broken)


def _sentence(run: Run, analysis: AnySuite, variant: str, model: str) -> str:
    panel = (analysis.name, variant, model)
    rows = [r for r in run.rows if (r.suite, r.variant, r.model) == panel]
    return analysis.presentation.verdict(rows, model).removeprefix(f"{model}: ")


def _broken(run: Run, analysis: AnySuite, variant: str, model: str, parent: str) -> tuple[str, ...]:
    def faults(of: str) -> dict[str, tuple[str, ...]]:
        results = run.results_of(analysis.result, analysis.name, of)
        return {result.name: analysis.faults(result, variant) for result in results}

    before = faults(parent)
    now = faults(model).items()
    return tuple(fault for case, found in now if before.get(case) == () for fault in found)


def _worst(side: Side) -> Iterator[CardCase]:
    run, model = side.run, side.model
    for analysis, variant, headline in _panels(run, model):
        cases = [
            CardCase(analysis.name, variant, record.case, headline.label, scale)
            for record in run.of(analysis.name, model)
            if math.isfinite(scale := analysis.scale(run.result(record), variant, headline))
        ]
        yield from sorted(cases, key=_distance, reverse=True)[:WORST]


def _distance(case: CardCase) -> float:
    """How far a scale is from 1, as a factor; a wrong sign is farther than anything."""
    return abs(math.log(case.scale)) if case.scale > 0.0 else math.inf


def _faults(side: Side) -> Iterator[CardCount]:
    """Cases that went wrong, from their results, so that a run without reference has them too."""
    run, model = side.run, side.model
    for suite in run.suites:
        analysis = suite_of(suite)
        results = run.results(suite, model)
        for variant in analysis.variant_names:
            found = [analysis.faults(result, variant) for result in results]
            without = sum(NO_RESULT in each for each in found)
            for what, n in Counter(fault for each in found for fault in each).items():
                of = len(results) if what == NO_RESULT else len(results) - without
                yield CardCount(suite, str(variant), what, n, of)


def _left_out(side: Side) -> Iterator[CardCount]:
    """Cases that are not compared through no fault of the model."""
    for row, said in _said(side, lambda suite: suite.left_out):
        yield CardCount(row.suite, row.variant, said, round(row.value), row.n_cases)


def _false_alarms(side: Side) -> Iterator[CardCount]:
    """Faults that only a reference can tell."""
    for row, said in _said(side, lambda suite: suite.faults_by_reference):
        yield CardCount(row.suite, row.variant, said, round(row.value * row.n_cases), row.n_cases)


def _said(side: Side, what: Callable[[AnySuite], Mapping[str, str]]) -> Iterator[tuple[Row, str]]:
    """Rows of the model that are not zero and of which a suite declares something, with what."""
    for row in side.run.rows:
        said = what(suite_of(row.suite)).get(row.metric)
        if row.model == side.model and said and row.value > 0.0:
            yield row, said


def _factor(side: Side) -> CardFactor | None:
    """What the first headline asks for that says which error a factor should lessen."""
    suites = (suite_of(name) for name in side.run.suites)
    headlines = ((suite, each) for suite in suites for each in suite.headlines if each.error)
    return next((_factor_of(side, suite, headline) for suite, headline in headlines), None)


def _factor_of(side: Side, suite: AnySuite, headline: Headline[Any]) -> CardFactor | None:
    run, model, variant = side.run, side.model, suite.variant_names[0]

    def found(metric: str | None) -> Row | None:
        return None if metric is None else run.find(suite.name, variant, model, metric)

    stresses = (name for name, label in suite.beside_headlines.items() if label == "stresses")
    slope, inverse = found(headline.metric), found(headline.inverse)
    stress = found(next(stresses, None))
    if inverse is None or slope is None or math.isnan(inverse.value):
        return None
    cases = [(record.case, run.result(record)) for record in run.of(suite.name, model)]
    factors = [suite.value(result, variant, headline.inverse_of_case) for _, result in cases]

    def error(result: Any) -> float:
        return suite.number(result, variant, headline.error)

    # A negative factor would turn the surface over: there is no such correction.
    worse = [
        case
        for case, result in cases
        if inverse.value > 0.0 and error(suite.scaled(result, inverse.value)) > error(result)
    ]
    return CardFactor(
        value=inverse.value,
        low=inverse.ci_low,
        high=inverse.ci_high,
        supported=_supported(slope, inverse),
        smallest=min(factors),
        largest=max(factors),
        n_materials=inverse.n_cases,
        worse=tuple(worse),
        stress_slope=math.nan if stress is None else stress.value,
    )


def _supported(slope: Row, inverse: Row) -> bool | None:
    if slope.ci_low is None or slope.ci_high is None:
        return None
    if inverse.ci_low is None or inverse.ci_high is None:
        return None
    soft = slope.ci_high < 1.0 < inverse.ci_low
    stiff = slope.ci_low > 1.0 > inverse.ci_high
    return soft or stiff


def _versions(provenance: Mapping[str, object], environment: object) -> dict[str, str]:
    """Of this package, and of what evaluated the model: its environment's, else the run's."""
    ours = {name: provenance[name] for name in ("umlip_bench", "python") if name in provenance}
    packages = as_mapping(provenance.get("packages", {}) if environment is None else environment)
    return {name: str(version) for name, version in {**ours, **packages}.items()}
