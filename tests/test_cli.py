"""The command line as a user meets it: real processes, their exit status, stdout and stderr."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms

from tests.support import processes
from umlip_bench import datasets
from umlip_bench.cli import COMMANDS
from umlip_bench.datasets.frame import Frame
from umlip_bench.potentials.catalogue import catalogue

Cli = Callable[..., CompletedProcess[str]]

METRICS = {
    "slope_median": "",
    "slope_pooled": "",
    "inverse_median": "",
    "r2_median": "",
    "r2_pooled": "",
    "mae": "eV/Å",
    "cmae_rotate": "eV/Å",
    "cmae_mse": "eV/Å",
    "share_softened": "",
    "share_inverse_above_one": "",
    "energy_slope_median": "",
    "stress_slope_median": "",
    "stress_mae": "eV/Å^3",
}
ROW = [
    *("model", "data", "suite", "variant", "metric", "value", "unit"),
    *("ci_low", "ci_high", "n_cases", "n_failed", "amplitude", "n_below", "n_above"),
    "n_systems",
]
CHGNET = "chgnet-0.3.0"
LJ = "ase:ase.calculators.lj:LennardJones"


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """Run the command with weights of installed packages only."""
    cache = tmp_path_factory.mktemp("cache")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("UMLIP_BENCH_")}
    environment |= {"UMLIP_BENCH_CACHE": str(cache), "COLUMNS": "160"}

    def run(*arguments: object) -> CompletedProcess[str]:
        done = processes.run(*arguments, environment=environment)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


def refused(done: CompletedProcess[str]) -> str:
    """The message of a command that refused its input."""
    assert done.returncode == 2
    assert done.stdout == ""
    return done.stderr


# ---- help


@pytest.mark.parametrize(("given", "found"), [(None, "passive"), ("active", "active")])
def test_threads_sleep_while_they_wait(given: str | None, found: str) -> None:
    """Said before torch is imported, which is when OpenMP reads it; what a user has said stays."""
    code = (
        "import os, sys; from umlip_bench.cli import main; main(['--help']); assert 'torch' not in "
        "sys.modules; print(os.environ['OMP_WAIT_POLICY'], file=sys.stderr)"
    )
    own = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    if given is not None:
        own["OMP_WAIT_POLICY"] = given
    done = subprocess.run([sys.executable, "-c", code], env=own, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, f"{found}\n")


def test_help_imports_nothing_slow() -> None:
    code = """
import sys
from umlip_bench.cli import main
assert main(["--help"]) == 0
slow = {"torch", "ase", "numpy", "scipy", "pymatgen", "mace", "chgnet", "matgl", "yaml"}
sys.exit(", ".join(slow & set(sys.modules)) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stderr.strip(), done.returncode) == ("", 0)
    assert "Measure how soft" in done.stdout


@pytest.mark.seconds
@pytest.mark.parametrize(
    "command", [[], *([name] for name in COMMANDS), ["models", "show"], ["models", "fetch"]]
)
def test_every_help_has_an_example(cli: Cli, command: list[str]) -> None:
    done = cli(*command, "--help")
    assert done.returncode == 0
    examples = done.stdout.split("examples:")[1]
    assert " ".join(["umlip-bench", *command]) in examples


def test_the_installed_script() -> None:
    script = Path(sys.executable).parent / "umlip-bench"
    if not script.exists():
        pytest.skip("the package is importable, but its script is not installed")
    done = subprocess.run([script, "--version"], capture_output=True, text=True)
    assert done.stdout.startswith("umlip-bench 0.")


# ---- input that a user can mend


@pytest.mark.seconds
def test_unknown_model(cli: Cli, tmp_path: Path) -> None:
    message = refused(cli("run", "--model", "chgnet-0.3.1", "--out", tmp_path / "run"))
    assert "No model is named 'chgnet-0.3.1'" in message
    assert "Nearest names: chgnet-0.3.0" in message
    assert not (tmp_path / "run").exists()


@pytest.mark.seconds
def test_a_bare_name_is_not_a_model(cli: Cli, tmp_path: Path) -> None:
    message = refused(cli("run", "--model", "chgnet", "--out", tmp_path / "run"))
    assert "chgnet-0.3.0" in message
    assert "chgnet-0.2.0" in message


@pytest.mark.seconds
def test_a_weights_file_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    message = refused(cli("run", "--model", tmp_path / "x.model", "--out", tmp_path / "run"))
    assert str(tmp_path / "x.model") in message
    assert "nor an existing file" in message


@pytest.mark.seconds
def test_unknown_suite(cli: Cli, tmp_path: Path) -> None:
    message = refused(cli("run", "low-energy", "--out", tmp_path / "run"))
    assert "unknown suite 'low-energy'" in message
    assert "high-energy" in message


@pytest.mark.seconds
def test_unknown_data(cli: Cli, tmp_path: Path) -> None:
    message = refused(cli("run", "--data", "pbe-maxi", "--out", tmp_path / "run"))
    assert "'pbe-maxi'" in message
    assert "pbe-mini" in message
    assert "REF_energy" in message


@pytest.mark.seconds
def test_a_data_file_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    message = refused(cli("run", "--data", tmp_path / "x.xyz", "--out", tmp_path / "run"))
    assert f"{tmp_path / 'x.xyz'}: no such file" in message


@pytest.mark.seconds
def test_cuda_where_there_is_none(cli: Cli, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    out = tmp_path / "run"
    message = refused(cli("run", "--model", CHGNET, "--device", "cuda", "--out", out))
    assert "sees no CUDA device" in message
    assert "--device cpu" in message
    assert not out.exists()


@pytest.mark.seconds
def test_no_place_to_write(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    message = refused(cli("run", "--model", CHGNET, "--out", tmp_path / "file" / "run"))
    assert "choose another --out" in message


@pytest.mark.seconds
@pytest.mark.parametrize(
    "options",
    [
        ["--repeats", "1"],
        ["--in-flight", "0"],
        ["--in-flight", "-4"],
        ["--n-structures", "0"],
        ["--n-structures", "-1"],
        ["--threads", "0"],
    ],
)
def test_numbers_that_make_no_sense_for_speed(cli: Cli, options: list[str]) -> None:
    message = refused(cli("speed", "--model", CHGNET, *options))
    assert options[1].lstrip("-") in message
    assert "at least" in message


# ---- models


@pytest.mark.seconds
def test_models_as_json(cli: Cli) -> None:
    done = cli("models", "--json")
    assert done.returncode == 0
    entries = {entry["name"]: entry for entry in json.loads(done.stdout)}
    assert list(entries) == list(catalogue())
    assert entries[CHGNET]["weights_here"] is True
    assert len(entries[CHGNET]["elements"]) == 89
    absent = entries["mace-mp-0-medium"]
    assert absent["weights_here"] is False
    assert absent["weights"] == "umlip-bench models fetch mace-mp-0-medium"


@pytest.mark.seconds
def test_models_as_a_table(cli: Cli) -> None:
    done = cli("models")
    assert done.returncode == 0
    for name in catalogue():
        assert name in done.stdout


@pytest.mark.seconds
def test_the_card_of_one_model(cli: Cli) -> None:
    done = cli("models", "show", CHGNET)
    assert done.returncode == 0
    for fact in (CHGNET, "PBE", "412,525", "sha256"):
        assert fact.replace(",", "") in done.stdout.replace(",", "")


@pytest.mark.seconds
def test_models_that_do_not_exist(cli: Cli) -> None:
    assert "chgnet-0.3.0" in refused(cli("models", "show", "chgnet-0.3"))
    # The good name comes first and must not be fetched before the bad one is refused.
    assert "Nearest names: mace" in refused(cli("models", "fetch", CHGNET, "mace-mp-0-medum"))


@pytest.mark.seconds
def test_weights_that_are_here_are_not_fetched_again(cli: Cli) -> None:
    done = cli("models", "fetch", CHGNET)
    assert done.returncode == 0
    assert done.stdout.startswith(f"{CHGNET}: installed package")


# ---- runs


def read_cases(out: Path) -> dict[str, dict[str, Any]]:
    lines = (out / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    return {case["case"]: case for case in map(json.loads, lines)}


def read_rows(out: Path) -> list[dict[str, Any]]:
    content = json.loads((out / "summary.json").read_text(), parse_constant=pytest.fail)
    assert content["schema"] == 4
    return content["rows"]


@pytest.mark.model
def test_a_run_on_the_embedded_data(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = cli("run", "high-energy", "--model", CHGNET, "--out", out, "--device", "cpu")
    assert done.returncode == 0
    assert str(out) in done.stderr
    assert CHGNET in done.stdout
    assert "slope" in done.stdout
    # The caveats of the data are on the page, and the terminal says that there are some.
    assert "remarks on pbe-mini in the report" in done.stdout
    assert cli("report", out).returncode == 0
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "The frames were sampled with CHGNet 0.3.0" in page

    rows = read_rows(out)
    assert all(list(row) == ROW for row in rows)
    assert METRICS.items() <= {row["metric"]: row["unit"] for row in rows}.items()
    heads = {(row["model"], row["data"], row["suite"], row["variant"]) for row in rows}
    assert heads == {(CHGNET, "pbe-mini", "high-energy", "fixed-geometry")}
    assert {row["n_failed"] for row in rows} == {0}
    by_metric = {row["metric"]: row for row in rows}
    assert by_metric["slope_median"]["n_cases"] == 15
    for row in rows:
        if row["ci_low"] is not None:
            assert row["ci_low"] <= row["value"] <= row["ci_high"]
    # Deng et al.: CHGNet is too soft, and what is left is mostly this one factor.
    assert 0.6 < by_metric["slope_median"]["value"] < 0.95
    assert by_metric["inverse_median"]["value"] > 1.05
    assert by_metric["r2_median"]["value"] > 0.9
    assert by_metric["share_softened"]["value"] > 0.7
    assert by_metric["cmae_mse"]["value"] < by_metric["mae"]["value"]

    cases = read_cases(out)
    assert len(cases) == 15
    assert {case["status"] for case in cases.values()} == {"done"}
    assert len(list((out / "predictions").glob("*.npz"))) == 15


def frames_of(system: str, n: int = 2) -> list[Atoms]:
    return [labelled(frame) for frame in datasets.load("pbe-mini").by_system()[system][:n]]


def labelled(frame: Frame, atoms: Atoms | None = None) -> Atoms:
    atoms = (atoms or frame.atoms).copy()
    atoms.info = {"system": frame.system, "REF_energy": frame.energy, "REF_stress": frame.stress}
    atoms.arrays["REF_forces"] = frame.forces
    return atoms


def spoilt(system: str, spoil: Callable[[Atoms], None]) -> list[Atoms]:
    """Two frames of silicon, the second of which cannot be evaluated."""
    first, second = frames_of("Si")
    spoil(second)
    for atoms in (first, second):
        atoms.info["system"] = system
    return [first, second]


def not_a_number(atoms: Atoms) -> None:
    atoms.positions[1, 2] = np.nan


def coincide(atoms: Atoms) -> None:
    atoms.positions[3] = atoms.positions[0] + atoms.cell[1]


def open_up(atoms: Atoms) -> None:
    atoms.pbc = (True, True, False)


def untrained(atoms: Atoms) -> None:
    atoms.symbols[2] = "Po"


LEFT_OUT = {
    "nan": (not_a_number, "the position of atom 1 is"),
    "twice[/]": (coincide, "atoms 0 (Si) and 3 (Si) are nearer than any bond"),
    "slab[001]": (open_up, "make_periodic"),
}
"""Frames that no model could be asked about."""
FAULTS = {"polonium[red]": (untrained, "not trained on Po (Po is atom 2)")}


@pytest.fixture(scope="module")
def mixed_run(
    cli: Cli, tmp_path_factory: pytest.TempPathFactory
) -> tuple[CompletedProcess[str], Path, Path]:
    """Good and bad models on good and bad structures."""
    folder = tmp_path_factory.mktemp("mixed")
    frames = frames_of("MgO") + frames_of("NaCl")
    for system, (spoil, _) in (LEFT_OUT | FAULTS).items():
        frames += spoilt(system, spoil)
    ase.io.write(folder / "data.xyz", frames, format="extxyz")
    bad = folder / "bad[red].pth.tar"
    torch.save({"a": torch.ones(3)}, bad)
    out = folder / "run"
    done = cli(
        *("run", "--model", bad, "--model", CHGNET, "--data", folder / "data.xyz"),
        *("--out", out, "--device", "cpu"),
    )
    return done, out, bad


@pytest.mark.model
def test_a_bad_model_does_not_keep_a_good_one_from_running(
    mixed_run: tuple[CompletedProcess[str], Path, Path],
) -> None:
    done, out, bad = mixed_run
    assert done.returncode == 0
    assert f"{bad.name.removesuffix('.pth.tar')} was left out" in done.stderr
    assert str(bad) in done.stderr
    assert {row["model"] for row in read_rows(out)} == {CHGNET}


@pytest.mark.model
@pytest.mark.parametrize("system", FAULTS)
def test_structures_that_cannot_be_evaluated_are_reported(
    mixed_run: tuple[CompletedProcess[str], Path, Path], system: str
) -> None:
    done, out, _ = mixed_run
    case = read_cases(out)[system]
    assert case["status"] == "failed"
    assert FAULTS[system][1] in case["reason"]
    assert "frame" in case["reason"]
    assert case["metrics"] == {}
    assert f"failed: {CHGNET}, high-energy, {system}: {case['reason']}" in done.stderr


@pytest.mark.model
def test_frames_that_are_left_out_are_named(
    mixed_run: tuple[CompletedProcess[str], Path, Path],
) -> None:
    done, out, _ = mixed_run
    said = "".join(done.stdout.split())
    assert "Note:3entriesof1filewereleftout,9labelsareused:" in said
    for system, (_, words) in LEFT_OUT.items():
        assert "".join(words.split()) in said
        # The material's other frame is measured.
        assert read_cases(out)[system]["metrics"]["n_frames"] == 1


@pytest.mark.model
def test_structures_beside_bad_ones_are_measured(
    mixed_run: tuple[CompletedProcess[str], Path, Path],
) -> None:
    _, out, _ = mixed_run
    cases = read_cases(out)
    assert {n for n, case in cases.items() if case["status"] == "done"} == {
        "MgO",
        "NaCl",
        *LEFT_OUT,
    }
    assert 0.5 < cases["MgO"]["metrics"]["slope"] < 1.2
    for row in read_rows(out):
        # Frames by their energies or displacements are in some materials only.
        if re.match(r"(slope|inverse)_(energy|displacement)_", row["metric"]):
            assert 0 < row["n_cases"] <= 5
            continue
        # Energies of a single frame have no differences.
        n = 2 if row["metric"] == "energy_slope_median" else 5
        assert (row["n_cases"], row["n_failed"]) == (n, len(FAULTS))


@pytest.mark.seconds
def test_nothing_succeeds(cli: Cli, tmp_path: Path) -> None:
    ase.io.write(tmp_path / "data.xyz", spoilt("polonium", untrained), format="extxyz")
    out = tmp_path / "run"
    done = cli("run", "--model", CHGNET, "--data", tmp_path / "data.xyz", "--out", out)
    assert done.returncode == 1
    assert "nothing succeeded" in done.stderr
    assert "not trained on Po" in done.stderr
    for row in read_rows(out):
        assert (row["value"], row["n_cases"], row["n_failed"]) == (None, 0, 1)


@pytest.mark.model
def test_files_that_are_no_weights(cli: Cli, tmp_path: Path) -> None:
    garbage = os.urandom(1000)
    (tmp_path / "one.model").write_bytes(garbage)
    (tmp_path / "two.pth.tar").write_bytes(garbage)
    three = tmp_path / "three"
    three.mkdir()
    for name in ("model.json", "model.pt", "state.pt"):
        (three / name).write_bytes(garbage)
    (tmp_path / "four.pth.tar").write_bytes(b"")
    # Whole files of torch.save, but not what the families need.
    for name in ("five.model", "six.pth.tar"):
        torch.save({"a": torch.ones(3)}, tmp_path / name)
    models = ["one.model", "two.pth.tar", "four.pth.tar", "five.model", "six.pth.tar"]
    names = [str(tmp_path / name) for name in models] + [f"matgl:{three}"]
    options = [option for name in names for option in ("--model", name)]
    done = cli("run", *options, "--out", tmp_path / "run", "--device", "cpu")
    assert done.returncode == 1
    reasons = [line for line in done.stderr.splitlines() if "was left out" in line]
    assert len(reasons) == len(names)
    for name in names:
        assert any(name.removeprefix("matgl:") in reason for reason in reasons)
    assert "nothing succeeded" in done.stderr
    assert read_rows(tmp_path / "run") == []


@pytest.mark.model
def test_many_suites_are_told_by_their_verdicts_and_tables_by_name(
    cli: Cli, tmp_path: Path
) -> None:
    out, common = tmp_path / "run", ("--model", LJ, "--out", tmp_path / "run")
    whole = cli("run", "eos", "surfaces", "migration", *common).stdout
    for title in ("eos (fixed-geometry)", "surfaces (fixed-geometry)", "migration (neb)"):
        assert title in whole
    assert "bulk moduli are" in whole
    assert "bulk modulus / DFT" not in whole
    assert "name up to 2 suites" in whole
    assert max(map(len, whole.splitlines()[-8:])) <= 100
    measured = (out / "cases.jsonl").read_bytes()
    two = cli("run", "eos", "surfaces", *common).stdout
    assert "bulk modulus / DFT" in two
    assert "name up to" not in two
    assert (out / "cases.jsonl").read_bytes() == measured


@pytest.mark.seconds
def test_a_model_more_in_the_same_folder(cli: Cli, tmp_path: Path) -> None:
    ase.io.write(tmp_path / "data.xyz", frames_of("MgO") + frames_of("Si"), format="extxyz")
    common = ("--data", tmp_path / "data.xyz", "--out", tmp_path / "run", "--device", "cpu")
    morse = "ase:ase.calculators.morse:MorsePotential"
    assert cli("run", "--model", LJ, *common).returncode == 0
    first = read_rows(tmp_path / "run")
    assert cli("run", "--model", morse, *common).returncode == 0
    # summary.json is the folder's, not the last command's.
    rows = read_rows(tmp_path / "run")
    assert [row for row in rows if row["model"] == LJ] == first
    assert len([row for row in rows if row["model"] == morse]) == len(first)


@pytest.mark.seconds
def test_two_weights_of_one_name_are_kept_apart(cli: Cli, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        torch.save(folder, tmp_path / folder / "x.model")
    options = ("--model", tmp_path / "a" / "x.model", "--model", tmp_path / "b" / "x.model")
    message = refused(cli("run", *options, "--out", tmp_path / "run"))
    assert str(tmp_path / "a" / "x.model") in message
    assert str(tmp_path / "b" / "x.model") in message


# ---- speed


@pytest.mark.model
def test_speed_as_json(cli: Cli) -> None:
    done = cli(
        *("speed", "--model", CHGNET, "--work", "static", "--n-structures", "2"),
        *("--in-flight", "2", "--device", "cpu"),
        *("--repeats", "5", "--json"),
    )
    assert done.returncode == 0
    content = json.loads(done.stdout)
    assert content["model"] == CHGNET
    (result,) = content["results"]
    assert (result["work"], result["unit"], result["n"]) == ("static", "structures", 2)
    assert result["difference"]["energy"] < 1e-6
    (timing,) = result["timings"]
    assert (timing["against"], timing["in_flight"], timing["repeats"]) == ("ase", 2, 5)
    assert timing["theirs_per_s"] > 0
    assert timing["ours_per_s"] > 0
    assert 0 < timing["ratio_low"] <= timing["ratio"] <= timing["ratio_high"]
