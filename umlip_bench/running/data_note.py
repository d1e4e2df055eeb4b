"""What is known of the reference data of a run, for its report."""

from __future__ import annotations

from umlip_bench.analysis.report.content import DataNote
from umlip_bench.analysis.runs import Run
from umlip_bench.datasets import embedded, published
from umlip_bench.datasets.catalogue import card


def data_note(run: Run) -> DataNote:
    """What the catalogues know of a data set; a user's own file is known by its name alone."""
    name = run.data
    if name in embedded.names():
        manifest = embedded.read(name).manifest
    elif name in published.names():
        manifest = card(name).manifest
    else:
        return DataNote(name, run.level, caveats=run.data_notes)
    return DataNote(
        id=manifest.id,
        title=manifest.title,
        level=run.level,
        settings=manifest.settings,
        licence=manifest.licence,
        citation=manifest.citation,
        caveats=manifest.caveats,
    )
