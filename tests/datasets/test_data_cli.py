"""``umlip-bench data`` as a user meets it: real processes, their exit status, stdout and stderr."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.support import processes
from tests.support.narrowing import some
from umlip_bench.datasets import embedded
from umlip_bench.datasets.catalogue import card, catalogue
from umlip_bench.datasets.overview import overview
from umlip_bench.datasets.store import DataStore

Cli = Callable[..., CompletedProcess[str]]

SMALL = "pymatgen-gaas"
DEAD_PROXY = "http://127.0.0.1:9"


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run the command with an empty cache and no way to the network."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("UMLIP_BENCH_")}
    environment |= {"UMLIP_BENCH_CACHE": str(tmp_path / "cache"), "COLUMNS": "200"}
    environment |= {"HTTPS_PROXY": DEAD_PROXY, "https_proxy": DEAD_PROXY, "NO_PROXY": ""}

    def run(*arguments: object, data: Path | None = None) -> CompletedProcess[str]:
        more = {} if data is None else {"UMLIP_BENCH_DATA": str(data)}
        done = processes.run("data", *arguments, environment=environment | more)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


@pytest.fixture
def gaas() -> Path:
    """The folder above a published set that is on this machine."""
    located = DataStore().locate(card(SMALL))
    if located is None:
        pytest.skip(
            f"{SMALL} is not on this machine: run `umlip-bench data fetch {SMALL}` or set "
            "UMLIP_BENCH_DATA"
        )
    return located.folder.parent


def refused(done: CompletedProcess[str]) -> str:
    assert done.returncode == 2
    return done.stderr


@pytest.mark.seconds
@pytest.mark.parametrize("command", [[], ["list"], ["fetch"], ["verify"], ["show"]])
def test_every_help_has_an_example(cli: Cli, command: list[str]) -> None:
    done = cli(*command, "--help")
    assert done.returncode == 0
    examples = done.stdout.split("examples:")[1]
    assert " ".join(["umlip-bench", "data", *command]) in examples


@pytest.mark.seconds
def test_list(cli: Cli) -> None:
    done = cli("list")
    assert done.returncode == 0
    for id in (*embedded.names(), *catalogue()):
        assert id in done.stdout
    assert done.stdout == cli().stdout
    (mini,) = (line for line in done.stdout.splitlines() if "pbe-mini" in line)
    (wbm,) = (line for line in done.stdout.splitlines() if "wbm" in line)
    assert mini.split()[-1] == "here"
    assert wbm.split()[-3:] == ["unknown", "not", "here"]
    assert "Deng 2025" in wbm


@pytest.mark.seconds
def test_list_as_json(cli: Cli) -> None:
    entries = {entry["id"]: entry for entry in json.loads(cli("list", "--json").stdout)}
    assert list(entries) == [*embedded.names(), *catalogue()]
    mini = entries["pbe-mini"]
    here = embedded.read("pbe-mini")
    assert (mini["here"], mini["n_structures"]) == (True, overview(here.cases).n_structures)
    assert mini["n_structures"] > len(here.frames)
    assert mini["tasks"] == list(here.tasks)
    gaas = entries[SMALL]
    assert gaas["here"] is False
    assert gaas["missing"] == ["GaAs_test_defentries.json"]
    assert gaas["size"] == 248906


@pytest.mark.seconds
def test_show(cli: Cli) -> None:
    done = cli("show", "mlearn")
    assert done.returncode == 0
    mlearn = card("mlearn")
    for text in (mlearn.citation, some(mlearn.commit), "discard its surface energies"):
        assert text in done.stdout
    assert "missing" in done.stdout
    assert "not here, optional" in done.stdout
    assert "high-energy: 15" in cli("show", "pbe-mini").stdout


@pytest.mark.seconds
def test_show_of_what_is_here(cli: Cli) -> None:
    text = cli("show", "pbe-mini").stdout
    assert "structures with each element: Mg " in text
    assert "|force| on an atom (eV/Å)" in text
    assert "mixing energy (eV/atom)" in text


@pytest.mark.seconds
def test_show_of_a_file(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "mine.xyz"
    assert cli("export", "pbe-mini", path, "--material", "SiC").returncode == 0
    text = cli("show", path).stdout
    assert "high-energy: 1" in text
    assert "structures with each element: C 5, Si 5" in text
    assert "no such file" in refused(cli("show", tmp_path / "missing.xyz"))


@pytest.mark.seconds
def test_show_counts_the_cases_of_what_is_here(cli: Cli, gaas: Path) -> None:
    assert "defects: 8" in cli("show", SMALL, data=gaas).stdout
    assert "defects: 8" not in cli("show", SMALL).stdout


@pytest.mark.seconds
def test_unknown_names(cli: Cli) -> None:
    assert "Nearest ids: mlearn" in refused(cli("show", "mlern"))
    assert "Nearest ids: mlearn" in refused(cli("verify", "mlern"))
    assert "'eos-elastic' is no task; allowed: high-energy" in refused(
        cli("fetch", "--task", "eos-elastic")
    )


@pytest.mark.seconds
@pytest.mark.parametrize("arguments", [[], ["mlearn", "--all"], ["--all", "--task", "eos"]])
def test_fetch_needs_one_choice(cli: Cli, arguments: list[str]) -> None:
    assert "ids, or --task TASK, or --all" in refused(cli("fetch", *arguments))


@pytest.mark.seconds
def test_fetch_of_a_file_needs_its_set(cli: Cli) -> None:
    message = refused(cli("fetch", "--task", "eos", "--file", "a.json"))
    assert "--file a.json needs exactly one ID" in message
    message = refused(cli("fetch", SMALL, "--file", "a.json"))
    assert f"{SMALL} has no file 'a.json'" in message


@pytest.mark.seconds
def test_fetch_offline(cli: Cli) -> None:
    done = cli("fetch", "pbe-mini", SMALL, "pymatgen-wulff")
    message = refused(done)
    assert "pbe-mini: comes with an installed package" in done.stdout
    for id in (SMALL, "pymatgen-wulff"):
        (file,) = card(id).files
        assert f"{id}: 1 file is not on this machine" in message
        assert file.url in message
        assert some(file.sha256) in message
        assert f"$UMLIP_BENCH_DATA/{id}/" in message


@pytest.mark.seconds
def test_fetch_by_task_finds_what_is_here(cli: Cli, gaas: Path) -> None:
    done = cli("fetch", "--task", "defects", data=gaas)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"pbe-mini: comes with an installed package\n{SMALL}: here and checked, {gaas / SMALL}\n"
    )


@pytest.mark.seconds
def test_verify(cli: Cli, tmp_path: Path) -> None:
    done = cli("verify")
    assert done.returncode == 0
    assert done.stdout == (
        "pbe-mini: ok, comes with an installed package\n"
        "debye-mini: ok, comes with an installed package\n"
        "r2scan-mini: ok, comes with an installed package\n"
        "ase-dcdft: ok, comes with an installed package\n"
    )

    (tmp_path / SMALL).mkdir()
    (tmp_path / SMALL / "GaAs_test_defentries.json").write_bytes(b"{}")
    done = cli("verify", data=tmp_path)
    assert done.returncode == 1
    assert f"{SMALL}: 1 wrong hash" in done.stdout
    assert hashlib.sha256(b"{}").hexdigest() in done.stdout

    done = cli("verify", "pymatgen-wulff")
    assert done.returncode == 1
    assert "surface_samples.json: missing" in done.stdout


@pytest.mark.seconds
def test_verify_of_a_published_set(cli: Cli, gaas: Path) -> None:
    done = cli("verify", SMALL, data=gaas)
    assert (done.returncode, done.stdout) == (0, f"{SMALL}: 1 ok\n")
