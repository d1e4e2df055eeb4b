"""A run as a notebook shows it: HTML that needs no network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from umlip_bench.analysis.compared_models import sides
from umlip_bench.analysis.reference import reference_of
from umlip_bench.analysis.registry import suite_of
from umlip_bench.analysis.report.figures import drawn
from umlip_bench.analysis.runs import Run
from umlip_bench.analysis.sheet import sheets_of
from umlip_bench.analysis.verdict_table import verdict_lines
from umlip_bench.ground.level_of_theory import differs, level_warning
from umlip_bench.running.charts import scales_of

PIXELS_PER_INCH = 96
NAMED = 5
"""So many failed cases are named."""
HEADS = ("model", "suite", "scale", "n", "verdict")


def comparable(run: Run) -> tuple[str, ...]:
    """Models that are not known to be trained on another functional than the data's."""
    return tuple(m for m in run.models if not differs(run.card(m).level_of_theory, run.level))


def html_of(run: Run, left_out: Mapping[str, str], told: Sequence[str]) -> str:
    """Verdicts, scales, and what was left out or failed.

    Parameters
    ----------
    run
        As it is read.
    left_out
        Models that were not run, with the reason.
    told
        What else a user should know, a sentence each.
    """
    parts = [f"<p><b>{escape(run.data)}</b>, {escape(run.level.in_full)}</p>"]
    lines = list(_verdicts(run))
    over = escape(reference_of(run.data))
    if lines:
        parts += [
            _table(HEADS, lines),
            f"<p>model over {over}, below 1 is soft; 95 % intervals</p>",
        ]
    else:
        parts.append(
            f"<p>{len(run.records)} cases of {escape(', '.join(run.suites))}, measured by "
            f"{escape(', '.join(run.models))}; there is no verdict without reference values</p>"
        )
    for sheet in sheets_of(sides([run])).values():
        shown = [(line.title, line.label, *line.cells) for line in sheet.lines]
        parts.append(_table(("", "property", *sheet.models), shown))
        parts += [f"<p>{escape(remark)}</p>" for remark in sheet.remarks]
    figure = scales_of(run)
    if figure is not None:
        parts.append(drawn(figure, "svg", PIXELS_PER_INCH).decode())
    parts += [f"<p>{escape(note)}</p>" for note in _notes(run, left_out, told)]
    return "\n".join(["<div>", *parts, "</div>"])


def _verdicts(run: Run) -> Iterator[tuple[str, ...]]:
    parts = [
        (suite_of(name), [row for row in run.rows if row.suite == name]) for name in run.suites
    ]
    for model in comparable(run):
        for line in verdict_lines(parts, model):
            yield model, *line


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _notes(run: Run, left_out: Mapping[str, str], told: Sequence[str]) -> Iterator[str]:
    """What a reader must know besides the table."""
    yield from run.data_notes
    for model in run.models:
        warning = level_warning(run.card(model).level_of_theory, run.level)
        if warning and run.level.functional != "unknown":
            apart = "" if model in comparable(run) else "; it is not compared here"
            yield f"{model}: {warning}{apart}"
    for name, reason in left_out.items():
        yield f"{name} was left out: {reason}"
    yield from (f"Note: {said}" for said in (*told, *run.incomplete))
    failed = run.failed()
    for record in failed[:NAMED]:
        yield f"failed: {record.model}, {record.suite}, {record.case}: {record.reason}"
    if len(failed) > NAMED:
        yield f"and {len(failed) - NAMED} more cases failed"
