"""A checkpoint trained further by its own package, in its environment; started by `training` beside this.

``trainer.py PARENT FILE CHECKPOINT DEVICE FOLDER`` has the environment file's ``train(checkpoint, folder,
settings, device)`` do it: a generator that yields a dict of numbers after every epoch, and returns the number
of the epoch that is kept and the name of the file of weights that it left in the folder. What it is given
there: ``settings.json``, ``training.xyz`` and, where the labels were split, ``validation.xyz``.

Lines of JSON on standard output say what happens: ``{"epoch": {...}}`` each, and at last ``{"kept": 12,
"weights": "name"}`` or ``{"error": {"type": ..., "text": ...}}``. This file imports nothing of this package,
and runs in any Python from 3.9 on.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

_LONGEST_TEXT = 2000


def main(parent: str, file: str, checkpoint: str, device: str, folder: str) -> None:
    """Train, and tell; `parent` is the process that this one is not to outlive."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    threading.Thread(target=_watch_parent, args=(int(parent),), daemon=True).start()
    try:
        kept, weights = _train(file, checkpoint, device, Path(folder), answers)
        last: dict[str, Any] = {"kept": kept, "weights": weights}
    # Other people's code may raise anything.
    except Exception as error:
        traceback.print_exc()
        last = {"error": {"type": type(error).__name__, "text": str(error)[:_LONGEST_TEXT]}}
    _tell(answers, last)


def _train(
    file: str, checkpoint: str, device: str, folder: Path, answers: TextIO
) -> tuple[int, str]:
    spec = importlib.util.spec_from_file_location("environment_file", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    settings = json.loads((folder / "settings.json").read_text())
    epochs = module.train(checkpoint, folder, settings, device)
    while True:
        try:
            epoch = next(epochs)
        except StopIteration as end:
            kept, weights = end.value
            return int(kept), str(weights)
        _tell(answers, {"epoch": {name: float(value) for name, value in epoch.items()}})


def _tell(answers: TextIO, content: dict[str, Any]) -> None:
    print(json.dumps(content), file=answers, flush=True)


def _watch_parent(parent: int) -> None:
    """End with the parent, and all that was started here."""
    while os.getppid() == parent:
        time.sleep(1.0)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
