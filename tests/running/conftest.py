"""What tests of several processes share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.slow_runs import labelled


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a calculator and labels of a few materials, in which the test is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    # The calculator of another test's folder may have been imported.
    monkeypatch.delitem(sys.modules, "slow", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    labelled(tmp_path)
    yield tmp_path
    sys.modules.pop("slow", None)


@pytest.fixture
def seen(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, where processes that are started find the calculator as well."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(here), *sys.path]))
    return here


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Those in it are killed at the end."""
    found: list[subprocess.Popen[bytes]] = []
    yield found
    for each in found:
        each.kill()
        each.wait()
