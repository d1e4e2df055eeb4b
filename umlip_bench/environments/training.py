"""A checkpoint trained further in its environment, as seen from here: started, listened to, ended."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from umlip_bench.environments import trainer
from umlip_bench.environments.environment import Environment
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.plain import load_json

SETTINGS, TRAINING, VALIDATION = "settings.json", "training.xyz", "validation.xyz"
"""What the environment file's ``train`` finds in the folder."""
_LONGEST_LINE = 10_000
_SHOWN = 4096
"""Last bytes of standard error in messages."""


class TrainingError(UmlipBenchError):
    """A training in an environment that came to nothing."""


@dataclass(frozen=True)
class TrainedThere:
    """What a training left.

    Parameters
    ----------
    weights
        The file, as the package writes it.
    epochs
        Numbers of every epoch, by name.
    kept
        Number of the epoch that was kept, from 1.
    """

    weights: Path
    epochs: tuple[Mapping[str, float], ...]
    kept: int


def train_there(
    environment: Environment,
    checkpoint: str,
    folder: Path,
    settings: Mapping[str, object],
    *,
    name: str,
    device: str,
    on_epoch: Callable[[Mapping[str, float]], None] = lambda epoch: None,
) -> TrainedThere:
    """Have the environment file's ``train`` train a checkpoint further.

    There is no limit of time; the training ends with this process, however that ends.

    Parameters
    ----------
    environment, checkpoint
        What is trained.
    folder
        With the labels, `TRAINING` and perhaps `VALIDATION`; the weights are left there.
    settings
        Plain values, for ``train``.
    name
        For messages.
    device
        As ``setup`` is given it.
    on_epoch
        Called after every epoch.

    Raises
    ------
    TrainingError
        If it fails, or leaves no weights; with the end of what it wrote.
    """
    (folder / SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
    command = [str(environment.python), "-I", "-u", trainer.__file__, str(os.getpid())]
    epochs: list[Mapping[str, float]] = []
    with tempfile.TemporaryFile() as errors:
        with _started(
            [*command, str(environment.file), checkpoint, device, str(folder)], environment, errors
        ) as lines:
            while "epoch" in (last := _told(lines)):
                epochs.append(_numbers(last["epoch"]))
                on_epoch(epochs[-1])
        said = _end_of(errors)
    if "error" in last:
        reason = last["error"] if isinstance(last["error"], dict) else {}
        text = f"{reason.get('type', 'an error')}: {reason.get('text', '')}"
        raise TrainingError(f"{name} could not be trained: {text[:3000]}{said}")
    weights = folder / str(last.get("weights", ""))
    if not weights.is_file() or weights.resolve().parent != folder.resolve():
        raise TrainingError(f"{name}: its training ended without weights{said}")
    kept = last.get("kept")
    if not isinstance(kept, int) or not 1 <= kept <= len(epochs):
        raise TrainingError(f"{name}: its training kept epoch {kept!r} of {len(epochs)}{said}")
    return TrainedThere(weights, tuple(epochs), kept)


@contextlib.contextmanager
def _started(
    command: list[str], environment: Environment, errors: IO[bytes]
) -> Iterator[IO[bytes]]:
    """The lines that the process writes; it is ended with the context, and all that it started."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment.variables,
            start_new_session=True,
        )
    except OSError as error:
        raise TrainingError(
            f"{environment.python} cannot be started ({error.strerror}); build it anew"
        ) from error
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def _told(lines: IO[bytes]) -> Mapping[str, Any]:
    """The next thing that is told; nothing at the end."""
    try:
        content = load_json(lines.readline(_LONGEST_LINE))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _numbers(entry: object) -> Mapping[str, float]:
    found = entry if isinstance(entry, dict) else {}
    return {
        str(name): float(value) if isinstance(value, int | float) else math.nan
        for name, value in found.items()
    }


def _end_of(errors: IO[bytes]) -> str:
    size = errors.seek(0, os.SEEK_END)
    errors.seek(max(0, size - _SHOWN))
    text = errors.read().decode(errors="replace").strip()
    return f"; the end of what it wrote:\n{text}" if text else ""
