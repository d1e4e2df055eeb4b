"""``umlip-bench speed``: our evaluation against the library's own calculator."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from umlip_bench.cli.options import Subparsers, add_command, add_device_options, positive

EXAMPLES = """\
  umlip-bench speed --model chgnet-0.3.0
  umlip-bench speed --model m3gnet-mp-2021.2.8 --threads 1 --json
"""

BATCHES = {"cpu": (1, 4, 16, 32), "cuda": (1, 8, 64, 256)}
STRUCTURES = {"cpu": 32, "cuda": 256}


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "speed",
        help="time a model against its library's own calculator",
        description=(
            "Time single points (energy, forces, stress) of small cells, the library's ASE calculator in a\n"
            "loop against batches, in turn and on the same structures. Results are checked to be equal."
        ),
        examples=EXAMPLES,
    )
    parser.add_argument("--model", required=True, metavar="NAME")
    parser.add_argument(
        "--batch",
        type=positive,
        action="append",
        metavar="N",
        help="structures per call; repeatable",
    )
    parser.add_argument("--structures", type=positive, metavar="N", help="structures in all")
    parser.add_argument(
        "--repeats", type=positive, default=7, metavar="N", help="default: 7, at least 5"
    )
    parser.add_argument(
        "--threads", type=positive, default=1, metavar="N", help="CPU threads (default: 1)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_device_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    import torch

    from umlip_bench.loading import potential as load_potential
    from umlip_bench.speed import compare_static, small_cells

    torch.set_num_threads(options.threads)
    potential = load_potential(options.model, device=options.device, dtype=options.dtype)
    kind = potential.device.type
    structures = small_cells(options.structures or STRUCTURES[kind])
    batches = options.batch or BATCHES[kind]
    result = compare_static(potential, structures, batches, options.repeats)
    device = (
        torch.cuda.get_device_name(potential.device)
        if kind == "cuda"
        else f"CPU, {options.threads} thread(s)"
    )
    if options.json:
        content = {
            "model": potential.card.name,
            "device": device,
            "dtype": options.dtype,
            "n_structures": result.n_structures,
            "deviation": asdict(result.deviation),
            "results": [asdict(timing) for timing in result.timings],
        }
        print(json.dumps(content, indent=1))
        return 0

    from rich.table import Table

    from umlip_bench.cli.console import output

    table = Table(title=f"{potential.card.name}, {device}, {options.dtype}", title_justify="left")
    for column in ("work", "batch", "library, 1/s", "ours, 1/s", "ratio", "range"):
        table.add_column(column, justify="left" if column == "work" else "right")
    for t in result.timings:
        table.add_row(
            t.work,
            str(t.batch),
            f"{t.library_per_s:.1f}",
            f"{t.ours_per_s:.1f}",
            f"{t.ratio:.2f}",
            f"{t.ratio_low:.2f} to {t.ratio_high:.2f}",
        )
    console = output()
    console.print(table)
    found = result.deviation
    console.print(
        f"{result.n_structures} cells of {min(map(len, structures))} to {max(map(len, structures))} "
        f"atoms; medians of {options.repeats} paired repeats. Largest differences: "
        f"{found.energy:.1e} eV/atom, {found.forces:.1e} eV/Å, {found.stress:.1e} eV/Å³.",
        highlight=False,
    )
    return 0
