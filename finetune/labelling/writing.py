"""Labels on disk in the standard form, each with what it was computed with."""

from __future__ import annotations

import io
from collections.abc import Iterable

import ase.io
import numpy as np
from ase import Atoms

from umlip_bench.ground.outputs import Output


def simple_info(atoms: Atoms) -> dict[str, object]:
    """Words and numbers that stand beside a frame, without labels that it may have."""
    simple = str | int | float | np.integer | np.floating | np.bool_
    return {
        key: value
        for key, value in atoms.info.items()
        if isinstance(value, simple) and not key.startswith("REF_")
    }


def write_labels(output: Output, labelled: Iterable[Atoms]) -> None:
    """Write structures with labels in ``info`` and ``arrays``; the file appears whole or not at all."""
    text = io.StringIO()
    for atoms in labelled:
        ase.io.write(text, atoms, format="extxyz")
    output.write_text(text.getvalue())
