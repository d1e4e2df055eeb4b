"""Quantum ESPRESSO inputs of single points."""

from __future__ import annotations

from pathlib import Path

import ase.io
from ase import Atoms
from ase.units import Ry

from umlip_bench.finetune.labelling.settings import EspressoSettings, mesh, starting_moments
from umlip_bench.ground.errors import LabelError

INPUT = "pw.in"
PLACEHOLDER = "PLACEHOLDER-{symbol}.UPF"
CONVERGENCE_PER_ATOM = 1e-9
"""Ry. The threshold is on the energy, forces come out to about its root."""
NOTE = """\
Run `pw.x -in pw.in > pw.out` in this folder.
ecutwfc = {ecutwfc:g} Ry and ecutrho = {ecutrho:g} Ry: take what your pseudopotentials ask for.
"""
PLACEHOLDER_NOTE = """\
pw.in names no real pseudopotentials: replace PLACEHOLDER-*.UPF by PBE ones, of SSSP or pslibrary for
instance, and pseudo_dir by their folder, or write the inputs again with --pseudo-dir.
"""


def write_inputs(folder: Path, atoms: Atoms, settings: EspressoSettings) -> None:
    """Write pw.in and a note into a folder.

    Parameters
    ----------
    folder
        An existing folder.
    atoms
        The frame.
    settings
        Cutoffs, k-points, pseudopotentials.

    Raises
    ------
    LabelError
        If the folder of pseudopotentials has none for an element, or several.
    """
    symbols = sorted(set(atoms.symbols))
    pseudos = pseudopotentials(symbols, settings)
    frame = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    moments = starting_moments(atoms, settings.spin)
    if moments is not None:
        frame.set_initial_magnetic_moments(moments)
    directory = "." if settings.pseudo_dir is None else str(Path(settings.pseudo_dir).resolve())
    ase.io.write(
        folder / INPUT,
        frame,
        format="espresso-in",
        input_data={
            "control": {
                "calculation": "scf",
                "tprnfor": True,
                "tstress": True,
                "pseudo_dir": directory,
                "outdir": "./scratch",
                "disk_io": "none",
            },
            "system": {
                "ecutwfc": settings.ecutwfc,
                "ecutrho": settings.ecutrho,
                "input_dft": "PBE",
                "occupations": "smearing",
                "smearing": "fermi-dirac",
                "degauss": settings.smearing / Ry,
                **({"nspin": 2} if moments is not None else {}),
            },
            "electrons": {"conv_thr": CONVERGENCE_PER_ATOM * len(frame)},
        },
        pseudopotentials=pseudos,
        kpts=mesh(frame, settings.kpoint_density),
    )
    note = NOTE.format(ecutwfc=settings.ecutwfc, ecutrho=settings.ecutrho)
    if any(name.startswith("PLACEHOLDER-") for name in pseudos.values()):
        note += PLACEHOLDER_NOTE
    (folder / "NOTE.txt").write_text(note, encoding="utf-8")


def pseudopotentials(symbols: list[str], settings: EspressoSettings) -> dict[str, str]:
    """File names by element: those given, else those of the folder, else placeholders.

    In the folder, files are taken whose name ends with ``.upf`` and begins with the element and a dot,
    underscore or hyphen, as those of SSSP and pslibrary do; letter case does not matter.

    Raises
    ------
    LabelError
        If there is no such file for an element, or there are several.
    """
    given = dict(settings.pseudos)
    if settings.pseudo_dir is None:
        return {s: given.get(s, PLACEHOLDER.format(symbol=s)) for s in symbols}
    folder = Path(settings.pseudo_dir)
    if not folder.is_dir():
        raise LabelError(f"--pseudo-dir {folder} is no folder")
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() == ".upf")
    chosen = {}
    for symbol in symbols:
        if symbol in given:
            if given[symbol] not in names:
                raise LabelError(f"--pseudo {symbol}={given[symbol]}: not in {folder}")
            chosen[symbol] = given[symbol]
            continue
        starts = tuple(symbol.lower() + end for end in "._-")
        found = [name for name in names if name.lower().startswith(starts)]
        if len(found) != 1:
            what = f"several for {symbol}: {', '.join(found)}" if found else f"none for {symbol}"
            raise LabelError(
                f"{folder} has {what} (files {symbol}.*.UPF, {symbol}_*.UPF or {symbol}-*.UPF); "
                f"name it with --pseudo {symbol}=FILE"
            )
        (chosen[symbol],) = found
    return chosen
