"""What a page says its reader has: files in the current folder, and names for its snippets."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import ase.db
import ase.io
import numpy as np
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT

from tests.support.forms import mptrj
from tests.support.narrowing import as_a
from umlip_bench import datasets
from umlip_bench.cli import PROGRAM
from umlip_bench.cli.finetune import PROGRAM as FINETUNE
from umlip_bench.datasets.cases import MigrationCase

FIRST = "chgnet-0.3.0", "m3gnet-mp-2021.2.8"


def make_runs(folder: Path) -> None:
    """Run folders that pages start from, and a corrected model."""
    two = [word for name in FIRST for word in ("--model", name)]
    first = [
        "high-energy",
        "surfaces",
        "phonons",
        "--mode",
        "quick",
        *two,
        "--out",
        str(folder / "runs/first"),
    ]
    assert PROGRAM.main(["run", *first]) == 0
    labels = folder / "si.xyz"
    assert PROGRAM.main(["data", "export", "pbe-mini", str(labels), "--material", "Si"]) == 0
    fit = ["--model", FIRST[0], "--labels", str(labels), "--out", str(folder / "chgnet-si")]
    assert FINETUNE.main(["fit", *fit]) == 0
    quick = ["high-energy", "--mode", "quick", "--out"]
    for name, models in (("second", FIRST[:1]), ("fitted", [str(folder / "chgnet-si")])):
        of = [word for model in models for word in ("--model", model)]
        assert PROGRAM.main(["run", *quick, str(folder / "runs" / name), *of]) == 0


def runs(made: Path) -> dict[str, object]:
    """Of :func:`make_runs`, by the names that pages use."""
    shutil.copytree(made / "runs", "runs")
    shutil.copytree(made / "chgnet-si", "chgnet-si")
    for name, of in (("bench", "first"), ("before", "second"), ("after", "first")):
        shutil.copytree(made / "runs" / of, Path("runs") / name)
    return {}


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


def nothing() -> dict[str, object]:
    return {}


def many(path: str, count: int, first: int = 0) -> None:
    """States of two-atom silicon with labels of a stand-in for DFT, a stiffer model."""
    states = []
    for seed in range(first, first + count):
        atoms = bulk("Si")
        atoms.rattle(0.05, seed=seed)
        states.append(atoms)
    ase.io.write("sampled.xyz", states, format="extxyz")
    teacher = ["--engine", "model", "--teacher", FIRST[1], "sampled.xyz", "--out", path]
    assert FINETUNE.main(["label", *teacher]) == 0


def committee() -> dict[str, object]:
    many("many.xyz", 11)
    return {"atoms": bulk("Si")}


def labels() -> dict[str, object]:
    """States of silicon as a trajectory, and labels of DFT's in place of GPAW's."""
    states = []
    for seed in range(4):
        atoms = bulk("Si", cubic=True)
        atoms.rattle(0.08, seed=seed)
        states.append(atoms)
    ase.io.write("my_md.xyz", states, format="extxyz")
    assert (
        PROGRAM.main(
            ["data", "export", "pbe-mini", "labels.xyz", "--material", "Si", "--frame", "0"]
        )
        == 0
    )
    return {}


def no_label() -> dict[str, object]:
    """States of one's own dynamics, whose labels are not read."""
    assert PROGRAM.main(["data", "export", "pbe-mini", "md.xyz", "--material", "SiC"]) == 0
    return {}


def train() -> dict[str, object]:
    for path, first, count in (("one.xyz", 0, 1), ("more.xyz", 1, 3), ("many.xyz", 4, 11)):
        many(path, count, first)
    assert PROGRAM.main(["data", "export", "pbe-mini", "states.xyz", "--material", "MgO"]) == 0
    shutil.copytree(
        Path(os.environ["UMLIP_BENCH_DATA"]) / "phonopy-examples/MgO", "my_phonopy_folder"
    )
    return {"structures": [bulk("Si")]}


def models(mace: Path) -> dict[str, object]:
    Path("models").mkdir()
    Path("models/run7.model").write_bytes(mace.read_bytes())
    return {}


def publish() -> dict[str, object]:
    own_data()
    # MPtrj's own form.
    mptrj(Path(), list(datasets.load("my.xyz").frames)).rename("training.json")
    return {}


def curvature() -> dict[str, object]:
    bulk("MgO", "rocksalt", a=4.25).write("my.cif")
    shutil.copytree(Path(os.environ["UMLIP_BENCH_DATA"]) / "phonopy-examples/MgO", "my_phonons")
    return {}


def bonds() -> dict[str, object]:
    bulk("Cu").write("Cu.cif")
    return {}


def migration() -> dict[str, object]:
    """A hop of the embedded set as one's own path; a small crystal in place of LiFePO4."""
    path = as_a(MigrationCase, datasets.load("pbe-mini").of_task("migration")[0])
    images = [image.copy() for image in path.images]
    bulk("LiF", "rocksalt", a=4.05, cubic=True).write("LiFePO4.cif")
    return {"images": images, "energies": list(path.energies), "ase": ase}


def cluster() -> dict[str, object]:
    """A folder that all machines see."""
    Path("shared").mkdir()
    return {}


def first_hour() -> dict[str, object]:
    bulk("MgO", "rocksalt", a=4.25).write("my.cif")
    return {}
