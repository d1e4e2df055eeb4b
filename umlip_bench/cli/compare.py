"""``umlip-bench compare``: paired differences between two models, or between two runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from umlip_bench.cli.declare import Argument, File, Overwriting, metavar

if TYPE_CHECKING:
    from umlip_bench.analysis.compared_models import Side
    from umlip_bench.analysis.runs import Run

    Pair = tuple[Side, Side]


@dataclass(frozen=True, kw_only=True)
class Compare(Overwriting):
    """Compare two models, or two runs of the same models, over the cases that both have.

    Paired differences B - A, A being the first, with 95 % intervals. A corrected model is always B, its
    parent A, in whatever order they are named.
    """

    name = "umlip-bench compare"
    examples = """\
  umlip-bench compare runs/first --models chgnet-0.3.0 m3gnet-mp-2021.2.8
      model against model, over the cases that both have
  umlip-bench compare runs/before runs/after
      each model against itself, and what changed: versions, settings, data, weights, cases
  umlip-bench compare runs/first:chgnet-0.3.0 runs/corrected:chgnet-si --out differences.csv
"""
    runs: Annotated[tuple[str, ...], Argument("RUN[:MODEL]")]
    """one or two run folders; :MODEL for one of several models in it"""
    models: Annotated[tuple[str, str] | None, metavar("FIRST SECOND")] = None
    """the models to compare, of one run folder or one of each"""
    out: File | None = None
    """write the differences too; .csv or .parquet"""

    def run(self) -> int:
        from umlip_bench.analysis.comparison import COLUMNS, compare, overlaps, to_frame
        from umlip_bench.analysis.comparison_table import print_changes, print_comparison
        from umlip_bench.analysis.export import check_table_path, table_output, write_table
        from umlip_bench.analysis.run_differences import changes
        from umlip_bench.cli.console import output
        from umlip_bench.ground.errors import DataError

        if self.out is not None:
            check_table_path(self.out)
            table_output(self.out, COLUMNS, force=self.force).check()
        pairs = _pairs(self.runs, self.models)
        console = output()
        frames = []
        for first, second in pairs:
            rows = compare(first, second)
            print_comparison(first, second, rows, overlaps(first, second), console)
            frames.append(to_frame(first, second, rows))
        if not any(len(frame) for frame in frames):
            first, second = pairs[0]
            raise DataError(
                f"{first.label} and {second.label} have no case with a value in common: {first.run.path} has "
                f"{', '.join(first.run.suites)} on {first.run.data}, {second.run.path} has "
                f"{', '.join(second.run.suites)} on {second.run.data}; run the same suites on the same data"
            )
        first, second = pairs[0]
        if first.run is not second.run:
            print_changes(
                changes(first.run, second.run), str(first.run.path), str(second.run.path), console
            )
        if self.out is not None:
            import pandas as pd

            write_table(pd.concat(frames, ignore_index=True), self.out, force=self.force)
            console.print(f"Table: {self.out}")
        return 0


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


def _pairs(texts: Sequence[str], models: tuple[str, str] | None) -> list[Pair]:
    """What is compared with what.

    Raises
    ------
    DataError
        If that does not follow from the command line, with what to write instead.
    """
    from umlip_bench.ground.errors import DataError

    if len(texts) > 2:
        raise DataError(f"{len(texts)} run folders given; compare takes one or two")
    operands = [_operand(text) for text in texts]
    if models is not None:
        named = [each.model for each in operands if each.model is not None]
        if named:
            raise DataError(f"--models and :{named[0]} both name models; leave one out")
        return [_pair(operands[0].run, models[0], operands[-1].run, models[1])]
    if len(operands) == 1:
        return [_within(operands[0])]
    return _across(*operands)


def _within(operand: _Operand) -> Pair:
    """The two models of one folder."""
    from umlip_bench.ground.errors import DataError

    run = operand.run
    if operand.model is not None or len(run.models) != 2:
        raise DataError(
            f"{run.path} has {_listed(run)}; name two of them with --models, or a second run folder"
        )
    return _pair(run, run.models[0], run, run.models[1])


def _across(first: _Operand, second: _Operand) -> list[Pair]:
    """Models of one name, or the one that is named or alone on each side."""
    from umlip_bench.ground.errors import DataError

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
    from umlip_bench.analysis.compared_models import Side, baseline_first
    from umlip_bench.ground.errors import DataError

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


def _operand(text: str) -> _Operand:
    """A folder, or a folder and a model after a colon; names of either may have colons too."""
    from umlip_bench.analysis.runs import read_run

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
    from umlip_bench.ground.errors import DataError

    if model is not None and model not in run.models:
        raise DataError(f"{run.path} has no finished case of {model!r}; it has {_listed(run)}")


def _listed(run: Run) -> str:
    return ", ".join(run.models) or "no model with a finished case"


COMMAND = Compare
