"""``umlip-bench suites``: which suites there are, and what each of their numbers is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from umlip_bench.cli.declare import Argument, File, Overwriting

if TYPE_CHECKING:
    from rich.table import Table

    from umlip_bench.analysis.document import Grid


@dataclass(frozen=True, kw_only=True)
class SuitesCommand(Overwriting):
    """List the suites, or tell what each number of theirs is: columns, rows, units, how they are summarised.

    Suites of other installed packages are among them.
    """

    name = "umlip-bench suites"
    examples = """\
  umlip-bench suites                        one line for each
  umlip-bench suites phonons                every metric of one
  umlip-bench suites --out metrics.md       of all, as a page
"""
    suites: Annotated[tuple[str, ...], Argument("SUITE")] = ()
    """suites whose metrics are told (default: list all suites)"""
    out: File | None = None
    """a file *.md or *.html with the metrics (default: print them)"""

    def run(self) -> int:
        from umlip_bench.analysis.document import Grid, Paragraph, to_html, to_markdown
        from umlip_bench.analysis.metrics_page import section
        from umlip_bench.benchmarks import load_suite, load_suites
        from umlip_bench.cli.console import output
        from umlip_bench.ground.errors import UmlipBenchError
        from umlip_bench.ground.outputs import COMMENT, Output

        out = self.out
        if out is not None and out.suffix not in (".md", ".html"):
            raise UmlipBenchError(f"--out {out}: the name must end in .md or .html")
        known = load_suites()
        chosen = [load_suite(name) for name in self.suites] or known
        sections = [section(suite, suite.about) for suite in chosen]
        if out is not None:
            html = out.suffix == ".html"
            text = (to_html if html else to_markdown)("Metrics of the suites", sections)
            Output(out, self.force).write_text(text if html else f"{text}\n{COMMENT}")
            return 0
        console = output()
        if not self.suites:
            lines = tuple(
                (suite.name, suite.title, suite.about.split("\n\n")[0]) for suite in known
            )
            console.print(_table(Grid(("suite", "section", "what it measures"), lines)))
            return 0
        for each in sections:
            console.print(f"[bold]{each.title}[/bold]")
            for block in each.blocks:
                if isinstance(block, Grid):
                    console.print(_table(block))
                elif isinstance(block, Paragraph):
                    console.print(block.text, markup=False, highlight=False)
        return 0


def _table(grid: Grid) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(*grid.columns)
    for row in grid.rows:
        table.add_row(*map(Text, row))
    return table


COMMAND = SuitesCommand
