"""Pages of the doors for one's own data and models: their commands and snippets run as written, in order.

Each page is run in an empty folder with the files that it says the reader has; blocks of a page share one
Python session. What stands for something that a test machine has not is listed here, with the reason.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT

from umlip_bench.cli import PROGRAM
from umlip_bench.cli.finetune import PROGRAM as FINETUNE

HOWTO = Path(__file__).parents[1] / "docs" / "howto"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAMS = {"umlip-bench": PROGRAM, "umlip-finetune": FINETUNE}

OTHERS = {
    "cluster.md": "schedulers; its commands are examples of help",
    "committee.md": "trains several models: minutes",
    "compare.md": "its runs are those of other pages; its commands are examples of help",
    "data.md": "the network",
    "environments.md": "packages from an index",
    "labels.md": "DFT codes",
    "leaderboard.md": "examples of help",
    "models.md": "the network",
    "no-label.md": "examples of help, on the embedded set",
    "one-label.md": "examples of help, on the embedded set",
    "publish.md": "examples of help",
    "report.md": "examples of help",
    "speed.md": "an idle machine",
    "train.md": "minutes of training",
}
"""Pages that are not run here, and what they need; their commands are parsed, and those of help run."""
STANDS_FOR = {"mace-mp-0-medium": "m3gnet-mp-2021.2.8"}
"""Weights that a test machine may not have, and those that it has."""
LEFT_OUT = {"sevenn.calculator": "SevenNet, which is not installed"}
"""Commands with this in them are not run, and why."""
HAS_SOMETHING_TO_SAY = ("data check",)
"""Commands whose exit status of 1 is a finding."""


def labelled(atoms: Atoms, seed: int) -> Atoms:
    atoms = atoms.copy()
    atoms.rattle(0.05, seed=seed)
    atoms.calc = EMT()
    atoms.get_forces(), atoms.get_stress()
    return atoms


def standard(atoms: Atoms) -> Atoms:
    out = atoms.copy()
    out.info = {
        "system": "Al",
        "REF_energy": atoms.get_potential_energy(),
        "REF_stress": atoms.get_stress(voigt=False),
    }
    out.arrays["REF_forces"] = atoms.get_forces()
    return out


def frames() -> list[Atoms]:
    return [labelled(bulk("Al", cubic=True), seed) for seed in range(3)]


def own_data() -> dict[str, object]:
    ase.io.write("my.xyz", [standard(each) for each in frames()], format="extxyz")
    bulk("Al").write("my.cif")
    atoms = frames()[0]
    return {
        "ase": ase,
        "atoms": atoms,
        "energy": atoms.get_potential_energy(),
        "stress": atoms.get_stress(voigt=False),
        "forces": atoms.get_forces(),
        "frames": [standard(each) for each in frames()],
    }


def forms() -> dict[str, object]:
    """Under names of ASE's, and under those with a prefix."""
    with ase.db.connect("my.db") as database:
        for atoms in frames():
            database.write(atoms)
    renamed = []
    for atoms in frames():
        out = atoms.copy()
        out.info["DFT_energy"] = atoms.get_potential_energy()
        out.arrays["DFT_forces"] = atoms.get_forces()
        renamed.append(out)
    ase.io.write("my.xyz", renamed, format="extxyz")
    return {}


def roles() -> dict[str, object]:
    slab = bulk("MgO", "rocksalt", a=4.25, cubic=True).repeat((1, 1, 2))
    slab.center(vacuum=6.0, axis=2)
    bulk("Cu").write("Cu.cif")
    return {"ase": ase, "bulk": bulk("MgO", "rocksalt", a=4.25, cubic=True), "slab": slab}


def calculator() -> dict[str, object]:
    bulk("Ar", "fcc", a=5.3).write("Ar.cif")
    Path("argon.pt").write_text("test")
    return {}


def scripts() -> dict[str, object]:
    ase.io.write("structures.xyz", [bulk("Cu"), bulk("Al")], format="extxyz")
    Path("more").mkdir()
    bulk("Si").write("more/Si.cif")
    slab = fcc111("Cu", (1, 1, 3), vacuum=8.0)
    slab.pbc = True
    area = float(np.linalg.norm(np.cross(*slab.cell[:2])))
    return {
        "structures": [bulk("Cu"), bulk("Al")],
        "cases": {"Cu": (bulk("Cu"), slab, area)},
    }


def notebook() -> dict[str, object]:
    return {}


PAGES: Mapping[str, Callable[[], dict[str, object]]] = {
    "own-data.md": own_data,
    "forms.md": forms,
    "roles.md": roles,
    "calculator.md": calculator,
    "scripts.md": scripts,
    "notebook.md": notebook,
}
"""With what makes the files that the reader has, and gives the names that snippets take."""
FILES = {
    ("own-data.md", "yaml"): "my.manifest.yaml",
    ("roles.md", "csv"): "values.csv",
    ("roles.md", "yaml"): "surfaces.manifest.yaml",
    ("calculator.md", "yaml"): "argon.yaml",
}
"""Blocks that are the content of a file, by page and language."""
MODULES = {"calculator.md": ("mycalc.py", "def make(")}
"""Blocks of Python that are a file, with what is in them."""


def commands(block: str) -> Iterator[list[str]]:
    for line in re.sub(r"\n {4}(?=--)", " ", block).splitlines():
        if line.split(" ")[0] in PROGRAMS and not any(word in line for word in LEFT_OUT):
            words = shlex.split(line, comments=True)
            yield [STANDS_FOR.get(word, word) for word in words]


def run_command(words: list[str]) -> None:
    program, *arguments = words
    allowed = (0, 1) if " ".join(arguments).startswith(HAS_SOMETHING_TO_SAY) else (0,)
    assert PROGRAMS[program].main(arguments) in allowed, shlex.join(words)


def run_page(name: str, session: dict[str, object]) -> int:
    """Run all blocks of a page; how many commands and snippets that were."""
    module, marker = MODULES.get(name, ("", "\0"))
    count = 0
    for language, block in BLOCK.findall((HOWTO / name).read_text()):
        if language == "python" and marker not in block:
            exec(compile(block, name, "exec"), session)
            count += 1
        elif language == "python":
            Path(module).write_text(block)
        elif (name, language) in FILES:
            Path(FILES[name, language]).write_text(block)
        else:
            assert language in ("", "bash"), f"{name}: what is a block of {language}?"
            for words in commands(block):
                run_command(words)
                count += 1
    return count


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_page_runs_from_top_to_bottom(
    name: str, small_mace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("my.model").write_bytes(small_mace.read_bytes())
    assert run_page(name, PAGES[name]()) > 0


def test_every_page_is_run_or_says_why_not() -> None:
    assert {path.name for path in HOWTO.glob("*.md")} == {*PAGES, *OTHERS}
