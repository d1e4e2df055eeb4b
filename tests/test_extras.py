"""A plain installation, without the families' packages: what works there, and what says what is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from umlip_bench.ground.extras import EXTRAS
from umlip_bench.potentials.catalogue import catalogue

# As if they were not installed, for those who import them and for those who look for them.
PLAIN = f"""\
import sys

ABSENT = {{*{EXTRAS!r}, "e3nn", "torch_geometric", "lightning"}}

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, *more):
        return None if name.partition(".")[0] in ABSENT else self.finder.find_spec(name, *more)

    def find_distributions(self, context):
        if context.name in ABSENT | {{"mace-torch", "torch-geometric"}}:
            return ()
        return getattr(self.finder, "find_distributions", lambda context: ())(context)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = map(Without, sys.meta_path)
from umlip_bench.cli import main
for line in sys.argv[1:]:
    print("$", line, flush=True)
    status = main(line.split())
    print("status", status, flush=True)
"""


OF_CLUSTERS = {"distributed", "submitit"}


@pytest.mark.seconds
def test_a_plain_installation_does_all_but_run_the_families(tmp_path: Path) -> None:
    works = [
        "--help",
        "models",
        "data show pbe-mini",
        "env list",
        f"run eos --model ase:ase.calculators.emt:EMT --out {tmp_path / 'run'} --device cpu",
        f"report {tmp_path / 'run'}",
    ]
    fails = [f"run eos --model chgnet-0.3.0 --out {tmp_path / 'other'} --device cpu"]
    done = subprocess.run(
        [sys.executable, "-c", PLAIN, *works, *fails], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("status 0") == len(works), done.stdout + done.stderr
    assert "pip install 'umlip-bench[chgnet]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.seconds
def test_a_family_whose_package_is_missing_names_the_extra() -> None:
    assert {card.family for card in catalogue().values()} == set(EXTRAS) - OF_CLUSTERS
    ask = """
from umlip_bench.ground.extras import MissingExtra
from umlip_bench.potentials.families import family
for name in ("chgnet", "mace", "matgl", "matgl2"):
    try:
        family(name)
    except MissingExtra as error:
        print(name, error)
"""
    lines = PLAIN.partition("from umlip_bench.cli")[0] + ask
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert list(said) == ["chgnet", "mace", "matgl", "matgl2"]
    for name, words in said.items():
        assert f"umlip-bench[{name.removesuffix('2')}]" in words
