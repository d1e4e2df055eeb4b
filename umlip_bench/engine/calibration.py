"""What `umlip-bench calibrate` found out about a model on a device, and the files that keep it."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path

import torch

from umlip_bench.ground.files import write_atomically
from umlip_bench.ground.outputs import make_folder
from umlip_bench.ground.store.store import cache_folder
from umlip_bench.potentials.corrections.wrapped import WrappedPotential
from umlip_bench.potentials.graph import Cost, Footprint, Linear
from umlip_bench.potentials.protocol import Potential

logger = logging.getLogger(__name__)

VERSION = 1
"""Of the files; those of another version are ignored."""


class Duration(Linear):
    """Seconds that one call with stress takes on an idle machine, without preparing its graphs."""

    def of_calls(self, costs: list[Cost]) -> float:
        """Seconds of several calls."""
        return sum(map(self.of_call, costs))


@dataclass(frozen=True)
class Key:
    """What a calibration belongs to.

    Not to the weights as such: fine-tuned weights of an architecture take the memory and the time
    that the original ones take.

    Parameters
    ----------
    family
        As in the model's card.
    architecture
        Class of the potential: a family may have several.
    size
        Number of parameters, which tells models of one architecture apart; a model that does not
        count them goes by its name.
    device
        Name of the GPU or of the processor.
    dtype
        ``"float32"`` or ``"float64"``.
    threads
        Torch's threads on a CPU, 0 on a GPU.
    torch
        Its version.
    """

    family: str
    architecture: str
    size: str
    device: str
    dtype: str
    threads: int
    torch: str

    @classmethod
    def of(cls, potential: Potential) -> Key:
        """The key of a potential as it would run now; what is put on top of one adds nothing to its calls."""
        while isinstance(potential, WrappedPotential):
            potential = potential.parent
        on_gpu = potential.device.type == "cuda"
        card = potential.card
        return cls(
            family=card.family,
            architecture=type(potential).__name__,
            size=card.name if card.n_parameters is None else str(card.n_parameters),
            device=torch.cuda.get_device_name(potential.device) if on_gpu else processor(),
            dtype=str(potential.dtype).removeprefix("torch."),
            threads=0 if on_gpu else torch.get_num_threads(),
            torch=torch.__version__,
        )

    @property
    def path(self) -> Path:
        """The file that keeps the calibration, in the user's cache."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        name = f"{self.family}-{self.architecture}-{digest[:16]}.json".lower()
        return cache_folder("calibrations") / name


@dataclass(frozen=True)
class Errors:
    """Relative errors of a prediction on batches that were not fitted to.

    Parameters
    ----------
    median, worst
        Of |predicted / measured - 1|.
    """

    median: float
    worst: float


@dataclass(frozen=True)
class Calibration:
    """Memory and time of the calls of one model on one device.

    Parameters
    ----------
    key
        What it belongs to.
    memory
        Bytes of a call with stress: in use at its peak on a GPU, saved by autograd on a CPU.
    duration
        Seconds of a call with stress, without the preparation of its graphs.
    edges_per_batch
        On a CPU the number of edges to hand over at once, ``None`` on a GPU.
    n_fitted
        Number of batches that the terms were fitted to.
    n_held_out
        Number of other batches, on which the errors were found.
    memory_errors, duration_errors
        How well memory and time were predicted on those.
    """

    key: Key
    memory: Footprint
    duration: Duration
    edges_per_batch: int | None
    n_fitted: int
    n_held_out: int
    memory_errors: Errors
    duration_errors: Errors

    def save(self) -> Path:
        """Write the file of this calibration, replacing an earlier one, and return its path.

        Raises
        ------
        OutputError
            If the cache cannot be written.
        """
        path = self.key.path
        make_folder(path.parent)
        text = json.dumps({"version": VERSION, **asdict(self)}, indent=1) + "\n"
        write_atomically(path, lambda file: file.write(text.encode()))
        return path


def calibration_of(potential: Potential) -> Calibration | None:
    """The calibration that is kept for a potential as it would run now, ``None`` if there is none.

    A file that cannot be used is ignored with a warning.
    """
    key = Key.of(potential)
    path = key.path
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return None
    return _read(path, changed, key)


@lru_cache(maxsize=64)
def _read(path: Path, changed: int, key: Key) -> Calibration | None:
    """Read a file; `changed`, the time it was written, has it read anew after a change."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']!r}, expected {VERSION}")
        if Key(**content["key"]) != key:
            raise ValueError("it belongs to another model or device")
        edges = content["edges_per_batch"]
        return Calibration(
            key=key,
            memory=Footprint(**_numbers(content["memory"])),
            duration=Duration(**_numbers(content["duration"])),
            edges_per_batch=None if edges is None else int(edges),
            n_fitted=int(content["n_fitted"]),
            n_held_out=int(content["n_held_out"]),
            memory_errors=Errors(**_numbers(content["memory_errors"])),
            duration_errors=Errors(**_numbers(content["duration_errors"])),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        logger.warning(
            "the calibration %s is ignored (%s: %s); `umlip-bench calibrate` writes it anew",
            path,
            type(error).__name__,
            error,
        )
        return None


def _numbers(terms: dict[str, float]) -> dict[str, float]:
    numbers = {name: float(value) for name, value in terms.items()}
    wrong = [name for name, value in numbers.items() if not 0 <= value < float("inf")]
    if wrong:
        raise ValueError(f"{wrong[0]} is {numbers[wrong[0]]}, which no measurement gives")
    return numbers


@cache
def processor() -> str:
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
