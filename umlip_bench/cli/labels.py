"""Loading labels for a command, with what their reading has to say."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from umlip_bench.ground.label_reading import AS_FOUND, LabelReading

if TYPE_CHECKING:
    from umlip_bench.datasets import Dataset


def load_labels(name: str, reading: LabelReading = AS_FOUND) -> Dataset:
    """Load a data set; of a user's own files, say on stderr what was left out and what it is.

    Parameters, errors: as `umlip_bench.datasets.load`.
    """
    from umlip_bench import datasets

    dataset = datasets.load(name, reading=reading)
    for each in dataset.understood:
        if not each.expected:
            print(f"Note: {name}: {each.text}", file=sys.stderr)
    if Path(name).exists():
        for caveat in dataset.manifest.caveats:
            print(f"Note: {name}: {caveat}", file=sys.stderr)
    return dataset


def load_further(name: str, reading: LabelReading) -> Dataset:
    """Load a set that goes with labels; what is said of reading them is not for sets known by id.

    Parameters, errors: as `load_labels`.
    """
    return load_labels(name, reading if Path(name).exists() else AS_FOUND)
