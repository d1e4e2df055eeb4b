"""Receiving one file over HTTP, with a bar on a terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import pooch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from umlip_bench.potentials.card import WeightsFile
from umlip_bench.potentials.integrity import Refused

CONNECT_TIMEOUT = 15.0
READ_TIMEOUT = 60.0
_CHUNK = 1 << 16


class _Bar:
    """What pooch's downloader reports to: shows a bar on a terminal, and is quiet elsewhere."""

    def __init__(self, label: str) -> None:
        # Set by pooch to the length that the server announced, 0 if it announced none.
        self.total = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task(label, total=None)
        self._shown = sys.stderr.isatty()

    def __enter__(self) -> _Bar:
        if self._shown:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._bar.stop()

    def update(self, n_bytes: int) -> None:
        self._bar.update(self._task, advance=n_bytes, total=self.total or None)

    def reset(self) -> None:
        self._bar.reset(self._task)

    def close(self) -> None:
        """Do nothing: the bar goes with the context, also when pooch fails before it calls this."""


def receive(file: WeightsFile, part: Path) -> None:
    """Download a file to `part`; whether it is the right one is not looked at here."""
    with _Bar(file.name) as progress:
        download = pooch.HTTPDownloader(
            progressbar=progress,
            chunk_size=_CHUNK,
            timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
            # Compressed on the way, the length announced would not be that of the file.
            headers={"Accept-Encoding": "identity"},
        )
        download(file.url, str(part), None)
    n_bytes = part.stat().st_size
    # urllib3 2 notices this itself, urllib3 1 does not.
    if n_bytes < progress.total:
        raise Refused(f"the transfer broke off after {n_bytes} of {progress.total} bytes")
