"""Results of long comparisons, one line each, so that the same command goes on after an interruption."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class KeptLines:
    """JSON objects in a file, by key.

    Parameters
    ----------
    path
        One object a line, with its key under ``"key"``; made with the first line if it is not there. A
        line that was torn when the process was killed is dropped: what it was of is computed anew.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, dict[str, Any]] = {}
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        whole = []
        for line in lines:
            try:
                entry = json.loads(line)
                self._known[entry.pop("key")] = entry
            except (ValueError, AttributeError, KeyError):
                continue
            whole.append(line + "\n")
        if len(whole) < len(lines):
            path.write_text("".join(whole), encoding="utf-8")

    def get(self, key: str) -> dict[str, Any] | None:
        """What was kept, if it is there."""
        return self._known.get(key)

    def add(self, key: str, entry: dict[str, Any]) -> None:
        """Keep an object; it is on disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, **entry}, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._known[key] = entry
