"""Environments are built of wheels made here: whole or not there, by one at a time, and taken away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk

from tests.support.wheels import borrowed, wheel
from umlip_bench.cli import PROGRAM
from umlip_bench.environments.build import NotAgreed, build, remove
from umlip_bench.environments.environment import Environment
from umlip_bench.environments.installers import BuildError
from umlip_bench.environments.registry import built, located
from umlip_bench.environments.tables import Built, state_of, states
from umlip_bench.ground.errors import NotBuilt, UmlipBenchError
from umlip_bench.ground.lock import Lock
from umlip_bench.potentials.loading import locate
from umlip_bench.potentials.weights import WeightsStore

pytestmark = pytest.mark.seconds

TOY = """\
from ase.calculators.lj import LennardJones

VERSION = "1.0"


def calculator(epsilon):
    return LennardJones(sigma=2.0, epsilon=epsilon, rc=6.0, smooth=True)
"""
FILE = '''\
# /// script
# requires-python = ">=3.9"
# dependencies = ["toy{which}"]
#
# [tool.umlip-bench]
# no-deps = ["greedy==2.0"]
#
# [tool.uv]
# find-links = ["{wheels}"]
# ///
"""A stand-in."""

CHECKPOINTS = {{"soft": "0.1", "stiff": "1.0"}}


def setup(checkpoint, device="cpu"):
    import greedy
    from toy import calculator

    return calculator(float(CHECKPOINTS[checkpoint]))
'''


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder of wheels, among them one that asks for what nobody has."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    borrowed(folder)
    wheel(folder, "toy", "1.0", {"toy.py": TOY})
    wheel(folder, "greedy", "2.0", {"greedy.py": ""}, requires=["not-to-be-had"])
    return folder


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UMLIP_BENCH_ENVIRONMENTS", str(tmp_path / "environments"))
    for variable in ("PIP_NO_INDEX", "UV_OFFLINE", "UV_NO_INDEX"):
        monkeypatch.setenv(variable, "1")
    for variable in ("PIP_FIND_LINKS", "PIP_CONSTRAINT"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def own(tmp_path: Path, wheels: Path) -> Path:
    """An environment file of a user's."""
    path = tmp_path / "own.py"
    path.write_text(FILE.format(which="==1.0", wheels=wheels))
    return path


def built_now(path: Path) -> Environment:
    return build(str(path), say=lambda line: None, agree=lambda text: True)


def test_a_build_is_listed_used_kept_and_removed(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = str(own)
    with pytest.raises(NotBuilt, match="umlip-bench env build") as caught:
        built(name)
    assert caught.value.environment == name
    asked: list[str] = []

    def agree(text: str) -> bool:
        asked.append(text)
        return True

    first = build(name, say=asked.append, agree=agree)
    # Four wheels of these sizes, known since they lie here.
    assert any("own needs 4 packages" in line and "unknown size" not in line for line in asked)
    lock = first.lock.splitlines()
    assert [line for line in lock if line.split("==")[0] in {"toy", "greedy", "ase", "numpy"}] == [
        "ase==3.99",
        "greedy==2.0",
        "numpy==2.99",
        "toy==1.0",
    ]
    assert lock == sorted(lock)
    assert not any(line.startswith("pip==") for line in lock)
    assert built(name) == first
    assert state_of(name).built is Built.YES
    assert state_of(name).n_bytes > 10_000
    assert [state.name for state in states()][-1] == name
    # A second time there is nothing to do, and nobody is asked.
    again = build(name, say=asked.append, agree=lambda text: bool(pytest.fail("was asked")))
    assert again == first
    assert "is there" in asked[-1]
    assert PROGRAM.main(["env", "check", name, "--device", "cpu"]) == 0, capsys.readouterr().err
    assert "soft, Si2: " in capsys.readouterr().out
    soft, stiff = (locate(f"{name}:{which}", WeightsStore()) for which in ("soft", "stiff"))
    assert soft.sha256 != stiff.sha256
    # Cut short, as a crash leaves it, it counts as none, and is begun anew.
    _, place = located(name)
    place.record.unlink()
    (place.venv / "lib" / f"python3.{sys.version_info[1]}" / "site-packages/toy.py").unlink()
    assert state_of(name).built is Built.HALF
    with pytest.raises(NotBuilt):
        built(name)
    assert built_now(own) == first
    assert PROGRAM.main(["env", "check", name, "--device", "cpu"]) == 0
    assert remove(name) > 10_000
    assert state_of(name).built is Built.NO
    with pytest.raises(UmlipBenchError, match="is not built"):
        remove(name)


def test_an_edited_setup_is_used_at_once_and_edited_packages_are_not(
    own: Path, wheels: Path
) -> None:
    first = built_now(own)
    own.write_text(own.read_text() + "\n# edited\n")
    second = built(str(own))
    assert second.python == first.python
    assert second.digest != first.digest
    assert "# edited" in second.file.read_text()
    # The first is as it was, for a worker that is started again.
    assert "# edited" not in first.file.read_text()
    own.write_text(FILE.format(which="==1.1", wheels=wheels))
    with pytest.raises(NotBuilt, match="asked for other packages"):
        built(str(own))
    assert state_of(str(own)).built is Built.OUTDATED


def test_what_cannot_be_had_is_told_and_leaves_no_build(own: Path, wheels: Path) -> None:
    own.write_text(FILE.format(which="==3.0", wheels=wheels))
    with pytest.raises(BuildError, match=r"toy==3.0") as caught:
        built_now(own)
    assert "build.log" in str(caught.value)
    _, place = located(str(own))
    assert not place.venv.exists()
    assert state_of(str(own)).built is Built.NO
    own.write_text(FILE.format(which="==1.0", wheels=wheels).replace(">=3.9", "==2.6.*"))
    with pytest.raises(UmlipBenchError, match=r"needs Python ==2\.6\.\*; on this machine there is"):
        built_now(own)


def test_who_says_no_has_nothing_built(own: Path) -> None:
    with pytest.raises(NotAgreed, match="--yes"):
        build(str(own), say=lambda line: None, agree=lambda text: False)
    with pytest.raises(NotBuilt):
        built(str(own))


def test_two_do_not_build_at_once(own: Path) -> None:
    _, place = located(str(own))
    with (
        Lock(place.guard, place.folder, "wait"),
        pytest.raises(
            UmlipBenchError, match=rf"in use by another process \(process {os.getpid()}\)"
        ),
    ):
        built_now(own)
    assert not place.folder.exists()


class Slow(SimpleHTTPRequestHandler):
    """Serves files, but a wheel only once it may."""

    asked, may = threading.Event(), threading.Event()

    def do_GET(self) -> None:
        if self.path.endswith(".whl"):
            self.asked.set()
            self.may.wait(60)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[str]:
    """Address of a page with wheels that hang."""
    folder = tmp_path / "served"
    folder.mkdir()
    wheel(folder, "toy", "1.0", {"toy.py": TOY})
    Slow.asked.clear()
    Slow.may.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Slow, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    Slow.may.set()
    server.shutdown()


def test_a_killed_build_is_none_and_its_installer_is_waited_for(
    own: Path, slow: str, wheels: Path
) -> None:
    """kill -9 in the middle of a download; pip lives on for a while, and nobody writes beside it."""
    (wheels / "toy-1.0-py3-none-any.whl").unlink()
    text = own.read_text()
    own.write_text(text.replace(f'["{wheels}"]', f'["{wheels}", "{slow}"]'))
    command = [sys.executable, "-m", "umlip_bench", "env", "build", str(own), "--yes"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    assert Slow.asked.wait(120)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert state_of(str(own)).built is Built.HALF
    with pytest.raises(BuildError, match="installer of a build that was killed"):
        built_now(own)
    Slow.may.set()
    deadline = time.monotonic() + 60
    while True:
        assert time.monotonic() < deadline
        try:
            environment = built_now(own)
        except BuildError:
            time.sleep(0.2)
        else:
            break
    assert "toy==1.0" in environment.lock.splitlines()


def test_a_command_builds_what_it_needs_with_yes_alone(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copper = bulk("Cu", "fcc", a=3.6, cubic=True)
    copper.positions[0] += 0.1
    copper.info["REF_energy"] = 1.0
    copper.arrays["REF_forces"] = np.array([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0], *2 * [[0.0] * 3]])
    ase.io.write(tmp_path / "one.xyz", copper, format="extxyz")
    run = ["run", "high-energy", "--model", f"{own}:soft", "--data", str(tmp_path / "one.xyz")]
    run += ["--device", "cpu", "--out", str(tmp_path / "run")]
    assert PROGRAM.main(run) == 2
    assert f"umlip-bench env build {own}" in capsys.readouterr().err
    assert PROGRAM.main(["env", "build", str(own)]) == 2
    assert "--yes" in capsys.readouterr().err
    assert PROGRAM.main([*run, "--yes"]) == 0
    said = capsys.readouterr()
    assert "own needs 4 packages" in said.err
    assert "own:soft" in said.out
    assert "yes" not in (tmp_path / "run" / "settings.yaml").read_text()
    assert PROGRAM.main(["env", "remove", str(own)]) == 0
