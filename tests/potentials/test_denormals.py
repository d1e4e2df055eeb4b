"""Numbers below the smallest normal one of float32."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from ase.build import bulk

from tests.conftest import LoadModel
from umlip_bench import predict
from umlip_bench.potentials import protocol
from umlip_bench.potentials.denormals import flushed

CPU = torch.device("cpu")
if not torch.set_flush_denormal(True):
    pytest.skip("this processor has no such mode", allow_module_level=True)
torch.set_flush_denormal(False)


@pytest.fixture(autouse=True)
def unchanged() -> Iterator[None]:
    assert product() > 0
    yield
    torch.set_flush_denormal(False)


def product() -> float:
    return float(torch.tensor(2e-38) * torch.tensor(0.1))


def test_they_are_zero_inside_alone() -> None:
    with flushed(CPU, torch.float32):
        assert product() == 0
        with flushed(CPU, torch.float32):
            assert product() == 0
        assert product() == 0
    assert product() > 0
    with pytest.raises(KeyError), flushed(CPU, torch.float32):
        raise KeyError
    assert product() > 0


def test_float64_has_them() -> None:
    with flushed(CPU, torch.float64):
        assert product() > 0


def test_what_a_user_has_set_stays() -> None:
    torch.set_flush_denormal(True)
    with flushed(CPU, torch.float32):
        pass
    assert product() == 0


def test_numpy_may_raise_underflow() -> None:
    with np.errstate(all="raise"), flushed(CPU, torch.float32):
        assert product() == 0


@pytest.mark.parametrize("name", ["chgnet-0.3.0", "m3gnet-mp-2021.2.8"])
def test_results_are_the_same(
    name: str, load_model: LoadModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(name)
    atoms = bulk("MgO", "rocksalt", a=4.25).repeat(2)
    atoms.rattle(0.1, seed=1)
    (found,) = predict(model, [atoms])
    assert product() > 0
    monkeypatch.setattr(protocol, "flushed", lambda device, dtype: flushed(CPU, torch.float64))
    (expected,) = predict(model, [atoms])
    assert found.energy == pytest.approx(expected.energy, abs=1e-6)
    assert found.forces == pytest.approx(expected.forces, abs=1e-7)
