"""The process that others are forked from: begun early, deaf to Ctrl-C, gone with the one that began it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time

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
