"""Environment files for tests, which run in this very Python; they are built without installing anything."""

import sys
from importlib.metadata import version
from pathlib import Path
from textwrap import dedent

from umlip_bench.environments.environment import Environment
from umlip_bench.environments.record import Record, environment_of, write_record
from umlip_bench.environments.registry import located

HEADER = """\
# /// script
# dependencies = ["ase"]
# ///
"""

CALCULATORS = '''
import time, os, sys, signal
import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

CHECKPOINTS = {
    "emt": "EMT", "lj": "LennardJones", "slow": "LennardJones", "single": "", "prints": "", "exits": "",
    "hangs-on-gold": "", "dies-on-gold": "", "raises-on-gold": "", "memory-on-gold": "",
    "shapes": "", "pressure": "", "nothing": "", "children": "",
}
ELEMENTS = {"emt": ("Al", "Cu", "Ag", "Au", "Ni", "Pd", "Pt", "H", "C", "N", "O")}


def lennard_jones():
    return LennardJones(sigma=2.0, epsilon=0.1, rc=6.0, smooth=True)


class WithGold(LennardJones):
    """Lennard-Jones, to which something happens when it meets gold."""

    def __init__(self, happens):
        super().__init__(sigma=2.0, epsilon=0.1, rc=6.0, smooth=True)
        self.happens = happens

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        if "Au" in atoms.symbols:
            self.happens()
        super().calculate(atoms, properties, system_changes)


class Slow(LennardJones):
    def calculate(self, *args, **options):
        time.sleep(0.05)
        super().calculate(*args, **options)


class Single(LennardJones):
    sign = 1

    def calculate(self, *args, **options):
        super().calculate(*args, **options)
        self.results["forces"] = self.results["forces"].astype(np.float32)
        self.results["stress"] = self.sign * self.results["stress"]


class WrongShapes(Calculator):
    implemented_properties = ["energy", "forces"]

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        self.results = {"energy": 0.0, "forces": np.zeros((len(atoms) + 1, 3))}


def fail(error):
    raise error


def setup(checkpoint, device="cpu"):
    if checkpoint == "emt":
        return EMT()
    if checkpoint == "prints":
        print("a banner on stdout" * 1000)
        os.write(1, b"and past Python's own file")
        os.system("echo and from a child; cat")
        return WithGold(lambda: print("more"))
    if checkpoint == "hangs-on-gold":
        return WithGold(lambda: time.sleep(3600))
    if checkpoint == "dies-on-gold":
        return WithGold(lambda: os.kill(os.getpid(), signal.SIGKILL))
    if checkpoint == "raises-on-gold":
        return WithGold(lambda: fail(ZeroDivisionError("gold is too dear")))
    if checkpoint == "memory-on-gold":
        return WithGold(lambda: fail(MemoryError("no room for gold")))
    if checkpoint == "shapes":
        return WrongShapes()
    if checkpoint == "pressure":
        Single.sign = -1
    if checkpoint in ("single", "pressure"):
        return Single(sigma=2.0, epsilon=0.1, rc=6.0, smooth=True)
    if checkpoint == "slow":
        return Slow(sigma=2.0, epsilon=0.1, rc=6.0, smooth=True)
    if checkpoint == "nothing":
        return object()
    if checkpoint == "exits":
        print("goodbye", file=sys.stderr)
        sys.exit(3)
    if checkpoint == "children":
        import subprocess
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        print("child", child.pid, file=sys.stderr)
    return lennard_jones()
'''

BATCHES = """
import sys, types
import numpy as np

CHECKPOINTS = {"right": "", "nan": "", "off": "", "raises-on-gold": "", "no-stress": ""}


class State:
    def __init__(self, structures):
        self.structures = structures


def atoms_to_state(structures, device, dtype):
    assert str(device) == "cpu" and dtype in ("float32", "float64")
    return State(structures)


# As much of torch-sim's names as there is to a model.
torch_sim = types.ModuleType("torch_sim")
torch_sim.io = types.ModuleType("torch_sim.io")
torch_sim.io.atoms_to_state = atoms_to_state
sys.modules["torch_sim"], sys.modules["torch_sim.io"] = torch_sim, torch_sim.io


def reference(checkpoint, device="cpu"):
    from ase.calculators.lj import LennardJones
    return LennardJones(sigma=2.0, epsilon=0.1, rc=6.0, smooth=True)


class Model:
    device, compute_stress = "cpu", True

    def __init__(self, kind, dtype):
        self.kind, self.dtype = kind, dtype
        self.calls = 0

    def __call__(self, state):
        results = []
        for atoms in state.structures:
            if self.kind == "raises-on-gold" and "Au" in atoms.symbols:
                raise ZeroDivisionError("gold is too dear")
            atoms.calc = reference("")
            stress = atoms.get_stress(voigt=False)
            results.append((atoms.get_potential_energy(), atoms.get_forces(), stress))
        energy, forces, stress = zip(*results)
        energy, forces, stress = np.array(energy), np.concatenate(forces), np.array(stress)
        if len(results) > 1 and self.kind == "nan":
            forces[-1] = np.nan
        if len(results) > 1 and self.kind == "off":
            forces[-1] += 0.25
        output = {"energy": energy, "forces": forces.astype(self.dtype), "stress": stress}
        if self.kind == "no-stress":
            del output["stress"]
        return output


def setup(checkpoint, device="cpu", dtype="float32"):
    return Model(checkpoint, dtype)
"""


def built_by_hand(file: Path, content: str) -> Environment:
    """Write an environment file, and say that it is built into this Python.

    ``UMLIP_BENCH_ENVIRONMENTS`` has to name a folder of the test's.
    """
    file.write_text(HEADER + dedent(content))
    read, place = located(str(file))
    place.folder.mkdir(parents=True, exist_ok=True)
    if not place.venv.exists():
        place.venv.symlink_to(sys.prefix)
    place.lock.write_text(f"ase=={version('ase')}\n")
    record = Record(read.name, str(file), read.needs, sys.version.split()[0], "by hand", 0)
    write_record(place, record)
    return environment_of(read, place, record)
