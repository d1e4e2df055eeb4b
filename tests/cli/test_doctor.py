"""`umlip-bench doctor`: what it finds right, and what wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from umlip_bench.cli import main
from umlip_bench.testing.doctor import SELF_TEST, examine, facts, models_here

SOFT_FORCES = '''\
from ase.calculators.emt import EMT


class Inconsistent(EMT):
    """Forces that are not the gradient of the energy."""

    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        self.results["forces"] = 0.9 * self.results["forces"]
'''


def test_a_sound_model_passes_and_a_wrong_one_is_told_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "inconsistent.py").write_text(SOFT_FORCES)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("UMLIP_BENCH_ENVIRONMENTS", str(tmp_path / "environments"))
    sound, wrong = "ase:ase.calculators.lj:LennardJones", "ase:inconsistent:Inconsistent"
    assert main(["doctor", "--model", sound, "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert f"{sound}: passed" in out
    assert "nothing wrong was found" in out
    assert main(["doctor", "--model", sound, "--model", wrong, "--device", "cpu"]) == 1
    out = capsys.readouterr().out
    assert "FAILED   derivatives" in out
    assert out.endswith("1 wrong, see above\n")


def test_a_model_that_cannot_be_loaded_does_not_end_the_others() -> None:
    first, second = examine(["no-such-model", "ase:ase.calculators.lj:LennardJones"])
    assert first.wrong
    assert "no-such-model" in first.reason
    assert second.report is not None
    assert [check.name for check in second.report.checks] == list(SELF_TEST)
    assert not second.wrong


def test_folders_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is root may write anywhere, so that a file stands where a folder should."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("UMLIP_BENCH_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.delenv("UMLIP_BENCH_ENVIRONMENTS", raising=False)
    wrong = [fact for fact in facts() if fact.wrong]
    assert [fact.name for fact in wrong] == ["cache", "environments"]
    assert all("is not a folder" in fact.value for fact in wrong)
    monkeypatch.setenv("UMLIP_BENCH_CACHE", str(tmp_path / "new"))
    assert not [fact for fact in facts() if fact.wrong]
    assert not (tmp_path / "new").exists()


def test_damaged_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from umlip_bench.potentials.catalogue import card
    from umlip_bench.potentials.weights import WeightsStore

    name = "chgnet-0.3.0"
    weights = WeightsStore().locate(card(name))
    assert weights is not None
    folder = tmp_path / name
    folder.mkdir()
    copy = shutil.copy(weights.paths[0], folder)
    content = bytearray(Path(copy).read_bytes())
    content[len(content) // 2] ^= 1
    Path(copy).write_bytes(content)
    monkeypatch.setenv("UMLIP_BENCH_MODELS", str(tmp_path))
    here, others = models_here()
    assert name not in here
    (found,) = (fact for fact in others if fact.wrong)
    assert found.name == name
    assert str(folder) in found.value
