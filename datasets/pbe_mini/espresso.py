"""Three high-energy states of pbe-mini again with Quantum ESPRESSO: what a slope of pbe-mini is good to.

Another code and other pseudopotentials for the same functional. Not needed to use the data. With Debian's
packages and the environment of compute.py:

    apt install quantum-espresso quantum-espresso-data
    python espresso.py run                 # what is missing, into computed/
    python espresso.py collect             # computed/ into espresso.xyz
    python espresso.py compare             # slopes of one code's forces on the other's

Each state is computed with the k-points of its label, with a higher cutoff, and with a denser mesh. The
pseudopotentials are those that Debian 12 ships: ultrasoft for Si, PAW for C, Ga (with its 3d electrons, which
GPAW's data set has in the core) and As.
"""

from __future__ import annotations

import argparse
import gzip
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.units import Rydberg
from structures import Mesh, Point, frames  # type: ignore[import-not-found]

HERE = Path(__file__).parent
COMPUTED = HERE / "computed"
LABELS = HERE / "espresso.xyz"

FOLDER = Path("/usr/share/espresso/pseudo")
EXAMPLE = Path("/usr/share/doc/quantum-espresso/examples/PP/simple_transport/scf")
PSEUDOPOTENTIALS = {
    "Si": FOLDER / "Si.pbe-nl-rrkjus_psl.1.0.0.UPF",
    "C": FOLDER / "C.pbe-n-kjpaw_psl.0.1.UPF",
    "Ga": EXAMPLE / "Ga.pbe-dn-kjpaw_psl.0.2.upf.gz",
    "As": EXAMPLE / "As.pbe-n-kjpaw_psl.0.2.upf.gz",
}

STATES = ("Si-0", "SiC-0", "GaAs-0")
CUTOFF, HIGHER_CUTOFF = 60.0, 90.0
"""Ry, of the wave functions; that of the density is eight times as high."""
DENSER: Mesh = (5, 5, 5)


@dataclass(frozen=True, eq=False)
class EspressoPoint:
    """One single point.

    Parameters
    ----------
    target
        The state, with its mesh and smearing.
    cutoff
        Ry.
    mesh
        Numbers of k-points, the mesh includes Γ.
    """

    target: Point
    cutoff: float
    mesh: Mesh

    @property
    def name(self) -> str:
        """Of the file that the result is kept in."""
        return f"espresso-{self.target.name}_{self.cutoff:.0f}Ry_{'x'.join(map(str, self.mesh))}"


def runs() -> Iterator[EspressoPoint]:
    """Every state with the mesh of its label, then with the higher cutoff, then with the denser mesh."""
    states = [each for each in frames() if each.name in STATES]
    for cutoff, mesh in ((CUTOFF, None), (HIGHER_CUTOFF, None), (CUTOFF, DENSER)):
        for each in sorted(states, key=lambda state: STATES.index(state.name)):
            yield EspressoPoint(each, cutoff, mesh or each.mesh)


def single_point(run: EspressoPoint, log: Path) -> Atoms:
    """Copy of a structure with its labels under ``REF_`` keys."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for symbol in set(run.target.atoms.symbols):
            path = PSEUDOPOTENTIALS[symbol]
            data = path.read_bytes()
            plain = gzip.decompress(data) if path.suffix == ".gz" else data
            (scratch / f"{symbol}.UPF").write_bytes(plain)
        with log.open("w", encoding="utf-8") as stream:
            subprocess.run(
                ["pw.x"], input=pw_input(run), text=True, stdout=stream, cwd=scratch, check=True
            )
    text = log.read_text(encoding="utf-8")
    result = ase.io.read(log, format="espresso-out")
    contribution = next(line for line in text.splitlines() if "smearing contrib" in line)
    free = float(result.get_potential_energy())
    out: Atoms = run.target.atoms.copy()
    out.info |= {
        "point": run.name,
        "code": "Quantum ESPRESSO",
        "cutoff": round(run.cutoff * Rydberg, 2),
        "smearing": run.target.settings.smearing,
        "kpoints": " x ".join(map(str, run.mesh)),
        # Half of -TS: extrapolated to zero width.
        "REF_energy": free - 0.5 * float(contribution.split()[-2]) * Rydberg,
        "REF_free_energy": free,
        "REF_stress": result.get_stress(voigt=False).ravel(),
    }
    out.arrays["REF_forces"] = result.get_forces()
    return out


def pw_input(run: EspressoPoint) -> str:
    """Input of pw.x."""
    atoms = run.target.atoms
    species = sorted(set(atoms.symbols))
    lines = [
        "&control calculation='scf', prefix='state', outdir='.', pseudo_dir='.',",
        " tprnfor=.true., tstress=.true., disk_io='none' /",
        f"&system ibrav=0, nat={len(atoms)}, ntyp={len(species)},",
        f" ecutwfc={run.cutoff}, ecutrho={8 * run.cutoff},",
        " occupations='smearing', smearing='fermi-dirac',",
        f" degauss={run.target.settings.smearing / Rydberg:.8f} /",
        "&electrons conv_thr=1e-9 /",
        "ATOMIC_SPECIES",
        *(f"{symbol} 1.0 {symbol}.UPF" for symbol in species),
        "CELL_PARAMETERS angstrom",
        *(" ".join(f"{x:.10f}" for x in vector) for vector in atoms.cell),
        "ATOMIC_POSITIONS angstrom",
        *(
            f"{symbol} " + " ".join(f"{x:.10f}" for x in position)
            for symbol, position in zip(atoms.symbols, atoms.positions, strict=True)
        ),
        "K_POINTS automatic",
        " ".join(map(str, run.mesh)) + " 0 0 0",
    ]
    return "\n".join(lines) + "\n"


def compute(hours: float, count: int | None, pattern: str) -> int:
    """Compute what is missing and matches until the time is up, and return how many runs were done."""
    COMPUTED.mkdir(exist_ok=True)
    stop, done = time.time() + 3600 * hours, 0
    for run in runs():
        path = COMPUTED / f"{run.name}.xyz"
        if path.exists() or done == count or time.time() > stop or not fnmatch(run.name, pattern):
            continue
        start = time.time()
        labelled = single_point(run, COMPUTED / f"{run.name}.log")
        part = path.with_suffix(".part")
        ase.io.write(part, labelled, format="extxyz")
        part.rename(path)
        print(f"{run.name}: {time.time() - start:.0f} s", flush=True)
        done += 1
    return done


def labels() -> dict[str, Atoms]:
    """Labelled structures by name of the run."""
    found = {}
    for atoms in ase.io.read(LABELS, ":") if LABELS.exists() else ():
        found[atoms.info["point"]] = atoms
    for path in COMPUTED.glob("espresso-*.xyz"):
        found[path.stem] = ase.io.read(path)
    return found


def collect() -> None:
    """Write espresso.xyz."""
    have = labels()
    found = [have[run.name] for run in runs() if run.name in have]
    for atoms in found:
        atoms.info["REF_stress"] = np.ravel(atoms.info["REF_stress"])
    if found:
        ase.io.write(LABELS, found, format="extxyz")
    print(f"espresso: {len(found)} of {len(list(runs()))}")


def compare() -> None:
    """Print, for each run, the slope of its forces on GPAW's and the largest difference.

    GPAW's are the labels of pbe_mini.xyz, and where they were computed again with the denser mesh those of
    convergence.xyz.
    """
    have = labels()
    gpaw = {
        f"{a.info['system']}-{a.info['frame']}": a for a in ase.io.read(HERE / "pbe_mini.xyz", ":")
    }
    checks = {a.info["point"]: a for a in ase.io.read(HERE / "convergence.xyz", ":")}
    for run in runs():
        if run.name not in have:
            continue
        forces = have[run.name].arrays["REF_forces"]
        mesh = "x".join(map(str, run.mesh))
        usual = "x".join(map(str, run.target.mesh))
        others = {mesh: checks.get(f"{run.target.name}_{mesh}"), usual: gpaw[run.target.name]}
        for other_mesh, other in others.items():
            if other is None:
                continue
            theirs = other.arrays["REF_forces"]
            slope = float((forces * theirs).sum() / (theirs**2).sum())
            inverse = float((forces * theirs).sum() / (forces**2).sum())
            largest = float(np.abs(forces - theirs).max())
            print(
                f"{run.name} on GPAW {other_mesh}: slope {slope:.4f}, of the other on it {inverse:.4f}, "
                f"largest difference {largest:.4f} eV/Å"
            )


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["run", "collect", "compare"])
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--only", default="*", metavar="PATTERN")
    parser.add_argument("--count", type=int, metavar="N", help="runs at most")
    options = parser.parse_args()
    if options.action == "collect":
        collect()
    elif options.action == "compare":
        compare()
    elif not compute(options.hours, options.count, options.only):
        return 3  # Nothing was computed.
    return 0


if __name__ == "__main__":
    sys.exit(main())
