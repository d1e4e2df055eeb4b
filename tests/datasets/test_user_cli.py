"""``umlip-bench data check`` and ``data export``."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.narrowing import some
from umlip_bench import datasets
from umlip_bench.cli import main
from umlip_bench.datasets import extxyz


def test_export_and_read_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.xyz"
    assert main(["data", "export", "pbe-mini", str(out)]) == 0
    n = len(datasets.load("pbe-mini").frames)
    assert f"{n} frames" in capsys.readouterr().out
    back, frames = datasets.load(str(out)).frames, datasets.load("pbe-mini").frames
    assert [f.system for f in back] == [f.system for f in frames]
    assert [f.energy for f in back] == pytest.approx([f.energy for f in frames])
    assert main(["data", "export", "pbe-mini", str(out)]) == 2
    assert "exists" in capsys.readouterr().err


def test_export_of_a_set_without_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "export", "ase-dcdft", str(tmp_path / "out.xyz")]) == 2
    assert "it has cases for eos" in capsys.readouterr().err


def test_check_of_sound_and_of_spoilt_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", "pbe-mini"]) == 0
    assert "Nothing looks suspicious" in capsys.readouterr().out
    frames = datasets.load("pbe-mini").frames
    spoilt = [replace(f, stress=160.2 * some(f.stress)) for f in frames]
    extxyz.write_frames(tmp_path / "gpa.xyz", spoilt)
    assert main(["data", "check", str(tmp_path / "gpa.xyz")]) == 1
    text = capsys.readouterr().out
    assert f"{len(frames)} frames of 15 materials" in text
    # Each material in one finding, and every frame counted.
    findings = [line for line in text.splitlines() if line.startswith("- ")]
    named = [name for line in findings for name in line[2:].split(": ")[0].split(", ")]
    assert sorted(named) == sorted({f.system for f in frames})
    assert all("stress" in line for line in findings)
