"""Receiving one file over HTTP, from the start or from where it broke off, with a bar."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pooch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from umlip_bench.ground.store.integrity import FileRefused, PublishedFile

if TYPE_CHECKING:
    from requests import Response

CONNECT_TIMEOUT = 15.0
READ_TIMEOUT = 60.0
_CHUNK = 1 << 16
_WHOLE, _PARTIAL, _NOTHING_LEFT = 200, 206, 416


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


class BrokenOff(FileRefused):
    """The transfer ended before the file did."""


def receive(file: PublishedFile, part: Path, *, resume: bool = False) -> bool:
    """Download a file to `part`; whether it is the right one is not looked at here.

    Parameters
    ----------
    file
        What to download.
    part
        Where to.
    resume
        Go on after what `part` already holds, if the server can; one that cannot sends the file
        from the start, which then replaces the part.

    Returns
    -------
    bool
        Whether `part` still begins with what it held before.
    """
    held = part.stat().st_size if resume and part.exists() else 0
    if held and file.size is not None and held >= file.size:
        return True
    with _Bar(file.name) as progress:
        if held:
            held = _continue(file, part, held, progress)
        if not held:
            _downloader(progress)(file.url, str(part), None)
    n_bytes = part.stat().st_size
    # urllib3 2 notices this itself, urllib3 1 does not.
    if n_bytes < held + progress.total:
        raise BrokenOff(f"the transfer broke off after {n_bytes} of {held + progress.total} bytes")
    return held > 0


def _continue(file: PublishedFile, part: Path, held: int, progress: _Bar) -> int:
    """Ask for what follows the first `held` bytes; return how many the server can go on after."""

    def on_response(response: Response, **_: object) -> None:
        # Called before the body is read. Redirects and errors are left to requests.
        if response.status_code in (_WHOLE, _NOTHING_LEFT):
            raise _CannotContinue
        content_range = response.headers.get("Content-Range", "")
        if response.status_code == _PARTIAL and not content_range.startswith(f"bytes {held}-"):
            raise _CannotContinue

    with part.open("ab") as stream:
        try:
            _downloader(progress, {"Range": f"bytes={held}-"}, on_response)(file.url, stream, None)
        except _CannotContinue:
            return 0
    return held


class _CannotContinue(Exception):
    """The server does not send what is asked for, which the file from the start makes good."""


def _downloader(
    progress: _Bar,
    headers: Mapping[str, str] = MappingProxyType({}),
    on_response: Callable[..., None] | None = None,
) -> pooch.HTTPDownloader:
    return pooch.HTTPDownloader(
        progressbar=progress,
        chunk_size=_CHUNK,
        timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
        # Compressed on the way, the length announced would not be that of the file.
        headers={"Accept-Encoding": "identity", **headers},
        hooks={"response": on_response} if on_response else None,
    )
