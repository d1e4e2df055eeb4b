"""What comes of a run, for scripts and notebooks."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from umlip_bench.analysis.runs import Run, read_run
from umlip_bench.ground.errors import DataError, OutputError
from umlip_bench.running.runner import RunOutcome
from umlip_bench.running.source import Source

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from umlip_bench.analysis.run_files import CaseRecord


@dataclass(frozen=True, eq=False)
class MeasuredRun:
    """A run: its tables, charts and report. In a notebook it shows verdicts and scales.

    Parameters
    ----------
    path
        The run folder. One that nobody named is removed with this object; `save` keeps it.
    outcome
        What was measured, by suite.
    source
        What it was measured on.
    missing
        Models that were left out, with the reason.
    """

    path: Path
    outcome: RunOutcome = field(repr=False)
    source: Source = field(repr=False)
    missing: dict[str, str] = field(default_factory=dict)
    _kept: TemporaryDirectory[str] | None = field(default=None, repr=False)

    @cached_property
    def folder(self) -> Run:
        """The run folder as it is read: rows, records and results."""
        return read_run(self.path)

    @property
    def models(self) -> tuple[str, ...]:
        """Models with at least one finished case."""
        return self.folder.models

    @property
    def suites(self) -> tuple[str, ...]:
        """Suites with at least one finished case."""
        return self.folder.suites

    @property
    def failed(self) -> list[CaseRecord]:
        """Cases that ended with an error, each with its reason."""
        return self.folder.failed()

    @property
    def comparable(self) -> tuple[str, ...]:
        """Models that are not known to be trained on another functional than the data's."""
        from umlip_bench.running.notebook import comparable

        return comparable(self.folder)

    def summary(self) -> pd.DataFrame:
        """Metrics with their intervals: a row each of model, suite, variant and metric."""
        return self.folder.summary()

    def cases(self, suite: str | None = None) -> pd.DataFrame:
        """Cases with their metrics: a row each of model and case.

        Parameters
        ----------
        suite
            One of `suites`; without it all of them, and a column that says which.

        Raises
        ------
        DataError
            If the run has no such suite.
        """
        import pandas as pd

        if suite is not None:
            return self.folder.cases(self._known(suite))
        parts = [self.folder.cases(name).assign(suite=name) for name in self.suites]
        found = pd.concat(parts, ignore_index=True)
        return found[["suite", *(column for column in found.columns if column != "suite")]]

    def properties(self) -> pd.DataFrame:
        """Properties of a structure without reference values, a row each; empty for other runs."""
        return self.folder.properties()

    def predictions(self) -> pd.DataFrame:
        """All values of models beside those of DFT, one row each."""
        from umlip_bench.analysis.export import predictions

        return predictions(self.folder)

    def parity(self, suite: str, quantity: str | None = None) -> alt.TopLevelMixin:
        """Model against DFT, value by value.

        Parameters
        ----------
        suite
            One of `suites`.
        quantity
            As in `predictions`; by default the suite's first.

        Returns
        -------
        altair chart
            A panel for each model and variant.

        Raises
        ------
        DataError
            If the run has no such suite, or nothing of it can be compared with DFT.
        """
        from umlip_bench.running.charts import parity_chart

        return parity_chart(self.folder, self._known(suite), quantity)

    def scales(self) -> alt.TopLevelMixin:
        """Scales of all suites with their intervals, as an altair chart.

        Raises
        ------
        DataError
            If nothing was compared with DFT.
        """
        from umlip_bench.running.charts import scales_chart

        return scales_chart(self.folder)

    def report(self, out: str | Path | None = None, *, force: bool = False) -> Path:
        """Write the report, one HTML page that needs no network.

        Parameters
        ----------
        out
            Where to; by default ``report.html`` in the run folder, or here if nobody named the folder.
        force
            Overwrite a file that is not ours.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        from umlip_bench.analysis.report.gather import gather
        from umlip_bench.analysis.report.page import render
        from umlip_bench.ground.outputs import Output
        from umlip_bench.running.data_note import data_note

        default = Path("report.html") if self._kept else self.path / "report.html"
        output = Output(default if out is None else Path(out), force)
        output.check()
        output.write_text(render(gather([self.folder], {self.folder.data: data_note(self.folder)})))
        return output.path

    def card(self, model: str) -> str:
        """The report card of a model, in Markdown."""
        from umlip_bench.analysis.card_text import model_card
        from umlip_bench.analysis.compared_models import Side

        if model not in self.models:
            raise DataError(f"the run has no model {model!r}; it has {', '.join(self.models)}")
        return model_card(Side(self.folder, model, model))

    def compare(
        self,
        other: MeasuredRun | str | Path | None = None,
        models: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Paired differences, second minus first, over the cases that both have.

        Parameters
        ----------
        other
            The second run; without it two models of this one are compared.
        models
            The first and the second model, where they do not follow.

        Returns
        -------
        pandas.DataFrame
            As ``umlip-bench compare --out`` writes it, with 95 % intervals.

        Raises
        ------
        DataError
            If it is not clear what is to be compared, or there is no common case.
        """
        import pandas as pd

        from umlip_bench.analysis.compared_pairs import pairs_of
        from umlip_bench.analysis.comparison import compare, to_frame

        second = other.folder if isinstance(other, MeasuredRun) else other
        operands = [self.folder, *([] if second is None else [second])]
        if models is not None and len(models) != 2:
            raise DataError(f"models is {models!r}; two are compared")
        pairs = pairs_of(operands, None if models is None else (models[0], models[1]))
        return pd.concat([to_frame(a, b, compare(a, b)) for a, b in pairs], ignore_index=True)

    def save(self, out: str | Path) -> Path:
        """Copy the run folder to where it stays.

        Raises
        ------
        OutputError
            If there is something already, or it cannot be written.
        """
        out = Path(out)
        if out.exists():
            raise OutputError(f"{out} exists; choose another name")
        try:
            shutil.copytree(self.path, out)
        except OSError as error:
            raise OutputError(f"{out} cannot be written ({error}); choose another place") from error
        return out

    def _known(self, suite: str) -> str:
        if suite not in self.suites:
            raise DataError(f"the run has no suite {suite!r}; it has {', '.join(self.suites)}")
        return suite

    def _repr_html_(self) -> str:
        """Verdicts, scales and what was left out, as a notebook shows them."""
        from umlip_bench.running.notebook import html_of

        left_out = {**self.missing, **self.outcome.unusable}
        return html_of(self.folder, left_out, self.outcome.told)
