"""A potential in another process is one like any other: same contract, same numbers, same identity."""

import os
import re
import signal
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones

import umlip_bench
from umlip_bench import datasets, finetune
from umlip_bench.engine import Static, run_requests
from umlip_bench.engine.scheduler import Done, Failed
from umlip_bench.environments.environment import Environment
from umlip_bench.environments.process import WorkerError
from umlip_bench.finetune import Estimator
from umlip_bench.ground.errors import (
    StructureError,
    UmlipBenchError,
    UnknownModelError,
    WeightsError,
)
from umlip_bench.ground.model_card import WeightsFile
from umlip_bench.potentials.adapters.worker import SECONDS_VARIABLE, WorkerPotential
from umlip_bench.potentials.environment_weights import EnvironmentWeights
from umlip_bench.potentials.loading import locate
from umlip_bench.potentials.weights import WeightsStore
from umlip_bench.testing import CHECKS, check_potential
from umlip_bench.testing.structures import rattled

from ..support.environments import CALCULATORS, HEADER, built_by_hand

pytestmark = pytest.mark.seconds


@pytest.fixture
def file(calculators: Environment, tmp_path: Path) -> Path:
    """The environment file of `calculators`, as a user names it."""
    return tmp_path / "calculators.py"


@pytest.fixture
def batched(batches: Environment, tmp_path: Path) -> Path:
    return tmp_path / "batches.py"


def load(name: str, dtype: str = "float32") -> WorkerPotential:
    found = umlip_bench.potential(name, device="cpu", dtype=dtype)
    assert isinstance(found, WorkerPotential)
    return found


def gold(n: int = 1) -> Atoms:
    return bulk("Au").repeat((n, 1, 1))


def test_it_holds_the_contract(file: Path) -> None:
    report = check_potential(f"{file}:lj")
    report.require()
    assert [check.name for check in report.checks if check.not_run] == ["unknown elements"]


def test_one_of_single_precision_is_held_to_derivatives_as_well(file: Path) -> None:
    only = ["derivatives", "symmetries"]
    right, wrong = (check_potential(f"{file}:{name}", only=only) for name in ("single", "pressure"))
    right.require()
    assert not any(check.not_run for check in right.checks)
    assert [check.name for check in wrong.failures] == ["derivatives"]
    assert all(("stress" in each.what) != each.passed for each in wrong.failures[0].measurements)


def test_batches_hold_the_contract(batched: Path) -> None:
    report = check_potential(f"{batched}:right")
    report.require()
    assert {check.name for check in report.checks} == set(CHECKS)


def test_elements_that_the_file_does_not_name_are_refused(file: Path) -> None:
    model = load(f"{file}:emt")
    assert model.card.elements[:2] == ("Al", "Cu")
    with pytest.raises(StructureError, match="not trained on Zr"):
        umlip_bench.predict(model, bulk("Zr"))


def test_numbers_are_the_calculator_s_own(file: Path) -> None:
    """Sign and unit of the stress included: an expanded crystal pulls, so that the trace is positive."""
    atoms = rattled(bulk("Cu", cubic=True), seed=3)
    atoms.set_cell(1.03 * atoms.cell.array, scale_atoms=True)
    (found,) = umlip_bench.predict(load(f"{file}:lj"), atoms)
    atoms.calc = LennardJones(sigma=2.0, epsilon=0.1, rc=6.0, smooth=True)
    assert found.energy == atoms.get_potential_energy()
    np.testing.assert_array_equal(found.forces, atoms.get_forces())
    assert found.stress is not None
    np.testing.assert_array_equal(found.stress, atoms.get_stress(voigt=False))
    assert np.trace(found.stress) > 0


def test_the_number_format_is_the_worker_s(
    file: Path, batched: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert str(load(f"{file}:lj", dtype="float32").dtype) == "torch.float64"
    assert str(load(f"{file}:single", dtype="float32").dtype) == "torch.float32"
    assert "takes no other" not in caplog.text
    assert str(load(f"{file}:single", dtype="float64").dtype) == "torch.float32"
    assert "calculators:single computes in float32 and takes no other" in caplog.text
    assert str(load(f"{batched}:right", dtype="float32").dtype) == "torch.float32"


@pytest.mark.parametrize("checkpoint", ["nan", "off"])
def test_batches_that_give_other_numbers_are_refused(batched: Path, checkpoint: str) -> None:
    with pytest.raises(
        WorkerError, match=r"a batch of \d structures gives other numbers"
    ) as caught:
        load(f"{batched}:{checkpoint}")
    (forces,) = re.findall(r"(\S+) eV/Å and", str(caught.value))
    assert forces == {"nan": "nan", "off": "0.25"}[checkpoint]


def test_a_batch_that_fails_is_taken_apart(batched: Path) -> None:
    model = load(f"{batched}:raises-on-gold")
    requests = [Static(atoms) for atoms in (bulk("Cu"), gold(), bulk("Al"))]
    outcomes = {each.key: each for each in run_requests(model, requests)}
    assert isinstance(outcomes[0], Done)
    assert isinstance(outcomes[2], Done)
    assert isinstance(outcomes[1], Failed)
    assert str(outcomes[1].error) == (
        "Au: batches:raises-on-gold failed with ZeroDivisionError: gold is too dear"
    )


def test_a_model_without_stress(batched: Path) -> None:
    (found,) = umlip_bench.predict(load(f"{batched}:no-stress"), bulk("Cu"))
    assert found.stress is None


def test_a_bad_structure_fails_alone(file: Path) -> None:
    model = load(f"{file}:raises-on-gold")
    requests = [Static(atoms) for atoms in (bulk("Cu"), gold(), bulk("Al"))]
    failed = [each for each in run_requests(model, requests) if isinstance(each, Failed)]
    (one,) = failed
    assert (one.key, type(one.error)) == (1, StructureError)


def test_one_death_of_a_worker_loses_nothing(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = load(f"{file}:lj")
    before = umlip_bench.predict(model, bulk("Cu"))
    pid = model.worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    after = umlip_bench.predict(model, bulk("Cu"))
    assert after[0].energy == before[0].energy
    assert "was ended by SIGKILL while it was asked" in caplog.text
    assert "It is started again and asked once more" in caplog.text


def test_a_structure_that_kills_the_worker_fails_alone(file: Path) -> None:
    model = load(f"{file}:dies-on-gold")
    requests = [Static(atoms) for atoms in (bulk("Cu"), gold(), bulk("Al"))]
    outcomes = {each.key: each for each in run_requests(model, requests)}
    assert isinstance(outcomes[0], Done)
    assert isinstance(outcomes[2], Done)
    assert isinstance(outcomes[1], Failed)
    assert "SIGKILL" in str(outcomes[1].error)


def test_a_request_has_a_time_limit(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(f"{file}:hangs-on-gold")
    monkeypatch.setattr("umlip_bench.potentials.adapters.worker.SECONDS_PER_ATOM", 0.1)
    model.seconds = 0.5
    with pytest.raises(UmlipBenchError, match=r"no answer within 0\.6 s"):
        umlip_bench.predict(model, gold())


@pytest.mark.parametrize("value", ["soon", "-1", "nan"])
def test_a_time_limit_that_is_none(file: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(SECONDS_VARIABLE, value)
    with pytest.raises(
        UmlipBenchError, match=f"{SECONDS_VARIABLE} is '{value}'; it must be a finite"
    ):
        load(f"{file}:lj")


def test_memory_that_runs_out_halves_the_call(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = load(f"{file}:memory-on-gold")
    with pytest.raises(UmlipBenchError, match="does not fit on cpu"):
        umlip_bench.predict(model, [bulk("Cu"), gold()])
    assert "not enough memory for a call of 2 structures" in caplog.text


class TestNames:
    """From ``ENVIRONMENT:CHECKPOINT`` to an identity."""

    def test_the_identity_is_of_file_lock_and_checkpoint(self, file: Path, tmp_path: Path) -> None:
        store = WeightsStore()
        first = locate(f"{file}:lj", store)
        assert first.card.name == "calculators:lj"
        assert locate(f"{file}:lj", store).sha256 == first.sha256
        assert locate(f"environment:{file}:lj", store).sha256 == first.sha256
        assert locate(f"{file}:emt", store).sha256 != first.sha256
        built_by_hand(file, CALCULATORS.replace("epsilon=0.1", "epsilon=0.2"))
        assert locate(f"{file}:lj", store).sha256 != first.sha256

    def test_weights_of_one_s_own_count_by_their_bytes(self, file: Path, tmp_path: Path) -> None:
        content = CALCULATORS + (
            "\n\ndef setup_from_path(path, device='cpu'):\n"
            "    return LennardJones(sigma=2.0, epsilon=float(open(path).read()), rc=6.0)\n"
        )
        built_by_hand(file, content)
        weights = tmp_path / "mine.pt"
        weights.write_text("0.1")
        first = locate(f"{file}:{weights}", WeightsStore())
        (one,) = umlip_bench.predict(load(f"{file}:{weights}"), bulk("Cu"))
        weights.write_text("0.2")
        assert locate(f"{file}:{weights}", WeightsStore()).sha256 != first.sha256
        (two,) = umlip_bench.predict(load(f"{file}:{weights}"), bulk("Cu"))
        assert two.energy == pytest.approx(2 * one.energy)

    def test_weights_without_a_published_digest_are_pinned(
        self, file: Path, tmp_path: Path
    ) -> None:
        weights = tmp_path / "downloaded.pt"
        content = CALCULATORS.replace(
            "    return lennard_jones()\n",
            f"    open({str(weights)!r}, 'rb').read()\n    return lennard_jones()\n",
        )
        built_by_hand(file, content)
        weights.write_bytes(b"1" * 20_000)
        load(f"{file}:lj")
        load(f"{file}:lj")
        weights.write_bytes(b"2" * 20_000)
        with pytest.raises(
            WeightsError, match=r"downloaded.pt should be other weights.*delete"
        ) as error:
            load(f"{file}:lj")
        Path(str(error.value).rpartition("delete ")[2]).unlink()
        load(f"{file}:lj")

    def test_published_digests_are_held_to(self, file: Path, tmp_path: Path) -> None:
        weights = locate(f"{file}:lj", WeightsStore())
        assert isinstance(weights, EnvironmentWeights)
        published = replace(weights, published=(WeightsFile("a.pt", "", sha256="0" * 64),))
        published.check_loaded({"/somewhere/a.pt": "0" * 64, "/elsewhere/b.pt": "1" * 64})
        with pytest.raises(WeightsError, match=r"lj: a\.pt should be other weights"):
            published.check_loaded({"/somewhere/a.pt": "1" * 64})

    def test_a_scaled_model_finds_its_parent_again(self, file: Path, tmp_path: Path) -> None:
        parent = load(f"{file}:lj", dtype="float64")
        atoms = rattled(bulk("Ar", "fcc", a=3.2, cubic=True), seed=3)
        (before,) = umlip_bench.predict(parent, atoms)
        frame = datasets.Frame(atoms, -1.0, 1.25 * before.forces, None, "Ar", 0)
        fit = finetune.fit_scalar(
            parent, [frame], estimator=Estimator.ROTATE, references={"Ar": -0.1}
        )
        out = finetune.save(fit, parent, tmp_path / "scaled")
        made = yaml.safe_load((out / "card.yaml").read_text())["made"]
        assert made["environment"]["ase"] == version("ase")
        (after,) = umlip_bench.predict(umlip_bench.potential(str(out), device="cpu"), atoms)
        np.testing.assert_allclose(after.forces, 1.25 * before.forces, rtol=1e-12)
        built_by_hand(file, CALCULATORS.replace("epsilon=0.1", "epsilon=0.2"))
        with pytest.raises(WeightsError, match="with weights of sha256"):
            locate(str(out), WeightsStore())

    def test_files_and_families_keep_their_meaning(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("sevennet:7net-0").write_bytes(b"weights")
        with pytest.raises(UmlipBenchError, match="cannot tell which family"):
            locate("sevennet:7net-0", WeightsStore())
        Path("mace.py").write_text(HEADER)
        with pytest.raises(UmlipBenchError, match="does not exist"):
            locate("mace:lj", WeightsStore())

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            (
                "{file}:gold",
                "the environment calculators has no checkpoint 'gold'; write .* emt, lj, ",
            ),
            ("{file}", "calculators alone is no model; write .*:CHECKPOINT with one of emt, lj"),
            ("nothing.py:lj", "'nothing.py' is neither an environment .* nor an environment file"),
            ("sevenet:7net-0", "'sevenet' is neither a family .* nor an environment .*sevennet"),
            ("sevennet", "sevennet alone is no model"),
        ],
    )
    def test_names_that_stand_for_nothing(self, file: Path, name: str, message: str) -> None:
        with pytest.raises(UnknownModelError, match=message):
            locate(name.format(file=file), WeightsStore())

    def test_one_that_is_not_built_says_how_to(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("UMLIP_BENCH_ENVIRONMENTS", str(tmp_path))
        with pytest.raises(UmlipBenchError, match="umlip-bench env build sevennet"):
            locate("sevennet:7net-0", WeightsStore())
