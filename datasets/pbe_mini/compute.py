"""Compute the labels of pbe-mini with GPAW: resumable, one file per single point.

Not needed to use the data. In an environment of its own:

    apt install libxc-dev libopenblas-dev
    pip install gpaw==25.7.0 gpaw-data
    python compute.py reproduce           # stored frames again, with the differences
    python compute.py run --hours 2       # what is missing, cheapest first, into computed/
    python compute.py collect             # computed/ into pbe_mini.xyz

Settings are those of README.md beside this file. A run that is stopped goes on where it was: each
single point is written under its own name when it is done, and never computed twice.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms

HERE = Path(__file__).parent
STRUCTURES = HERE / "structures.xyz"
LABELS = HERE / "pbe_mini.xyz"
COMPUTED = HERE / "computed"

METALS = ("Al", "Mg", "Mo")
REPRODUCED = (("MgO", 0), ("Si", 1), ("LiF", 2))


@dataclass(frozen=True)
class Settings:
    """What GPAW is told.

    Parameters
    ----------
    cutoff
        Plane-wave cutoff, eV.
    kpoint_density
        k-points per Å⁻¹, in Å.
    smearing
        Width of the Fermi-Dirac distribution, eV.
    """

    cutoff: float
    kpoint_density: float
    smearing: float


def settings_of(system: str) -> Settings:
    """Settings of the published frames."""
    if system in METALS:
        return Settings(cutoff=500.0, kpoint_density=2.5, smearing=0.1)
    return Settings(cutoff=800.0, kpoint_density=2.0, smearing=0.05)


def single_point(atoms: Atoms, settings: Settings, log: Path) -> Atoms:
    """Copy of a structure with its PBE labels under ``REF_`` keys, as in pbe_mini.xyz."""
    from gpaw import GPAW, PW, FermiDirac

    out = atoms.copy()
    labelled = atoms.copy()
    labelled.calc = GPAW(
        mode=PW(settings.cutoff),
        xc="PBE",
        kpts={"density": settings.kpoint_density, "gamma": True},
        occupations=FermiDirac(settings.smearing),
        convergence={"energy": 1e-5},
        txt=str(log),
    )
    out.info["REF_energy"] = labelled.get_potential_energy()
    out.info["REF_free_energy"] = labelled.get_potential_energy(force_consistent=True)
    out.arrays["REF_forces"] = labelled.get_forces()
    out.info["REF_stress"] = labelled.get_stress(voigt=False)
    return out


def key(atoms: Atoms) -> tuple[str, int]:
    """Name and number of a frame."""
    return atoms.info["system"], int(atoms.info["frame"])


def expected_cost(atoms: Atoms) -> float:
    """Relative cost: cubic in the valence electrons, and metals need more k-points."""
    electrons = float(np.sum(np.minimum(atoms.numbers, 12)))
    return electrons**3 * (3.0 if atoms.info["system"] in METALS else 1.0)


def missing() -> list[Atoms]:
    """Frames without labels, the cheapest first."""
    done = {key(atoms) for atoms in ase.io.read(LABELS, ":")}
    done |= {key(ase.io.read(path)) for path in COMPUTED.glob("*.xyz")}
    frames = ase.io.read(STRUCTURES, ":")
    return sorted((a for a in frames if key(a) not in done), key=expected_cost)


def run(hours: float, systems: list[str]) -> None:
    """Compute missing frames until the time is up."""
    COMPUTED.mkdir(exist_ok=True)
    stop = time.monotonic() + 3600 * hours
    frames = [atoms for atoms in missing() if not systems or atoms.info["system"] in systems]
    for atoms in frames:
        if time.monotonic() > stop:
            break
        system, frame = key(atoms)
        start = time.monotonic()
        labelled = single_point(atoms, settings_of(system), COMPUTED / f"{system}-{frame}.log")
        part = COMPUTED / f"{system}-{frame}.part"
        ase.io.write(part, labelled, format="extxyz")
        part.rename(COMPUTED / f"{system}-{frame}.xyz")
        print(f"{system} {frame}: {time.monotonic() - start:.0f} s", flush=True)
    print(f"{len(missing())} frames are left")


def reproduce() -> None:
    """Compute stored frames again and print the differences."""
    stored = {key(atoms): atoms for atoms in ase.io.read(LABELS, ":")}
    COMPUTED.mkdir(exist_ok=True)
    for name in REPRODUCED:
        before = stored[name]
        log = COMPUTED / f"{name[0]}-{name[1]}-again.log"
        after = single_point(before, settings_of(name[0]), log)
        energy = abs(after.info["REF_energy"] - before.info["REF_energy"]) / len(before)
        forces = np.abs(after.arrays["REF_forces"] - before.arrays["REF_forces"]).max()
        stress = np.abs(
            np.reshape(after.info["REF_stress"], 9) - np.reshape(before.info["REF_stress"], 9)
        ).max()
        print(
            f"{name[0]} {name[1]}: {1000 * energy:.4f} meV/atom, {1000 * forces:.3f} meV/Å, "
            f"{stress:.1e} eV/Å³",
            flush=True,
        )


def collect() -> None:
    """Add the computed frames to the labels, in the order of the structures."""
    labelled = {key(atoms): atoms for atoms in ase.io.read(LABELS, ":")}
    for path in sorted(COMPUTED.glob("*.xyz")):
        atoms = ase.io.read(path)
        labelled[key(atoms)] = atoms
    order = [key(atoms) for atoms in ase.io.read(STRUCTURES, ":")]
    frames = [labelled[name] for name in order if name in labelled]
    ase.io.write(LABELS, frames, format="extxyz")
    print(
        f"{LABELS.name}: {len(frames)} of {len(order)} frames; its sha256 goes into manifest.yaml"
    )


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("reproduce", help="compute stored frames again")
    runner = actions.add_parser("run", help="compute what is missing")
    runner.add_argument("--hours", type=float, default=10.0)
    runner.add_argument("systems", nargs="*", metavar="SYSTEM", help="only these compounds")
    actions.add_parser("collect", help="merge what was computed into pbe_mini.xyz")
    options = parser.parse_args()
    if options.action == "reproduce":
        reproduce()
    elif options.action == "run":
        run(options.hours, options.systems)
    else:
        collect()
    return 0


if __name__ == "__main__":
    sys.exit(main())
