"""``umlip-bench pictures``: phonon bands and densities of states from a run folder."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from umlip_bench.cli.options import Subparsers, add_command

EXAMPLES = """\
  umlip-bench run phonons --model chgnet-0.3.0 --out runs/phonons
  umlip-bench pictures runs/phonons
      one picture per material and geometry, DFT and all models of the folder in it
"""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "pictures",
        help="draw phonon bands of a run",
        description="Draw bands and densities of states of DFT and of all models of a run folder as PNG.",
        examples=EXAMPLES,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="the run folder")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to (default: pictures in the run folder)"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from umlip_bench.analysis.phonon_pictures import write
    from umlip_bench.analysis.phonons import FIXED, RELAXED
    from umlip_bench.errors import UmlipBenchError

    materials = _phonons(options.folder)
    if not materials:
        raise UmlipBenchError(
            f"{options.folder} holds no finished case of the suite phonons; run "
            f"`umlip-bench run phonons --out {options.folder}` first"
        )
    out = options.out or options.folder / "pictures"
    out.mkdir(parents=True, exist_ok=True)
    for name, comparisons in materials.items():
        for variant in (FIXED, RELAXED):
            if variant == RELAXED and all(c.relaxed is None for c in comparisons.values()):
                continue
            path = out / f"{re.sub(r'[^A-Za-z0-9._+-]+', '_', name)}-{variant}.png"
            write(comparisons, variant, path)
            print(path)
    return 0


def _phonons(folder: Path) -> dict[str, dict[str, Any]]:
    """Phonons by material and model; of a case that was run twice the later."""
    import numpy as np

    from umlip_bench.benchmarks import suite as suite_by_name
    from umlip_bench.runs import CASES, PREDICTIONS, CaseRecord

    suite = suite_by_name("phonons")
    found: dict[str, dict[str, Any]] = {}
    path = folder / CASES
    for line in path.read_text(encoding="utf-8").split("\n") if path.exists() else ():
        # A run that was killed may have left half a line.
        if not line.endswith("}"):
            continue
        record = CaseRecord.from_json(line)
        if record.suite == suite.name and record.status == "done":
            with np.load(folder / PREDICTIONS / f"{record.key}.npz") as stored:
                result = suite.from_arrays(record.case, dict(stored))
            found.setdefault(record.case, {})[record.model] = result
    return found
