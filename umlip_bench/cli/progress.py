"""A progress bar with rate and remaining time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


def progress_bar(console: Console, *fields: str) -> Progress:
    """Bar with what is done, the rate, and elapsed and remaining time.

    Parameters
    ----------
    console
        Where it is drawn.
    fields
        Names of further task fields to show, each as ``"3 failed"``.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            if not speed:
                return Text("-- /s")
            return Text(f"{speed:.1f} /s" if speed >= 1 else f"{60 * speed:.1f} /min")

    counts = [TextColumn(f"{{task.fields[{name}]}} {name}") for name in fields]
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        *counts,
        Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
