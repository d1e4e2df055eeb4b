"""The process that others are forked from: begun early, deaf to Ctrl-C, gone with the one that began it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.seconds,
    pytest.mark.skipif(
        "forkserver" not in multiprocessing.get_all_start_methods(), reason="there is none here"
    ),
]

BEGUN = """
import signal, sys
from multiprocessing import forkserver
from umlip_bench.running import fork_server
fork_server.begin()
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert "torch" not in sys.modules
print(forkserver._forkserver._forkserver_pid, flush=True)
sys.stdin.read()
"""


AHEAD = """
from umlip_bench.running import fork_server

def imported():
    import sys
    return sorted({"umlip_bench.running.job_worker", "chgnet", "matgl"} & set(sys.modules))

if __name__ == "__main__":
    fork_server.begin(("chgnet-0.3.0", "no-such-model"))
    with fork_server.context().Pool(1) as pool:
        print(pool.apply(imported))
"""


def test_it_imports_what_the_models_need_and_nothing_of_others(tmp_path: Path) -> None:
    script = tmp_path / "ahead.py"
    script.write_text(AHEAD)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['chgnet', 'umlip_bench.running.job_worker']\n"


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_is_deaf_to_an_interrupt_from_its_begin_and_ends_with_its_parent() -> None:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", BEGUN]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        # At once, and while it imports: a terminal sends an interrupt to all of a command's processes.
        for _ in range(10):
            os.kill(server, signal.SIGINT)
            time.sleep(0.2)
        assert runs(server)
        parent.stdin.close()
        assert parent.stderr is not None
        assert (
            parent.stderr.read() == ""
        )  # and when it is read to its end, nobody has it open any more
    assert parent.returncode == 0
    deadline = time.monotonic() + 60
    while runs(server) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not runs(server)
