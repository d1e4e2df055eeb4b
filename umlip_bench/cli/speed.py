"""``umlip-bench speed``: the engine against the library's own calculator under ASE."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from umlip_bench.cli.options import (
    Subparsers,
    add_command,
    add_device_options,
    positive,
    whole,
)

if TYPE_CHECKING:
    from umlip_bench.engine.speed.comparison import Comparison

EXAMPLES = """\
  umlip-bench speed --model chgnet-0.3.0
  umlip-bench speed --model m3gnet-mp-2021.2.8 --work relax --work relax-cell --json
"""

WORK = ("static", "relax", "relax-cell", "phonons", "neb", "md")

IN_FLIGHT = {"cpu": (1, 4, 16, 32), "cuda": (1, 8, 64, 512)}
"""For single points; longer work is timed with everything at once."""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "speed",
        help="time a model against its library's own calculator",
        description=(
            "Time the engine against the library's calculator under ASE, in turn and on the same\n"
            "structures, which must come to the same end; relaxations against matcalc too, if installed:\n\n"
            "  static      energy, forces and stress of small cells\n"
            "  relax       FIRE, cell fixed\n"
            "  relax-cell  FIRE, cell free\n"
            "  phonons     forces on displaced supercells of 64 atoms\n"
            "  neb         climbing-image elastic bands\n"
            "  md          Langevin dynamics"
        ),
        examples=EXAMPLES,
    )
    parser.add_argument("--model", required=True, metavar="NAME")
    parser.add_argument(
        "--work", choices=WORK, action="append", help="what to time; repeatable (default: all)"
    )
    parser.add_argument(
        "--in-flight",
        type=positive,
        action="append",
        metavar="N",
        help="structures under way at once; repeatable (default: all, and several for static)",
    )
    parser.add_argument(
        "--structures", type=positive, metavar="N", help="structures or paths of each kind of work"
    )
    parser.add_argument(
        "--repeats", type=whole(5), default=7, metavar="N", help="default: 7, at least 5"
    )
    parser.add_argument(
        "--threads", type=positive, default=1, metavar="N", help="CPU threads (default: 1)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_device_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    import torch

    from umlip_bench.cli.console import errors
    from umlip_bench.engine.speed.comparison import ALL_AT_ONCE, compare
    from umlip_bench.engine.speed.workloads import make
    from umlip_bench.potentials.loading import potential as load_potential

    torch.set_num_threads(options.threads)
    potential = load_potential(options.model, device=options.device, dtype=options.dtype)
    kind = potential.device.type
    device = (
        torch.cuda.get_device_name(potential.device)
        if kind == "cuda"
        else f"CPU, {options.threads} thread(s)"
    )
    found = []
    for name in options.work or WORK:
        work = make(name, potential.device, options.structures)
        in_flight = options.in_flight or (IN_FLIGHT[kind] if name == "static" else (ALL_AT_ONCE,))
        with errors().status(f"{name}: {work.description}"):
            found.append(compare(work, potential, in_flight, options.repeats))
    if options.json:
        content = {
            "model": potential.card.name,
            "device": device,
            "dtype": options.dtype,
            "results": [asdict(comparison) for comparison in found],
        }
        print(json.dumps(content, indent=1))
    else:
        _print(f"{potential.card.name}, {device}, {options.dtype}", found, options.repeats)
    return 0


def _print(title: str, found: Sequence[Comparison], repeats: int) -> None:
    from rich.table import Table

    from umlip_bench.cli.console import output
    from umlip_bench.engine.speed.comparison import ALL_AT_ONCE

    table = Table(title=title, title_justify="left")
    for name in ("work", "against", "unit"):
        table.add_column(name)
    for name in ("in flight", "theirs, 1/s", "ours, 1/s", "ratio", "range"):
        table.add_column(name, justify="right")
    for comparison in found:
        for t in comparison.timings:
            table.add_row(
                comparison.work,
                t.against,
                comparison.unit,
                "all" if t.in_flight == ALL_AT_ONCE else str(t.in_flight),
                f"{t.theirs_per_s:.2f}",
                f"{t.ours_per_s:.2f}",
                f"{t.ratio:.2f}",
                f"{t.ratio_low:.2f} to {t.ratio_high:.2f}",
            )
    console = output()
    console.print(table)
    console.print(
        f"Ratios are medians of {repeats} paired repeats. Both sides came to the same end, but for:",
        highlight=False,
    )
    for comparison in found:
        worst, tolerated = comparison.difference, comparison.tolerance
        console.print(
            f"  {comparison.work}: {worst.energy:.0e} eV/atom, {worst.forces:.0e} eV/Å, "
            f"{worst.positions:.0e} Å (tolerated {tolerated.energy:.0e}, {tolerated.forces:.0e}, "
            f"{tolerated.positions:.0e}); {comparison.description}",
            highlight=False,
        )
