"""Compute the labels of pbe-mini with GPAW: resumable, one file per single point.

Not needed to use the data. In an environment of its own:

    apt install libxc-dev libopenblas-dev
    pip install gpaw==25.7.0 gpaw-data phonopy
    python compute.py reproduce                 # stored frames again, with the differences
    python compute.py run --hours 2             # what is missing, into computed/
    python compute.py run --hours 2 eos frames  # of these groups, in this order
    python compute.py run --only '*-Al*'        # whose names match
    python compute.py estimate                  # what is missing, and how long it takes
    python compute.py collect                   # computed/ into the files of labels and manifest.yaml

Groups are ``frames`` (high-energy states) and the others of groups.py. Those that are not named are computed
in the order of `STAGES`. Settings are those of README.md beside this file. A run that is stopped goes on
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
from cost import expected_seconds  # type: ignore[import-not-found]
from groups import GROUPS  # type: ignore[import-not-found]
from structures import Point, frame_name, frames  # type: ignore[import-not-found]

HERE = Path(__file__).parent
LABELS = HERE / "pbe_mini.xyz"
COMPUTED = HERE / "computed"

SETS = {"debye": "debye_mini", "r2scan": "r2scan_mini"}
"""Groups that are sets of their own, beside this folder."""

FUNCTIONALS = {"PBE": "PBE", "r2SCAN": "MGGA_X_R2SCAN+MGGA_C_R2SCAN"}
"""As GPAW has them."""

STAGES: tuple[tuple[str, ...], ...] = (
    ("phonons", "surfaces", "defects"),
    ("debye",),
    ("amplitudes",),
    ("r2scan",),
    ("solid_solutions",),
    ("convergence",),
)
"""Groups in the order of computing where none are named: what brings most to whoever runs the set first."""

POSTPONED = ("phonon-GaAs*", "phonon-MgS*", "surface-CaO*", "surface-MgS*")
"""Points beyond the eight systems that an interval needs, by pattern of their names: after all stages."""

INDEPENDENT = ("frames", "solid_solutions", "convergence", "amplitudes", "debye", "r2scan")
"""Groups whose points are of use one by one; of others a system is, when it is complete."""

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
        xc=FUNCTIONALS[target.settings.functional],
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
    """What the labels depend on besides the geometry; the functional is said where it is not PBE."""
    settings = target.settings
    mesh = " x ".join(map(str, target.mesh))
    found: dict[str, float | str] = {"cutoff": settings.cutoff}
    found |= {"smearing": settings.smearing, "kpoints": mesh}
    return found | ({} if settings.functional == "PBE" else {"functional": settings.functional})


def file_of(group: str) -> Path:
    """File of a group's labels."""
    return HERE.parent / SETS.get(group, HERE.name) / f"{group}.xyz"


def done() -> dict[str, Path]:
    """Results by name of the single point."""
    return {path.stem: path for path in COMPUTED.glob("*.xyz")}


def labels() -> dict[str, Atoms]:
    """Labelled structures by name of the single point: those of the files, and what was computed."""
    found = {}
    for path in (LABELS, *map(file_of, GROUPS)):
        for atoms in ase.io.read(path, ":") if path.exists() else ():
            found[atoms.info.get("point") or frame_name(atoms)] = atoms
    return found | {name: ase.io.read(path) for name, path in done().items()}


def schedule(groups: Iterable[str], pattern: str) -> list[Point]:
    """Missing single points in the order of computing.

    Groups come stage by stage, those of one stage together: the system that is complete soonest first, then
    the cheapest point. A point of two groups comes once. Orderings and checks stand for themselves.
    """
    have = set(labels())
    found: dict[str, Point] = {}
    later: dict[str, Point] = {}
    for stage in stages(groups):
        entries: list[tuple[float, str, float, str, Point]] = []
        for group in stage:
            absent = [p for p in points(group) if p.name not in have and fnmatch(p.name, pattern)]
            for p in absent:
                if any(fnmatch(p.name, each) for each in POSTPONED):
                    later[p.name] = p
            absent = [p for p in absent if p.name not in later]
            seconds = {p.name: expected_seconds(p) for p in absent}
            totals: dict[str, float] = {}
            for p in absent:
                unit = unit_of(group, p)
                totals[unit] = totals.get(unit, 0.0) + seconds[p.name]
            entries += [
                (totals[unit_of(group, p)], unit_of(group, p), seconds[p.name], p.name, p)
                for p in absent
            ]
        for *_, p in sorted(entries, key=lambda entry: entry[:4]):
            found.setdefault(p.name, p)
    return [*found.values(), *later.values()]


def unit_of(group: str, target: Point) -> str:
    """What is of use only with all of its points: a system, or the point itself."""
    return target.name if group in INDEPENDENT else str(target.atoms.info["system"])


def stages(groups: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups that are computed together, in order: as named, or by `STAGES`."""
    return [(group,) for group in groups] or list(STAGES)


def run(stop: float, groups: Iterable[str], pattern: str, count: int | None = None) -> int:
    """Compute missing single points whose names match until a time (seconds since 1970).

    What would probably not be done by then is passed over, and what failed before is not tried again: its log
    and a file that ends in ``.failed`` stay in the folder.

    Parameters
    ----------
    stop
        The time.
    groups, pattern
        See `schedule`.
    count
        How many points at most; ``None`` for all.
    """
    COMPUTED.mkdir(exist_ok=True)
    computed = 0
    for target in schedule(groups, pattern):
        failed = COMPUTED / f"{target.name}.failed"
        if failed.exists():
            continue
        expected = expected_seconds(target)
        if time.time() + expected > stop:
            print(f"{target.name}: passed over, {expected:.0f} s expected", flush=True)
            continue
        start, used = time.time(), time.process_time()
        try:
            labelled = single_point(target, COMPUTED / f"{target.name}.log")
        except Exception as error:  # Whatever one point fails by, the others are to go on.
            failed.write_text(f"{type(error).__name__}: {error}\n", encoding="utf-8")
            print(f"{target.name}: {type(error).__name__}: {error}", flush=True)
            continue
        part = COMPUTED / f"{target.name}.part"
        ase.io.write(part, labelled, format="extxyz")
        part.rename(COMPUTED / f"{target.name}.xyz")
        print(
            f"{target.name}: {time.time() - start:.0f} s, {time.process_time() - used:.0f} s of the "
            f"processor, {expected:.0f} s expected",
            flush=True,
        )
        computed += 1
        if computed == count:
            break
    return computed


def estimate(groups: Iterable[str], pattern: str) -> None:
    """Print what is missing and its expected time, in the order of computing."""
    total = 0.0
    for target in schedule(groups, pattern):
        seconds = expected_seconds(target)
        total += seconds
        print(f"{target.name}: {seconds:.0f} s, {total / 3600:.2f} h until then")


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

    A system of which a point is missing is left out, but those of the groups in `INDEPENDENT` stand for
    themselves. An ordering waits for its end members.
    """
    have, targets = labels(), points(group)
    absent = {each.atoms.info["system"] for each in targets if each.name not in have}
    if group == "solid_solutions":
        ends = {
            end for system in absent for end in system.split("-") if f"ordering-{end}" not in have
        }
        absent = {system for system in absent if ends & set(system.split("-"))}
    elif group in INDEPENDENT:
        absent = set()
    found = [
        labelled_point(each, have[each.name])
        for each in targets
        if each.name in have and each.atoms.info["system"] not in absent
    ]
    if found:
        write(file_of(group), found)
    print(f"{group}: {len(found)} of {len(targets)}")


def labelled_point(target: Point, result: Atoms) -> Atoms:
    """Description of a point with the geometry and the labels of its result."""
    changed = {name for name, value in conditions(target).items() if result.info[name] != value}
    if changed or not same_crystal(target.atoms, result):
        raise ValueError(
            f"{target.name} was computed otherwise; remove its file from {COMPUTED.name}/"
        )
    out = target.atoms.copy()
    out.cell, out.positions = result.cell, result.positions
    out.info |= conditions(target)
    out.info |= {name: value for name, value in result.info.items() if name.startswith("REF_")}
    out.info["REF_stress"] = np.ravel(out.info["REF_stress"])
    out.arrays["REF_forces"] = result.arrays["REF_forces"]
    return out


def same_crystal(first: Atoms, second: Atoms) -> bool:
    """Whether two structures have one lattice, and their atoms in one order at the same sites.

    The shortest vectors of a lattice come in another order or with other signs on another machine.
    """
    if first.numbers.tolist() != second.numbers.tolist():
        return False
    vectors = second.cell.array @ np.linalg.inv(first.cell.array)
    apart = (second.positions - first.positions) @ np.linalg.inv(first.cell.array)
    lattice = abs(abs(np.linalg.det(vectors)) - 1.0) < 1e-6
    return bool(lattice and all(np.abs(x - np.round(x)).max() < 1e-6 for x in (vectors, apart)))


def write(path: Path, labelled: list[Atoms]) -> None:
    """Write a file of labels, and its hash where the manifest beside it has one."""
    ase.io.write(path, labelled, format="extxyz")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = f"  {path.name}: "
    manifest = path.with_name("manifest.yaml")
    text = manifest.read_text(encoding="utf-8")
    text = re.sub(f"{re.escape(entry)}.*", f"{entry}{digest}", text)
    manifest.write_text(text, encoding="utf-8")


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("reproduce", help="compute stored frames again")
    runner = actions.add_parser("run", help="compute what is missing")
    runner.add_argument("--hours", type=float, default=10.0)
    runner.add_argument("--count", type=int, metavar="N", help="points at most")
    teller = actions.add_parser("estimate", help="say how long what is missing takes")
    names = ["frames", *GROUPS]
    for each in (runner, teller):
        each.add_argument("--only", default="*", metavar="PATTERN")
        each.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(names)}")
    actions.add_parser("collect", help="write what was computed into the files of labels")
    options = parser.parse_args()
    if options.action == "reproduce":
        reproduce()
    elif options.action == "collect":
        collect()
    else:
        if unknown := set(options.groups) - set(names):
            parser.error(f"no such group: {', '.join(unknown)}; there are {', '.join(names)}")
        if options.action == "estimate":
            estimate(options.groups, options.only)
        elif not run(
            time.time() + 3600 * options.hours, options.groups, options.only, options.count
        ):
            return 3  # Nothing was computed.
    return 0


if __name__ == "__main__":
    sys.exit(main())
