"""Which models of which runs are compared: what a user names, and what follows where they name less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from umlip_bench.analysis.compared_models import Side, baseline_first
from umlip_bench.analysis.runs import Run, read_run
from umlip_bench.ground.errors import DataError

Pair = tuple[Side, Side]


@dataclass(frozen=True)
class _Operand:
    """What the user named.

    Parameters
    ----------
    run
        The folder.
    model
        One of its models; ``None`` if the user named none.
    """

    run: Run
    model: str | None


def pairs_of(operands: Sequence[str | Path | Run], models: tuple[str, str] | None) -> list[Pair]:
    """What is compared with what.

    Parameters
    ----------
    operands
        One or two run folders, each perhaps with a colon and a model of it; or runs that were read.
    models
        Names of the first and the second, where they are not told so.

    Raises
    ------
    DataError
        If that does not follow from them, with what to write instead.
    """
    if len(operands) > 2:
        raise DataError(f"{len(operands)} run folders given; compare takes one or two")
    found = [_operand(each) for each in operands]
    if models is not None:
        named = [each.model for each in found if each.model is not None]
        if named:
            raise DataError(f"--models and :{named[0]} both name models; leave one out")
        return [_pair(found[0].run, models[0], found[-1].run, models[1])]
    if len(found) == 1:
        return [_within(found[0])]
    return _across(*found)


def _within(operand: _Operand) -> Pair:
    """The two models of one folder."""
    run = operand.run
    if operand.model is not None or len(run.models) != 2:
        raise DataError(
            f"{run.path} has {_listed(run)}; name two of them with --models, or a second run folder"
        )
    return _pair(run, run.models[0], run, run.models[1])


def _across(first: _Operand, second: _Operand) -> list[Pair]:
    """Models of one name, or the one that is named or alone on each side."""
    left, right = first.run, second.run
    if first.model is None and second.model is None:
        common = [name for name in left.models if name in right.models]
        if common:
            return [_pair(left, name, right, name) for name in common]
    chosen = _chosen(first, second), _chosen(second, first)
    if chosen[0] is None or chosen[1] is None:
        raise DataError(
            f"{left.path} has {_listed(left)}, {right.path} has {_listed(right)}: it is not clear "
            "which are to be compared; name one of each with --models FIRST SECOND"
        )
    return [_pair(left, chosen[0], right, chosen[1])]


def _chosen(operand: _Operand, other: _Operand) -> str | None:
    """The model that is named, or that the other side names, or the only one."""
    if operand.model is not None:
        return operand.model
    if other.model in operand.run.models:
        return other.model
    return operand.run.models[0] if len(operand.run.models) == 1 else None


def _pair(first: Run, first_model: str, second: Run, second_model: str) -> Pair:
    _check_model(first, first_model)
    _check_model(second, second_model)
    if first is second and first_model == second_model:
        raise DataError(f"{first_model} would be compared with itself; name two models or two runs")
    if first_model != second_model:
        return baseline_first(
            Side(first, first_model, first_model), Side(second, second_model, second_model)
        )
    names = (first.name, second.name)
    if first.name == second.name:
        names = (str(first.path), str(second.path))
    return (
        Side(first, first_model, f"{first_model} ({names[0]})"),
        Side(second, second_model, f"{second_model} ({names[1]})"),
    )


def _operand(given: str | Path | Run) -> _Operand:
    """A folder, or a folder and a model after a colon; names of either may have colons too."""
    if isinstance(given, Run):
        return _Operand(given, None)
    text = str(given)
    if not Path(text).is_dir():
        parts = text.split(":")
        for k in range(1, len(parts)):
            folder = ":".join(parts[:k])
            if Path(folder).is_dir():
                operand = _Operand(read_run(folder), ":".join(parts[k:]))
                _check_model(operand.run, operand.model)
                return operand
    return _Operand(read_run(text), None)


def _check_model(run: Run, model: str | None) -> None:
    if model is not None and model not in run.models:
        raise DataError(f"{run.path} has no finished case of {model!r}; it has {_listed(run)}")


def _listed(run: Run) -> str:
    return ", ".join(run.models) or "no model with a finished case"
