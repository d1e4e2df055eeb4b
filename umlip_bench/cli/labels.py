"""Loading labels for a command, with what their reading has to say."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from umlip_bench.datasets import Dataset


def load_labels(name: str) -> Dataset:
    """Load a data set; of a user's own files, say on stderr what was left out and what it is.

    Parameters, errors: as `umlip_bench.datasets.load`.
    """
    from umlip_bench import datasets

    dataset = datasets.load(name)
    if Path(name).exists():
        for caveat in dataset.manifest.caveats:
            print(f"Note: {name}: {caveat}", file=sys.stderr)
    return dataset
