"""``umlip-finetune suggest``: which frames of a material to label, with inputs for DFT codes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from umlip_bench.cli.finetune.dft_options import add_dft_options
from umlip_bench.cli.options import (
    Subparsers,
    add_command,
    add_device_options,
    not_negative,
    positive,
    positive_float,
    real,
    whole,
)

if TYPE_CHECKING:
    from umlip_bench.finetune.labelling.suggested import CodeSettings

CODES = ("vasp", "qe", "gpaw")

EXAMPLES = """\
  umlip-finetune suggest --structure my.cif --model chgnet-0.3.0 -n 5 --out suggested
  umlip-finetune suggest --structure my.cif --model chgnet-0.3.0 --model m3gnet-mp-2021.2.8 --out suggested
  umlip-finetune suggest --structure POSCAR --model chgnet-0.3.0 -n 1 --enough-atoms 8 --codes qe
      --pseudo-dir ~/sssp --ecutwfc 90 --ecutrho 720 --out suggested
"""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "suggest",
        help="choose frames worth a DFT label",
        description=(
            "Relax a material with a model, sample states at 1000 K and under strain, and choose those\n"
            "worth a DFT label: far from each other in the model's own features, with large forces. With\n"
            "further models, the disagreement of their forces counts too. Writes the frames, why each was\n"
            "chosen, and inputs for VASP (Materials Project settings, without POTCARs), Quantum ESPRESSO\n"
            "and GPAW."
        ),
        examples=EXAMPLES,
    )
    parser.add_argument(
        "--structure", required=True, type=Path, metavar="FILE", help="any file that ASE reads"
    )
    parser.add_argument(
        "--model",
        required=True,
        action="append",
        metavar="NAME",
        help="model that samples; given again, further models whose disagreement counts",
    )
    parser.add_argument("-n", type=positive, default=5, metavar="N", help="frames (default: 5)")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--codes",
        type=_codes,
        default=CODES,
        metavar="LIST",
        help="inputs to write, of vasp,qe,gpaw, or none (default: all)",
    )
    group = parser.add_argument_group("sampling")
    group.add_argument(
        "--temperature", type=positive_float, default=1000.0, metavar="K", help="(default: 1000)"
    )
    group.add_argument(
        "--runs",
        type=positive,
        default=4,
        metavar="N",
        help="independent trajectories (default: 4)",
    )
    group.add_argument(
        "--states", type=positive, default=6, metavar="N", help="states taken of each (default: 6)"
    )
    group.add_argument(
        "--equilibration",
        type=not_negative,
        default=500.0,
        metavar="FS",
        help="fs before the first (default: 500)",
    )
    group.add_argument(
        "--interval",
        type=positive_float,
        default=100.0,
        metavar="FS",
        help="fs between states (default: 100)",
    )
    group.add_argument(
        "--timestep",
        type=real(above=0.0, below=10.0),
        metavar="FS",
        help="fs (default: 2, or 0.5 with hydrogen)",
    )
    group.add_argument(
        "--strain",
        action="append",
        type=real(least=-0.2, most=0.2),
        metavar="X",
        help="strain of all lattice vectors that two of five states get in turn; once for each, 0 for none "
        "(default: 0.03 and -0.03)",
    )
    group.add_argument("--no-relax", action="store_true", help="start from the structure as it is")
    group.add_argument("--fixed-cell", action="store_true", help="relax the atoms only")
    group.add_argument(
        "--enough-atoms",
        type=positive,
        default=32,
        metavar="N",
        help="repeat the cell until it has N atoms or is --enough-length wide (default: 32)",
    )
    group.add_argument(
        "--enough-length",
        type=positive_float,
        default=8.0,
        metavar="Å",
        help="Å, in all directions (default: 8)",
    )
    group.add_argument("--seed", type=whole(0), default=0, metavar="N", help="(default: 0)")
    add_dft_options(parser)
    group = parser.add_argument_group("inputs")
    group.add_argument(
        "--vasp-set",
        choices=("static", "relax"),
        default="static",
        help="MPStaticSet (default) or MPRelaxSet with ions held",
    )
    group.add_argument(
        "--pseudo-dir",
        metavar="DIR",
        help="folder of PBE pseudopotentials for Quantum ESPRESSO; placeholders are written without",
    )
    group.add_argument(
        "--pseudo",
        action="append",
        type=_pseudo,
        default=[],
        metavar="EL=FILE",
        help="pseudopotential of an element, where the folder has several",
    )
    group.add_argument(
        "--ecutwfc", type=positive_float, default=60.0, metavar="RY", help="(default: 60)"
    )
    group.add_argument(
        "--ecutrho", type=positive_float, default=480.0, metavar="RY", help="(default: 480)"
    )
    add_device_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from umlip_bench.finetune.labelling.settings import (
        EspressoSettings,
        GpawSettings,
        Spin,
        VaspSet,
        VaspSettings,
        check_spin,
    )
    from umlip_bench.ground.structures import read_structure

    atoms = read_structure(options.structure)
    spin = None if options.spin is None else Spin(options.spin)
    espresso = EspressoSettings(
        ecutwfc=options.ecutwfc,
        ecutrho=options.ecutrho,
        kpoint_density=options.kpoint_density,
        smearing=options.smearing,
        pseudo_dir=options.pseudo_dir,
        pseudos=tuple(options.pseudo),
        spin=spin,
    )
    gpaw = GpawSettings(
        cutoff=options.cutoff,
        kpoint_density=options.kpoint_density,
        smearing=options.smearing,
        spin=spin,
    )
    vasp = VaspSettings(VaspSet(options.vasp_set))
    settings: dict[str, CodeSettings] = {"vasp": vasp, "qe": espresso, "gpaw": gpaw}
    codes = [settings[name] for name in options.codes]
    if {"qe", "gpaw"} & set(options.codes):
        check_spin([atoms], spin)

    # Slow imports only after what a user can get wrong.
    from umlip_bench.cli import console
    from umlip_bench.cli.progress import progress_bar
    from umlip_bench.finetune.labelling.espresso import pseudopotentials
    from umlip_bench.finetune.labelling.sampling import Sampling
    from umlip_bench.finetune.labelling.suggested import check_out, save_suggestion
    from umlip_bench.finetune.labelling.suggestion import suggest
    from umlip_bench.finetune.labelling.suggestion_report import print_suggestion
    from umlip_bench.potentials.loading import potential

    check_out(options.out)
    if "qe" in options.codes:
        pseudopotentials(sorted(set(atoms.symbols)), espresso)
    strains = (0.03, -0.03) if options.strain is None else tuple(options.strain)
    sampling = Sampling(
        temperature=options.temperature,
        timestep=options.timestep,
        equilibration=options.equilibration,
        interval=options.interval,
        runs=options.runs,
        states_per_run=options.states,
        strains=tuple(strain for strain in strains if strain),
        relax=not options.no_relax,
        relax_cell=not options.fixed_cell,
        enough_atoms=options.enough_atoms,
        enough_length=options.enough_length,
        seed=options.seed,
    )
    errors = console.errors()
    with errors.status("loading and relaxing"):
        models = [
            potential(name, device=options.device, dtype=options.dtype) for name in options.model
        ]
    with progress_bar(errors) as bar:
        row = bar.add_task("steps of dynamics", total=None)
        suggestion = suggest(
            models[0],
            atoms,
            options.n,
            others=models[1:],
            sampling=sampling,
            progress=lambda done, total: bar.update(row, completed=done, total=total),
        )
    save_suggestion(suggestion, options.out, codes)
    print_suggestion(suggestion, console.output())
    written = f", inputs in {', '.join(f'{options.out / name}' for name in options.codes)}"
    errors.print(
        f"Frames: {options.out / 'frames.xyz'}{written if options.codes else ''}\n"
        f"Label them here: umlip-finetune label --engine gpaw {options.out / 'frames.xyz'} --out labels.xyz\n"
        f"or elsewhere, and read the results: umlip-finetune collect {options.out}/CODE --out labels.xyz",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    return 0


def _codes(text: str) -> tuple[str, ...]:
    """Codes separated by commas, for ``type=``."""
    names = () if text == "none" else tuple(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in CODES:
            raise argparse.ArgumentTypeError(
                f"{name!r} is none of {', '.join(CODES)}; separate several by commas"
            )
    return names


def _pseudo(text: str) -> tuple[str, str]:
    """An element and a file name, for ``type=``."""
    from umlip_bench.ground.elements import SYMBOLS

    symbol, _, name = text.partition("=")
    if symbol not in SYMBOLS or not name:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an element and a file, e.g. Si=Si.pbe.UPF"
        )
    return symbol, name
