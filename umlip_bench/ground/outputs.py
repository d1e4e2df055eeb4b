"""Files that a user names: written over only where this package wrote what is there.

What is ours says so in the file itself, each format where its readers do not mind: `generator` in HTML,
PNG and JSON, a comment at the end of Markdown, SVG and PDF, metadata in Parquet. CSV has no such place: its
first line, the names of its columns, tells it.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from umlip_bench.ground.errors import OutputError
from umlip_bench.ground.files import check_writable, destination, write_atomically
from umlip_bench.ground.version import __version__

NAME = "umlip_bench"
GENERATOR = f"{NAME} {__version__}"
"""What stands in the files: by whom they were written."""
COMMENT = f"<!-- written by {GENERATOR} -->\n"
"""Last line of Markdown and of SVG."""
PDF_COMMENT = f"%written by {GENERATOR}\n".encode()
"""After the end of a PDF, where readers look for nothing."""
PNG_METADATA = {"Software": GENERATOR}
"""For Pillow."""
TABLE_ATTRIBUTES = {"written_by": GENERATOR}
"""For ``DataFrame.attrs``, which pandas keeps in Parquet's metadata."""

ENDS = 4096
"""Bytes from the start and the end of a file that are looked at."""


@dataclass(frozen=True)
class Output:
    """A file that a command is to write.

    Parameters
    ----------
    path
        Where to.
    force
        Whether to overwrite whatever is there.
    columns
        Names of the columns, of a CSV file: a file there with the same ones first is ours.
    """

    path: Path
    force: bool = False
    columns: Sequence[str] = ()

    def check(self) -> None:
        """Check that the file may and can be written; to be asked before long work.

        Raises
        ------
        OutputError
            If there is a file that this package did not write, and no `force`, or the place cannot be
            written.
        """
        target = destination(self.path)
        # Nothing is lost with an empty file.
        if target.exists() and target.stat().st_size and not self.force:
            with target.open("rb") as file:
                ours = _is_ours(file, target, self.path.suffix, self.columns)
            if not ours:
                raise OutputError(
                    f"{self.path} exists and was not written by {NAME}; give another name, or --force "
                    "to overwrite it"
                )
        check_writable(self.path)

    def write(self, write: Callable[[IO[bytes]], object]) -> None:
        """Write the file, whole or not at all.

        Parameters
        ----------
        write
            As of `umlip_bench.ground.files.write_atomically`.

        Raises
        ------
        OutputError
            As of `check`: the file may have come since.
        """
        self.check()
        write_atomically(self.path, write)

    def write_text(self, text: str) -> None:
        """Write a text in UTF-8; errors as of `write`."""
        self.write_bytes(text.encode())

    def write_bytes(self, content: bytes) -> None:
        """Write what is there already; errors as of `write`."""
        self.write(lambda file: file.write(content))


def make_folder(folder: Path) -> None:
    """Make a folder for outputs, and those above it.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be made ({error.strerror}); choose another place"
        ) from error


def json_text(content: dict[str, object]) -> str:
    """JSON of a command's numbers, with who wrote it, to be given to `Output.write_text`."""
    marked = {"generator": GENERATOR, **content}
    return json.dumps(marked, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _is_ours(file: IO[bytes], path: Path, suffix: str, columns: Sequence[str]) -> bool:
    """Whether this package wrote an open file, by the ending of the name that it was asked for under."""
    start = file.read(ENDS)
    file.seek(max(0, os.fstat(file.fileno()).st_size - ENDS))
    end = file.read()
    match suffix.lower():
        case ".html":
            return re.search(rb'<meta name="generator" content="umlip_bench[ "]', start) is not None
        case ".json":
            return re.match(rb'\{\s*"generator": "umlip_bench[ "]', start) is not None
        case ".png":
            return start.startswith(b"\x89PNG") and b"Software\0umlip_bench " in start
        case ".md" | ".svg":
            return re.search(rb"<!-- written by umlip_bench \S+ -->\n\Z", end) is not None
        case ".pdf":
            return re.search(rb"%written by umlip_bench \S+\n\Z", end) is not None
        case ".csv":
            return bool(columns) and _heads(start)[: len(columns)] == list(columns)
        case ".parquet":
            return _parquet_is_ours(path)
        case _:
            return False


def _heads(start: bytes) -> list[str]:
    """Names of the columns of a CSV file."""
    line = start.decode("utf-8", errors="replace").partition("\n")[0]
    return next(csv.reader(io.StringIO(line)), [])


def _parquet_is_ours(path: Path) -> bool:
    import pandas as pd

    try:
        attributes = pd.read_parquet(path, columns=[]).attrs
    except (OSError, ValueError):  # of which pyarrow's errors derive
        return False
    return str(attributes.get("written_by", "")).startswith(f"{NAME} ")
