"""Compute the labels of pbe-mini with GPAW: resumable, one file per single point.

Not needed to use the data. In an environment of its own:

    apt install libxc-dev libopenblas-dev
    pip install gpaw==25.7.0 gpaw-data phonopy
    python compute.py reproduce                 # stored frames again, with the differences
    python compute.py run --hours 2             # what is missing, into computed/
    python compute.py run --hours 2 eos frames  # of these groups, in this order
    python compute.py run --only '*-Al*'        # whose names match
    python compute.py collect                   # computed/ into the files of labels and manifest.yaml

Groups are ``frames`` (high-energy states) and the others of structures.py, which has the geometries of all.
Settings are those of README.md beside this file. A run that is stopped goes on
where it was: each single point is written under its own name when it is done, and never computed twice.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import time
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from structures import GROUPS, Point, frame_name, frames  # type: ignore[import-not-found]

HERE = Path(__file__).parent
LABELS = HERE / "pbe_mini.xyz"
MANIFEST = HERE / "manifest.yaml"
COMPUTED = HERE / "computed"

REPRODUCED = ("MgO-0", "Si-1", "LiF-2")


def points(group: str) -> list[Point]:
    """Single points of a group."""
    return list(frames() if group == "frames" else GROUPS[group]())


def single_point(target: Point, log: Path) -> Atoms:
    """Copy of a structure with its PBE labels under ``REF_`` keys, as in pbe_mini.xyz."""
    from gpaw import GPAW, PW, FermiDirac

    out = target.atoms.copy()
    labelled = target.atoms.copy()
    labelled.calc = GPAW(
        mode=PW(target.settings.cutoff),
        xc="PBE",
        kpts={"size": target.mesh, "gamma": True},
        occupations=FermiDirac(target.settings.smearing),
        convergence={"energy": 1e-5, "density": target.settings.density},
        symmetry={"point_group": target.point_group},
        txt=str(log),
    )
    out.info |= conditions(target)
    out.info["REF_energy"] = labelled.get_potential_energy()
    out.info["REF_free_energy"] = labelled.get_potential_energy(force_consistent=True)
    out.arrays["REF_forces"] = labelled.get_forces()
    out.info["REF_stress"] = labelled.get_stress(voigt=False).ravel()
    return out


def conditions(target: Point) -> dict[str, float | str]:
    """What the labels depend on besides the geometry."""
    settings = target.settings
    mesh = " x ".join(map(str, target.mesh))
    return {"cutoff": settings.cutoff, "smearing": settings.smearing, "kpoints": mesh}


def expected_cost(target: Point) -> float:
    """Relative cost: cubic in the size, linear in the k-points."""
    electrons = float(np.sum(np.minimum(target.atoms.numbers, 12)))
    return electrons**2 * target.atoms.get_volume() * float(np.prod(target.mesh))


def done() -> dict[str, Path]:
    """Results by name of the single point."""
    return {path.stem: path for path in COMPUTED.glob("*.xyz")}


def labels() -> dict[str, Atoms]:
    """Labelled structures by name of the single point: those of the files, and what was computed."""
    found = {}
    for path in (LABELS, *(HERE / f"{group}.xyz" for group in GROUPS)):
        for atoms in ase.io.read(path, ":") if path.exists() else ():
            found[atoms.info.get("point") or frame_name(atoms)] = atoms
    return found | {name: ase.io.read(path) for name, path in done().items()}


def missing(group: str) -> list[Point]:
    """Single points of a group without labels, the cheapest first."""
    have = set(labels())
    return sorted((p for p in points(group) if p.name not in have), key=expected_cost)


def run(hours: float, groups: Iterable[str], pattern: str) -> None:
    """Compute missing single points whose names match until the time is up."""
    COMPUTED.mkdir(exist_ok=True)
    stop = time.monotonic() + 3600 * hours
    for group in groups:
        for target in missing(group):
            if not fnmatch(target.name, pattern):
                continue
            if time.monotonic() > stop:
                return
            start = time.monotonic()
            labelled = single_point(target, COMPUTED / f"{target.name}.log")
            part = COMPUTED / f"{target.name}.part"
            ase.io.write(part, labelled, format="extxyz")
            part.rename(COMPUTED / f"{target.name}.xyz")
            print(f"{target.name}: {time.monotonic() - start:.0f} s", flush=True)


def reproduce() -> None:
    """Compute stored frames again and print the differences."""
    stored = {frame_name(atoms): atoms for atoms in ase.io.read(LABELS, ":")}
    COMPUTED.mkdir(exist_ok=True)
    for target in (p for p in frames() if p.name in REPRODUCED):
        before = stored[target.name]
        after = single_point(target, COMPUTED / f"{target.name}-again.log")
        energy = abs(after.info["REF_energy"] - before.info["REF_energy"]) / len(before)
        forces = np.abs(after.arrays["REF_forces"] - before.arrays["REF_forces"]).max()
        stress = np.abs(after.info["REF_stress"] - before.info["REF_stress"]).max()
        print(
            f"{target.name}: {1000 * energy:.4f} meV/atom, {1000 * forces:.3f} meV/Å, "
            f"{stress:.1e} eV/Å³",
            flush=True,
        )


def collect() -> None:
    """Write the computed labels of every group, and the hashes of the files into manifest.yaml."""
    collect_frames()
    for group in GROUPS:
        collect_group(group)


def collect_frames() -> None:
    """Add computed high-energy states to those that are there, in the order of the structures."""
    have = labels()
    order = [target.name for target in frames()]
    found = [have[name] for name in order if name in have]
    for atoms in found:
        for key in ("point", "cutoff", "smearing", "kpoints"):
            atoms.info.pop(key, None)
        atoms.info["REF_stress"] = np.ravel(atoms.info["REF_stress"])
    write(LABELS, found)
    print(f"frames: {len(found)} of {len(order)}")


def collect_group(group: str) -> None:
    """Write a group's labels beside this file.

    A system of which a point is missing is left out, but orderings and checks stand for themselves.
    """
    have, targets = labels(), points(group)
    absent = {each.atoms.info["system"] for each in targets if each.name not in have}
    if group in ("solid_solutions", "convergence"):
        absent = set()
    found = [
        labelled_point(each, have[each.name])
        for each in targets
        if each.name in have and each.atoms.info["system"] not in absent
    ]
    if found:
        write(HERE / f"{group}.xyz", found)
    print(f"{group}: {len(found)} of {len(targets)}")


def labelled_point(target: Point, result: Atoms) -> Atoms:
    """Geometry and description of a point with the labels of its result."""
    changed = {name for name, value in conditions(target).items() if result.info[name] != value}
    if changed or not np.allclose(target.atoms.positions, result.positions, atol=1e-6):
        raise ValueError(
            f"{target.name} was computed otherwise; remove its file from {COMPUTED.name}/"
        )
    out = target.atoms.copy()
    out.info |= conditions(target)
    out.info |= {name: value for name, value in result.info.items() if name.startswith("REF_")}
    out.info["REF_stress"] = np.ravel(out.info["REF_stress"])
    out.arrays["REF_forces"] = result.arrays["REF_forces"]
    return out


def write(path: Path, labelled: list[Atoms]) -> None:
    """Write a file of labels, and its hash where the manifest has one."""
    ase.io.write(path, labelled, format="extxyz")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = f"  {path.name}: "
    manifest = MANIFEST.read_text(encoding="utf-8")
    manifest = re.sub(f"{re.escape(entry)}.*", f"{entry}{digest}", manifest)
    MANIFEST.write_text(manifest, encoding="utf-8")


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("reproduce", help="compute stored frames again")
    runner = actions.add_parser("run", help="compute what is missing")
    runner.add_argument("--hours", type=float, default=10.0)
    runner.add_argument("--only", default="*", metavar="PATTERN")
    names = ["frames", *GROUPS]
    runner.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(names)}")
    actions.add_parser("collect", help="write what was computed into the files of labels")
    options = parser.parse_args()
    if options.action == "reproduce":
        reproduce()
    elif options.action == "run":
        if unknown := set(options.groups) - set(names):
            parser.error(f"no such group: {', '.join(unknown)}; there are {', '.join(names)}")
        run(options.hours, options.groups or names, options.only)
    else:
        collect()
    return 0


if __name__ == "__main__":
    sys.exit(main())
