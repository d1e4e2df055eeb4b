"""Options of DFT settings that ``suggest`` and ``label`` share."""

from __future__ import annotations

import argparse

from umlip_bench.cli.options import positive_float

SPINS = ("none", "ferromagnetic")


def add_dft_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cutoff``, ``--kpoint-density``, ``--smearing`` and ``--spin``."""
    group = parser.add_argument_group("DFT settings (PBE, no +U; VASP inputs have their own)")
    group.add_argument(
        "--cutoff",
        type=positive_float,
        default=800.0,
        metavar="EV",
        help="GPAW's plane-wave cutoff, eV (default: 800)",
    )
    group.add_argument(
        "--kpoint-density",
        type=positive_float,
        default=2.0,
        metavar="D",
        help="k-points per Å⁻¹ in each direction, about Γ (default: 2.0; metals need 2.5 or more)",
    )
    group.add_argument(
        "--smearing",
        type=positive_float,
        default=0.05,
        metavar="EV",
        help="Fermi-Dirac width, eV (default: 0.05; 0.1 for metals)",
    )
    group.add_argument(
        "--spin",
        choices=SPINS,
        help="by default none, and elements that are often magnetic are refused",
    )
