"""Workers that print, hang, die, lie and outlive: each costs its request, never more."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones

from umlip_bench.environments.environment import Environment
from umlip_bench.environments.process import (
    Answer,
    WorkerDied,
    WorkerError,
    WorkerOutOfMemory,
    WorkerProcess,
)
from umlip_bench.ground.content import as_list, as_mapping

pytestmark = pytest.mark.seconds

Start = Callable[..., WorkerProcess]


@pytest.fixture
def start(calculators: Environment) -> Iterator[Start]:
    """Workers of the stand-in environment, ended with the test."""
    started: list[WorkerProcess] = []

    def begin(
        checkpoint: str, environment: Environment = calculators, seconds: float = 60.0
    ) -> WorkerProcess:
        started.append(WorkerProcess(environment, checkpoint, start_seconds=seconds))
        return started[-1]

    yield begin
    for each in started:
        each.close()


def ask(worker: WorkerProcess, *symbols: int, seconds: float = 60.0) -> Answer:
    """Evaluate a dimer of each element."""
    n = len(symbols)
    positions = np.tile([[0.0, 0, 0], [2.1, 0, 0]], (n, 1))
    arrays = {
        "counts": np.full(n, 2),
        "numbers": np.repeat(symbols, 2),
        "positions": positions,
        "cells": np.tile(8.0 * np.eye(3), (n, 1, 1)),
        "pbc": np.ones((n, 3), dtype=int),
    }
    return worker.ask("evaluate", {"stress": True}, arrays, seconds)


def errors_of(answer: Answer) -> list[dict[str, object]]:
    return [as_mapping(each) for each in as_list(answer.header["errors"])]


def gone(pid: int, seconds: float = 10.0) -> bool:
    """Whether a process ends within some time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_what_a_worker_says_of_itself(start: Start) -> None:
    hello = start("emt").hello()
    assert (hello["protocol"], hello["mode"], hello["takes"]) == (1, "loop", ["device"])
    assert as_list(hello["elements"])[:3] == ["Al", "Cu", "Ag"]
    assert as_mapping(hello["packages"])["python"] == sys.version.split()[0]


def test_what_packages_print_is_not_taken_for_an_answer(start: Start) -> None:
    worker = start("prints")
    first, second = ask(worker, 14, 79), ask(worker, 14)
    assert first.header["errors"] == []
    np.testing.assert_array_equal(first.arrays["forces"][:2], second.arrays["forces"])


def test_a_worker_that_was_killed_is_started_again(start: Start) -> None:
    worker = start("lj")
    before = ask(worker, 14)
    pid = worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerDied, match="calculators:lj: its process was ended by SIGKILL"):
        ask(worker, 14)
    after = ask(worker, 14)
    assert worker.pid != pid
    for name, array in before.arrays.items():
        np.testing.assert_array_equal(after.arrays[name], array)


def test_a_worker_that_dies_in_mid_call(start: Start) -> None:
    worker = start("dies-on-gold")
    with pytest.raises(WorkerDied, match="SIGKILL while it was asked"):
        ask(worker, 14, 79)
    assert ask(worker, 14).header["errors"] == []


def test_a_worker_that_hangs_is_ended(start: Start) -> None:
    worker = start("hangs-on-gold")
    worker.hello()
    pid = worker.pid
    assert pid is not None
    with pytest.raises(WorkerError, match=r"no answer within 0\.5 s"):
        ask(worker, 79, seconds=0.5)
    assert gone(pid)
    assert ask(worker, 14).header["errors"] == []


def test_a_bad_structure_costs_itself(start: Start) -> None:
    answer = ask(start("raises-on-gold"), 14, 79, 29)
    (error,) = errors_of(answer)
    assert error == {"index": 1, "type": "ZeroDivisionError", "text": "gold is too dear"}
    # What is right is there, by the same calculator without a worker.
    dimer = Atoms("Si2", [[0, 0, 0], [2.1, 0, 0]], cell=[8, 8, 8], pbc=True)
    dimer.calc = LennardJones(sigma=2.0, epsilon=0.1, rc=6.0, smooth=True)
    energy, forces = dimer.get_potential_energy(), dimer.get_forces()
    np.testing.assert_array_equal(answer.arrays["energies"], [energy, np.nan, energy])
    missing = np.full((2, 3), np.nan)
    np.testing.assert_array_equal(answer.arrays["forces"], np.vstack([forces, missing, forces]))


def test_forces_of_another_shape_are_no_forces(start: Start) -> None:
    (error,) = errors_of(ask(start("shapes"), 14))
    assert error["text"] == "forces of shape (3, 3) for 2 atoms"


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ("nothing", r"TypeError: setup of .* gave a object, which is neither an ASE calculator"),
        (
            "unheard-of",
            r"LookupError: .* has no checkpoint 'unheard-of'; it has emt, lj, slow, single",
        ),
        ("exits", r"(?s)ended with exit status 3 while it was asked; .*goodbye"),
    ],
)
def test_a_model_that_cannot_be_loaded(start: Start, checkpoint: str, message: str) -> None:
    worker = start(checkpoint)
    with pytest.raises(WorkerError, match=message):
        worker.hello()
    assert worker.pid is None


def test_a_file_that_does_not_even_run(start: Start, calculators: Environment) -> None:
    calculators.file.write_text("import package_that_is_not_there")
    with pytest.raises(WorkerError, match="ModuleNotFoundError: No module named 'package_that"):
        start("lj").hello()


def test_an_interpreter_that_is_gone(start: Start, calculators: Environment) -> None:
    lacking = replace(calculators, python=Path("/nowhere/python"))
    with pytest.raises(WorkerError, match="/nowhere/python cannot be started"):
        start("lj", lacking).hello()


PICKLE = pickle.dumps(os.system)


@pytest.mark.parametrize(
    ("writes", "message"),
    [
        (b"Traceback (most recent call last):\n", "of at most"),
        (b"\xff\xff\xff\xff" + b"x" * 1000, "a frame of 4294967295 bytes"),
        (b"\x10\0\0\0\xff\xff\0\0" + b"{}" * 6, "a header of 65535 bytes"),
        (
            (len(PICKLE) + 4).to_bytes(4, "little") + len(PICKLE).to_bytes(4, "little") + PICKLE,
            "no JSON",
        ),
        (b"\x10\0\0\0\x02", "no answer within"),  # the rest never comes
        (b"", "no answer within"),
    ],
)
def test_a_worker_that_answers_with_anything(
    start: Start, calculators: Environment, tmp_path: Path, writes: bytes, message: str
) -> None:
    liar = tmp_path / "python"
    liar.write_text(
        f"#!{sys.executable}\nimport os, sys, time\n"
        f"print('I am no worker', file=sys.stderr, flush=True)\n"
        f"os.write(1, {writes!r})\ntime.sleep(3600)\n"
    )
    liar.chmod(0o755)
    worker = start("lj", replace(calculators, python=liar), 5.0 if "within" in message else 60.0)
    with pytest.raises(WorkerError, match=message) as caught:
        worker.hello()
    assert "I am no worker" in str(caught.value)
    assert worker.pid is None


def test_a_worker_that_does_not_listen(
    start: Start, calculators: Environment, tmp_path: Path
) -> None:
    """A request that is larger than the pipe must not wait for ever."""
    deaf = tmp_path / "python"
    answer = b'{"protocol": 1, "weights": {}, "arrays": []}'
    frame = (len(answer) + 4).to_bytes(4, "little") + len(answer).to_bytes(4, "little") + answer
    deaf.write_text(
        f"#!{sys.executable}\nimport os, time\nos.write(1, {frame!r})\ntime.sleep(3600)\n"
    )
    deaf.chmod(0o755)
    worker = start("lj", replace(calculators, python=deaf))
    worker.hello()
    with pytest.raises(WorkerError, match=r"no answer within 0\.5 s"):
        worker.ask("evaluate", {}, {"positions": np.zeros((100_000, 3))}, 0.5)


def test_another_protocol_is_refused(
    start: Start, calculators: Environment, tmp_path: Path
) -> None:
    other = tmp_path / "python"
    answer = b'{"protocol": 2, "arrays": []}'
    frame = (len(answer) + 4).to_bytes(4, "little") + len(answer).to_bytes(4, "little") + answer
    other.write_text(
        f"#!{sys.executable}\nimport os, time\nos.write(1, {frame!r})\ntime.sleep(3600)\n"
    )
    other.chmod(0o755)
    with pytest.raises(WorkerError, match="protocol 2, not 1"):
        start("lj", replace(calculators, python=other)).hello()


def test_memory_that_ran_out_is_told_from_other_failures(start: Start) -> None:
    (error,) = errors_of(ask(start("memory-on-gold"), 79))
    assert error["type"] == "MemoryError"
    assert issubclass(WorkerOutOfMemory, MemoryError)


def test_closing_ends_the_process_and_what_it_started(start: Start) -> None:
    worker = start("children")
    worker.hello()
    pid = worker.pid
    assert pid is not None
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert len(children) == 1
    worker.close()
    assert gone(pid)
    assert gone(int(children[0]))


PARENT = """
import sys, time
from pathlib import Path
from umlip_bench.environments.environment import Environment
from umlip_bench.environments.process import WorkerProcess

python, file, checkpoint, how = sys.argv[1:]
worker = WorkerProcess(Environment("calculators", Path(python), Path(file), "", ""), checkpoint)
worker.hello()
print(worker.pid, flush=True)
if how == "forgets":
    sys.exit()
if how == "forks":
    import os
    if os.fork() == 0:
        time.sleep(20)  # a copy that holds the pipe
        os._exit(0)
import numpy as np
gold = {"counts": np.array([1]), "numbers": np.array([79]), "positions": np.zeros((1, 3)),
        "cells": np.eye(3)[None], "pbc": np.ones((1, 3), dtype=int)}
print("asks", flush=True)
worker.ask("evaluate", {"stress": False}, gold, 3600)
"""


@pytest.mark.parametrize("how", ["is killed", "forks", "forgets"])
def test_no_worker_outlives_its_parent(calculators: Environment, how: str) -> None:
    """Not even one that computes, or whose pipe is held by a fork of the parent."""
    parent = subprocess.Popen(
        [
            *(sys.executable, "-c", PARENT, str(calculators.python), str(calculators.file)),
            *("hangs-on-gold", how),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    if how == "forgets":
        assert parent.wait(20) == 0
    else:
        assert parent.stdout.readline() == "asks\n"
        time.sleep(0.2)
        parent.kill()
        parent.wait()
    assert gone(pid)
