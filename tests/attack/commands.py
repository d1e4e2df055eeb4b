"""Every command that writes: how it is given, and the name of what it writes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import ase.io
from ase.build import bulk
from ase.calculators.emt import EMT

from tests.attack.shell import Shell

EMT_MODEL = "ase:ase.calculators.emt:EMT"
FRAMES, ONE, RUN, OTHER, CURVES = "frames.xyz", "one.xyz", "RUN", "OTHER", "CURVES"
OLD = str(Path(__file__).parents[1] / "data" / "version_0_1" / "run")
SHORT = (
    *("-n", "2", "--codes", "vasp,gpaw", "--runs", "1", "--states-per-run", "3", "--interval", "5"),
    *("--equilibration", "5", "--relax-steps", "3", "--enough-atoms", "1", "--enough-length", "0"),
)
COMPUTE = ("--device", "cpu", "--dtype", "float64")
MODEL = ("--model", EMT_MODEL, *COMPUTE)
COPPER = ("--labels", FRAMES, "--material", "Cu")
STATED = ("--functional", "PBE", "--licence", "CC0-1.0", "--settings", "EMT", "--citation", "None")
E0 = ("--method", "e0")
MINE = ("--method", "mine")
"""Of the package that the fixture `mine` installs: it is fitted in no time, and changes forces."""


@dataclass(frozen=True)
class Writing:
    """A command, up to the option or place of its output.

    Parameters
    ----------
    arguments
        Words; the first is ``umlip-finetune`` for that program.
    out
        Name of what it writes.
    makes_folders
        Whether it makes the folders above.
    soon
        Whether it is quick enough for ``make test``.
    """

    arguments: tuple[str, ...]
    out: str
    makes_folders: bool = False
    soon: bool = False

    def words(self, out: object) -> tuple[str, ...]:
        """The command line for an output of another name."""
        return (*self.arguments, str(out))


WRITING = {
    "run": Writing(("run", "high-energy", *MODEL, "--data", FRAMES, "--out"), "o", True),
    "relax": Writing(("relax", FRAMES, *MODEL, "--steps", "20", "--out"), "o.xyz"),
    "data export": Writing(("data", "export", "pbe-mini", "--material", "Si"), "o.xyz", soon=True),
    "report": Writing(("report", RUN, "--out"), "o.html"),
    "card": Writing(("card", RUN, "--model", EMT_MODEL, "--out"), "o.md"),
    "compare": Writing(("compare", RUN, OTHER, "--out"), "o.csv"),
    "leaderboard": Writing(("leaderboard", RUN, "--out"), "o", True),
    "export": Writing(("export", RUN, "--out"), "o", True),
    "fit": Writing(("umlip-finetune", "fit", *MODEL, "--labels", FRAMES, *E0, "--out"), "o", True),
    "evaluate": Writing(
        ("umlip-finetune", "evaluate", *MODEL, *COPPER, *MINE, "--sizes", "1", "--out"), "o.json"
    ),
    "curve": Writing(
        ("umlip-finetune", "curve", *MODEL, *COPPER, *E0, "--sizes", "1,2", "--out"), "o", True
    ),
    "race": Writing(
        (
            *("umlip-finetune", "race", *MODEL, *COPPER, *MINE, "--sizes", "1,2"),
            *("--choices", "1", "--out"),
        ),
        "o",
        True,
    ),
    "ladder": Writing(
        ("umlip-finetune", "ladder", *MODEL, "--labels", FRAMES, *E0, "--out"),
        "o.json",
    ),
    "collect": Writing(("umlip-finetune", "collect", FRAMES, "--out"), "o.xyz"),
    "label": Writing(
        (
            *("umlip-finetune", "label", FRAMES, "--engine", "model", "--teacher", EMT_MODEL),
            *(*COMPUTE, "--out"),
        ),
        "o.xyz",
    ),
    "suggest": Writing(
        ("umlip-finetune", "suggest", "--structure", ONE, *MODEL, *SHORT, "--out"), "o", True
    ),
    "data import": Writing(("data", "import", FRAMES, "--out"), "o.xyz", soon=True),
    "data publish": Writing(("data", "publish", FRAMES, *STATED, "--out"), "o", True),
    "pictures": Writing(("pictures", CURVES, "--out"), "o", True),
    "suites": Writing(("suites", "--out"), "o.md", soon=True),
    "convert": Writing(("convert", OLD, "--out"), "o", True),
}
GIVEN = (FRAMES, ONE, RUN, OTHER, CURVES)


def inputs(folder: Path, command: Writing) -> None:
    """Frames of copper and nickel whose labels are a quarter steeper than EMT, one of them, and run folders.

    Those that a command needs, unless they are there.
    """
    if FRAMES in command.arguments and not (folder / FRAMES).exists():
        write_frames(folder / FRAMES)
    if RUN in command.arguments and not (folder / RUN).exists():
        inputs(folder, WRITING["run"])
        ended = Shell(folder).run(*WRITING["run"].words(RUN))
        assert ended.status == 0, ended.err
        shutil.copytree(folder / RUN, folder / OTHER)
    if ONE in command.arguments and not (folder / ONE).exists():
        write_frames(folder / ONE, 1)
    if CURVES in command.arguments and not (folder / CURVES).exists():
        write_frames(folder / ONE, 1)
        words = ("run", "eos", "--structure", ONE, *MODEL, "--out", CURVES)
        ended = Shell(folder).run(*words)
        assert ended.status == 0, ended.err


def write_frames(path: Path, n: int = 8) -> None:
    """The frames."""
    frames = []
    for k in range(n):
        element = ("Cu", "Ni")[k % 2]
        atoms = bulk(element) * (2, 2, 1)
        atoms.rattle(0.08, seed=k)
        atoms.calc = EMT()
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = None
        atoms.info = {"system": element, "REF_energy": 1.25 * energy}
        atoms.arrays["REF_forces"] = 1.25 * forces
        frames.append(atoms)
    ase.io.write(path, frames, format="extxyz")


def clean(folder: Path) -> None:
    """Leave nothing but the inputs."""
    for path in folder.iterdir():
        if path.name not in GIVEN:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
