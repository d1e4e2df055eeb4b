"""Help: of every command, with examples that are command lines, and that do what they say."""

import shutil
import subprocess
import sys
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import Bohr, Hartree

from tests.conftest import LoadModel
from tests.support.commands import commands_of, examples_of
from tests.support.environments import built_by_hand
from tests.support.narrowing import some
from tests.support.report_runs import SOFT, STIFF, write, write_correction
from umlip_bench.cli import PROGRAM as BENCH
from umlip_bench.cli.declare import Command
from umlip_bench.cli.finetune import PROGRAM as FINETUNE
from umlip_bench.cli.options import options_of
from umlip_bench.cli.program import Program

PROGRAMS = {program.name: program for program in (BENCH, FINETUNE)}
COMMANDS = [command for program in PROGRAMS.values() for command in commands_of(program)]
OLD_RUN = Path(__file__).parents[1] / "data" / "version_0_1" / "run"
DFT_OUTPUT = Path(__file__).parents[1] / "finetune" / "data"

EXAMPLES = {
    " ".join(words): words
    for text in (
        *(command.examples for command in COMMANDS),
        *(program.examples for program in PROGRAMS.values()),
    )
    for words in examples_of(f"examples:\n{text}")
}

NEEDS = {
    "fetch": "the network",
    "build": "packages from an index",
    "sevennet": "an environment that was built",
    "mlearn": "published data",
    "label": "GPAW",
    "submit": "Slurm",
    "speed": "minutes, on an idle machine",
    "estimate": "a second potential's weights",
    "calibrate": "minutes, on an idle machine",
    "count": "models that run on torch",
    "full": "minutes of training",
    "migration": "minutes",
    "phonons": "minutes",
    "folder_of_vaspruns": "VASP",
    "vasprun.xml": "VASP",
    "suggested/vasp": "VASP",
    "umlip-bench report runs/first --figures figures": "to draw every chart: minutes",
    "--against": "a minute: states are sampled",
    "--open": "a browser",
    "umlip-bench doctor": "every model: a minute",
    "umlip-bench run --out runs/first": "every model on every suite: minutes",
}
"""What some examples need that a light test has not, by one of their words, or all."""
STANDS_FOR = {
    "chgnet-0.3.0": "ase:ase.calculators.emt:EMT",
    "my.model": "ase:ase.calculators.emt:EMT",
    "m3gnet-mp-2021.2.8": "ase:cheap_models:Softer",
    "chgnet-mine": "ase:cheap_models:Softer",
    "cuda": "cpu",
}
"""Words that are exchanged where models are run: weights would take seconds to load."""
WRITTEN = {"chgnet-0.3.0": SOFT, "m3gnet-mp-2021.2.8": STIFF}
"""Those that are exchanged where the results of models are read."""
BRIEF = {
    "suggest": [("--equilibration", "20"), ("--interval", "10"), ("--enough-atoms", "8")],
    "evaluate": [("--labels", "many.xyz"), ("--sizes", "1")],
    "ladder": [("--method", "scalar"), ("--method", "e0")],
}
"""Options that make an example short, where it does not have them."""

MODEL = """
CHECKPOINTS = {"large": "1.0"}


def setup(checkpoint, device="cpu"):
    from ase.calculators.lj import LennardJones
    return LennardJones(sigma=2.0, epsilon=float(CHECKPOINTS[checkpoint]), rc=6.0, smooth=True)
"""

SOFTER = """
from ase.calculators.emt import EMT

class Softer(EMT):
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        for name in ("energy", "free_energy", "forces", "stress"):
            self.results[name] = 0.8 * self.results[name]
"""


def labels(cell: Atoms, calculator: Calculator, n: int) -> list[Atoms]:
    """Distorted cells with what a calculator gives for them, a little stiffer."""
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(n):
        atoms = cell.copy()
        atoms.positions += rng.normal(0, 0.1, atoms.positions.shape)
        atoms.calc = calculator
        atoms.info = {"system": cell.symbols[0], "REF_energy": atoms.get_potential_energy()}
        atoms.info["REF_stress"] = 1.2 * atoms.get_stress(voigt=False)
        atoms.arrays["REF_forces"] = 1.2 * atoms.get_forces()
        atoms.calc = None
        frames.append(atoms)
    return frames


def other_forms(folder: Path, frames: list[Atoms]) -> None:
    """The same labels as GPUMD, n2p2 and ASE have them."""
    renamed, blocks = [], []
    with ase.db.connect(folder / "my.db") as database:
        for atoms in frames:
            energy, forces = atoms.info["REF_energy"], atoms.arrays["REF_forces"]
            stress = atoms.info["REF_stress"]
            other = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
            other.info = {"energy": energy, "virial": -atoms.get_volume() * stress}
            other.arrays["force"] = forces
            renamed.append(other)
            lines = [f"lattice {' '.join(map(str, row / Bohr))}" for row in atoms.cell.array]
            for position, force in zip(
                atoms.positions / Bohr, forces * Bohr / Hartree, strict=True
            ):
                numbers = " ".join(map(str, position)), " ".join(map(str, force))
                lines.append(f"atom {numbers[0]} Cu 0.0 0.0 {numbers[1]}")
            blocks.append("\n".join(["begin", *lines, f"energy {energy / Hartree}", "end"]))
            single = other.copy()
            single.calc = SinglePointCalculator(single, energy=energy, forces=forces, stress=stress)
            database.write(single)
    ase.io.write(folder / "train.xyz", renamed, format="extxyz")
    (folder / "input.data").write_text("\n".join(blocks) + "\n")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every file that the examples name."""
    folder = tmp_path_factory.mktemp("examples")
    copper = bulk("Cu", "fcc", a=3.6, cubic=True)
    many = labels(copper, EMT(), 4)
    for name, frames in {
        "my.xyz": many,
        "many.xyz": many,
        "one.xyz": many[:1],
        "md.xyz": many,
        "my_md.xyz": many,
    }.items():
        ase.io.write(folder / name, frames, format="extxyz")
    other_forms(folder, many)
    argon = bulk("Ar", "fcc", a=1.6, cubic=True)
    ase.io.write(folder / "ar.xyz", labels(argon, LennardJones(), 1), format="extxyz")
    copper.positions[0] += 0.1
    ase.io.write(folder / "structures.xyz", [copper, copper], format="extxyz")
    for name in ("Cu.cif", "my.cif"):
        ase.io.write(folder / name, bulk("Cu", "fcc", a=3.6))
    ase.io.write(folder / "POSCAR", bulk("Cu", "fcc", a=3.6))
    (folder / "cheap_models.py").write_text(SOFTER)
    run = write(folder / "runs" / "first", hostile=False)
    for name in ("second", "before", "after", "corrected"):
        shutil.copytree(folder / "runs" / "first", folder / "runs" / name)
    shutil.copytree(OLD_RUN, folder / "runs" / "old")
    write_correction(folder / "corrected" / "chgnet", run, 1.1)
    for k in range(2):
        (folder / f"frame-{k}").mkdir()
        shutil.copy(DFT_OUTPUT / "si_pw.out", folder / f"frame-{k}" / "pw.out")
    (folder / "suggested").mkdir()
    shutil.copy(DFT_OUTPUT / "si_frames.xyz", folder / "suggested" / "frames.xyz")
    return folder


@pytest.fixture
def here(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, to be in."""
    shutil.copytree(prepared, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.syspath_prepend(tmp_path / "here")
    # Whatever published data there is on this machine would take minutes to verify.
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("UMLIP_BENCH_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("UMLIP_BENCH_CACHE", str(tmp_path / "none"))
    monkeypatch.setenv("UMLIP_BENCH_ENVIRONMENTS", str(tmp_path / "environments"))
    built_by_hand(tmp_path / "here" / "my_model.py", MODEL)
    return tmp_path / "here"


def shown(arguments: list[str], capsys: pytest.CaptureFixture[str], program: Program) -> str:
    assert program.main([*arguments, "--help"]) == 0
    return capsys.readouterr().out


@pytest.mark.seconds
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_help_has_an_example_and_what_every_command_has(
    command: type[Command], capsys: pytest.CaptureFixture[str]
) -> None:
    program, *words = command.name.split()
    help_text = shown(words, capsys, PROGRAMS[program])
    assert any(" ".join(words) in " ".join(e) for e in examples_of(help_text))
    assert "--config" in help_text
    assert "-v" in help_text
    first = (command.__doc__ or "").split("\n")[0].split(".")[0]
    assert first in " ".join(help_text.split())


@pytest.mark.seconds
def test_examples_are_not_broken_into_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However narrow the terminal: they are to be copied."""
    monkeypatch.setenv("COLUMNS", "50")
    for program in PROGRAMS.values():
        for command in commands_of(program):
            narrow = shown(command.name.split()[1:], capsys, program)
            assert narrow.rstrip().endswith(command.examples.rstrip())


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_alone_shows_its_help(
    program: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main([]) == 0
    alone = capsys.readouterr().out
    assert alone == shown([], capsys, program)
    words = " ".join(alone.replace("│", " ").split())
    for name, line in program.commands.items():
        assert f"{name} {line}" in words


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["modles"], "there is no command 'modles'; there are run, submit, status, suites, relax"),
        (["data", "shwo"], "there is no command 'shwo' of umlip-bench data; there are list, show"),
        (["models", "show", "a", "b"], "'b' is more than umlip-bench models show takes"),
        (["card", "--modle", "x"], "--modle. Did you mean --model? See umlip-bench card --help."),
        (["card"], "RUN requires an argument"),
        (["speed", "--model", "x", "--structures", "3"], "--structures is now --n-structures"),
    ],
)
def test_what_is_wrong_with_a_command_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert BENCH.main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("umlip-bench: ")
    assert said in shown.err
    assert shown.out == ""


def test_every_old_name_has_a_new_one() -> None:
    for command in COMMANDS:
        there = {f"--{name}" for name in options_of(command)}
        for old, new in command.renamed.items():
            assert old not in there
            assert new.replace("--no-", "--") in there


@pytest.mark.parametrize("place", [0, 1, 2])
def test_verbose_works_anywhere(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr("umlip_bench.cli.program._log_to_stderr", asked.append)
    monkeypatch.setattr("umlip_bench.cli.models.ModelsShowCommand.run", lambda self: 0)
    words = ["models", "show", "x"]
    for flag in ("-v", "--verbose"):
        assert BENCH.main([*words[:place], flag, *words[place:]]) == 0
    assert BENCH.main(words) == 0
    assert asked == [True, True, False]


@pytest.mark.seconds
@pytest.mark.parametrize("arguments", [["--help"], ["models"], ["models", "--json"]])
def test_a_reader_that_has_seen_enough(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "umlip_bench", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        some(process.stdout).close()
        assert some(process.stderr).read() == b""
    assert process.returncode == 0


@pytest.mark.seconds
@pytest.mark.parametrize("words", EXAMPLES.values(), ids=EXAMPLES)
def test_every_example_is_a_command_line(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its options are there, and its values of their kind."""
    made = []

    def run(command: Command) -> int:
        made.append(command)
        return 0

    for kind in COMMANDS:
        monkeypatch.setattr(kind, "run", run)
    monkeypatch.setattr("umlip_bench.ground.codec.read_yaml", lambda path: {})
    program, *arguments = words
    assert PROGRAMS[program].main(arguments) == 0, capsys.readouterr().err
    (command,) = made
    assert isinstance(command, Command)
    assert " ".join(words).startswith(command.name)


def reason_not_to(example: str, words: list[str]) -> str | None:
    return next((why for word, why in NEEDS.items() if word in words or word == example), None)


RUN = {
    example: words for example, words in EXAMPLES.items() if reason_not_to(example, words) is None
}


BENCH_RUN = {text: words for text, words in RUN.items() if words[0] == BENCH.name}
FINETUNE_RUN = {text: words for text, words in RUN.items() if words[0] == FINETUNE.name}


@pytest.mark.seconds
@pytest.mark.parametrize("words", BENCH_RUN.values(), ids=BENCH_RUN)
def test_examples_do_what_they_say(
    words: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, name, *arguments = words
    stands_for = STANDS_FOR if name in {"run", "relax"} else WRITTEN
    if name == "doctor":
        # EMT's forces jump at its cutoff, and doctor says so.
        stands_for = {"chgnet-0.3.0": "ase:ase.calculators.lj:LennardJones"}
    arguments = [stands_for.get(word, word) for word in arguments]
    if name == "compare":
        arguments = [
            word.replace("chgnet-0.3.0", SOFT).replace("chgnet-si", STIFF) for word in arguments
        ]
    if name == "run":
        shutil.rmtree(arguments[arguments.index("--out") + 1], ignore_errors=True)
    if "--config" in arguments:
        first = ["run", "high-energy", "--model", STANDS_FOR["my.model"], "--data", "my.xyz"]
        assert BENCH.main([*first, "--device", "cpu", "--out", "runs/two"]) == 0
    if arguments[:1] == ["export"]:
        Path(arguments[2]).unlink(missing_ok=True)
    # A shell would have put the files there.
    arguments = [found for word in arguments for found in globbed(word)]
    assert BENCH.main([name, *arguments]) == 0, capsys.readouterr().err
    if "--out" in arguments:
        assert Path(arguments[arguments.index("--out") + 1]).exists()


@pytest.mark.model
@pytest.mark.parametrize("words", FINETUNE_RUN.values(), ids=FINETUNE_RUN)
def test_examples_of_corrections_do_what_they_say(
    words: list[str], here: Path, capsys: pytest.CaptureFixture[str], load_model: LoadModel
) -> None:
    _, name, *arguments = words
    if "chgnet-0.3.0" in words:
        load_model("chgnet-0.3.0")
    stands_for = {"m3gnet-mp-2021.2.8": STANDS_FOR["my.model"], "pbe-mini": "many.xyz"}
    arguments = [stands_for.get(word, word) for word in arguments]
    # Nothing is sampled where the states are given.
    brief = [] if "--pool" in words else BRIEF.get(name, [])
    for option, value in brief:
        if option == "--method" or option not in arguments:
            arguments += [option, value]
    if "--out" in arguments:
        shutil.rmtree(arguments[arguments.index("--out") + 1], ignore_errors=True)
    if "--pseudo-dir" in arguments:
        Path("sssp").mkdir()
        Path("sssp/Cu.upf").write_text("")
        arguments[arguments.index("--pseudo-dir") + 1] = "sssp"
    assert FINETUNE.main([name, *arguments]) == 0, capsys.readouterr().err
    if "--out" in arguments:
        assert Path(arguments[arguments.index("--out") + 1]).exists()


def globbed(word: str) -> list[str]:
    return sorted(map(str, Path().glob(word))) if word.startswith("*") else [word]


def test_every_command_has_an_example_that_is_run_or_a_reason() -> None:
    run = {" ".join(words) for words in RUN.values()}
    for command in COMMANDS:
        own = [" ".join(words) for words in examples_of(f"examples:\n{command.examples}")]
        if not any(example in run for example in own):
            assert command.name in {
                "umlip-bench models fetch",
                "umlip-bench data fetch",
                "umlip-bench env build",
                "umlip-bench submit",
                "umlip-bench speed",
                "umlip-bench calibrate",
                "umlip-bench count",
                "umlip-finetune curve",
                "umlip-finetune estimate",
                "umlip-finetune label",
                "umlip-finetune speed",
            }
