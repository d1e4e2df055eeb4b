"""Kernels: the same numbers as torch, derivatives and theirs, and a way without a compiler."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import bulk
from chgnet.model.basis import Fourier, RadialBessel
from torch import Tensor

from tests.conftest import LoadModel
from umlip_bench.potentials.adapters.chgnet_bases import bessel, fourier
from umlip_bench.potentials.adapters.m3gnet import order_of_component, own_contributions
from umlip_bench.potentials.kernels import library
from umlip_bench.potentials.kernels.gated import gated, gated_in_torch
from umlip_bench.potentials.kernels.gated_terms import (
    Chosen,
    Features,
    Gathering,
    Layer,
    Norm,
    Perceptron,
)
from umlip_bench.potentials.kernels.library import VARIABLE, kernels_for, without_kernels
from umlip_bench.potentials.kernels.linear import linear
from umlip_bench.potentials.kernels.rows import gather_rows
from umlip_bench.potentials.kernels.threebody import (
    Bonds,
    Terms,
    threebody,
    threebody_in_torch,
)
from umlip_bench.potentials.protocol import DifferentiablePotential

ATOMS = 7
WIDTH = 16
"""A multiple of what a vector of any processor holds."""


@pytest.fixture(autouse=True)
def kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """In both number formats."""
    monkeypatch.setenv(VARIABLE, "all")
    if kernels_for(torch.zeros(1)) is None:
        pytest.skip("there is no C compiler")


class Case:
    """A gated perceptron with rows to gather, of random numbers.

    As in CHGNet's convolution of atoms, its others and its update of angles, and in M3GNet's.
    """

    def __init__(self, kind: str, rows: int, dtype: torch.dtype, width: int = WIDTH) -> None:
        generator = torch.Generator().manual_seed(rows)

        def random(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=dtype) / 2

        def chosen() -> Tensor:
            return torch.randint(0, ATOMS, (rows,), generator=generator, dtype=torch.int32)

        widths = {"angle": [width], "m3gnet": [2 * width, 2 * width, width]}.get(kind, [width] * 2)
        layers = tuple(
            Layer(random(b, a), random(b), random(b, a), random(b)) for a, b in pairwise(widths)
        )
        norms = None if kind == "m3gnet" else (self.norm(random, width), self.norm(random, width))
        own = None if kind == "atom" else random(rows, width)
        matrix = None if own is None else random(2 * widths[0], width)
        bias = None if own is None else random(2 * widths[0])
        products = (random(ATOMS, 4 * widths[0]), random(ATOMS, 2 * widths[0]))
        parts = (Chosen(0, 0, chosen()), Chosen(1, 0, chosen()), Chosen(0, 1, chosen()))
        weights: tuple[Tensor, ...] = ()
        of: tuple[Tensor | None, ...] = ()
        matrices: tuple[Tensor | None, ...] = ()
        if kind in ("atom", "bond"):
            weights, of = (random(ATOMS, width), random(ATOMS, width)), (chosen(), chosen())
        elif kind == "m3gnet":
            weights, of, matrices = (random(rows, 3),), (None,), (random(width, 3),)
        summed = kind != "angle"
        self.perceptron = Perceptron(widths[0], layers, norms, matrix, bias, matrices)
        self.at = Gathering(parts, of, chosen() if summed else None, ATOMS, residual=not summed)
        self.features = Features(products, own, weights)

    @staticmethod
    def norm(random: Callable[..., Tensor], width: int) -> Norm:
        return Norm(1 + random(width), random(width), 1e-5)

    def flat(self) -> tuple[Tensor, ...]:
        return tuple(t.clone().requires_grad_() for t in self.features.flat())

    def by_kernel(self, *flat: Tensor) -> Tensor:
        return gated(self.perceptron, self.features.like(flat), self.at)

    def in_torch(self, *flat: Tensor) -> Tensor:
        return gated_in_torch(self.perceptron, self.features.like(flat), self.at)


KINDS = ["atom", "bond", "angle", "m3gnet"]


def same_with_gradients(
    f: Callable[..., Tensor], g: Callable[..., Tensor], flat: tuple[Tensor, ...], tolerance: float
) -> None:
    """Results and first derivatives, to a tolerance relative to the largest."""
    ours, theirs = f(*flat), g(*flat)
    upstream = torch.cos(torch.arange(ours.numel(), dtype=ours.dtype)).reshape(ours.shape)
    found = torch.autograd.grad(ours, flat, upstream)
    expected = torch.autograd.grad(theirs, flat, upstream)
    for a, b in zip((ours, *found), (theirs, *expected), strict=True):
        assert torch.isfinite(a).all()
        scale = max(float(b.detach().abs().max()) if b.numel() else 0.0, 1e-3)
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [0, 1, 47, 48, 101])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 3e-6), (torch.float64, 1e-14)])
def test_gated_perceptrons_are_those_of_torch(
    kind: str, rows: int, dtype: torch.dtype, tolerance: float
) -> None:
    """With rows that fill blocks and tiles, and such as do not."""
    case = Case(kind, rows, dtype)
    grad = case.by_kernel(*case.flat()).grad_fn
    assert grad is not None
    assert "Gated" in grad.name()
    same_with_gradients(case.by_kernel, case.in_torch, case.flat(), tolerance)


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_of_gated_perceptrons_and_theirs(kind: str) -> None:
    """Against finite differences, in float64; the second ones are needed for training."""
    case = Case(kind, 5, torch.float64)
    assert torch.autograd.gradcheck(case.by_kernel, case.flat(), fast_mode=True)
    assert torch.autograd.gradgradcheck(case.by_kernel, case.flat(), fast_mode=True)


def test_saturated_and_broken_numbers() -> None:
    """Sigmoids far out are 0 and 1, and not-a-number is not lost."""
    case = Case("m3gnet", 20, torch.float32)
    large = tuple(3000 * t.detach() for t in case.features.flat())
    a, b = case.by_kernel(*large), case.in_torch(*large)
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * float(b.abs().max()))
    large[1][:] = torch.nan
    assert torch.isnan(case.by_kernel(*large)).any(dim=1).all()


def test_tensors_that_are_laid_out_otherwise() -> None:
    """Transposed features and 64-bit rows."""
    case = Case("m3gnet", 20, torch.float32)
    turned = tuple(t.detach().t().contiguous().t().requires_grad_() for t in case.features.flat())
    assert not turned[0].is_contiguous()
    same_with_gradients(case.by_kernel, case.in_torch, turned, 3e-6)
    at, whole = case.at, case.by_kernel(*case.flat())
    assert at.segments is not None
    long = Gathering(
        tuple(Chosen(p.product, p.block, p.rows.long()) for p in at.parts),
        at.weights,
        at.segments.long(),
        at.n,
    )
    torch.testing.assert_close(gated(case.perceptron, case.features, long), whole)


def test_trained_parameters_are_differentiated() -> None:
    """By torch, to which the kernel leaves them."""
    case = Case("atom", 20, torch.float32)
    matrix = case.perceptron.layers[0].core.requires_grad_()
    case.by_kernel(*case.flat()).sum().backward()
    assert matrix.grad is not None
    assert matrix.grad.abs().max() > 0


def terms(dtype: torch.dtype) -> tuple[tuple[Tensor, ...], Bonds]:
    generator = torch.Generator().manual_seed(0)
    rows = 40
    first, second = torch.randint(0, ATOMS, (2, rows), generator=generator, dtype=torch.int32)
    shapes = ((rows, 9), (ATOMS, 9), (rows, 9), (rows,))
    flat = (torch.randn(*shape, generator=generator, dtype=dtype) for shape in shapes)
    return tuple(t.requires_grad_() for t in flat), Bonds(
        first, second, own_contributions(3), order_of_component(3)
    )


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 3e-6), (torch.float64, 1e-14)])
def test_threebody_sums_are_those_of_torch(dtype: torch.dtype, tolerance: float) -> None:
    flat, bonds = terms(dtype)
    turned = tuple(t.detach().t().contiguous().t().requires_grad_() for t in flat)
    for each in (flat, turned):
        same_with_gradients(
            lambda *t: threebody(Terms(*t), bonds),
            lambda *t: threebody_in_torch(Terms(*t), bonds),
            each,
            tolerance,
        )


def test_derivatives_of_threebody_sums_and_theirs() -> None:
    flat, bonds = terms(torch.float64)

    def function(*t: Tensor) -> Tensor:
        return threebody(Terms(*t), bonds)

    assert torch.autograd.gradcheck(function, flat, fast_mode=True)
    assert torch.autograd.gradgradcheck(function, flat, fast_mode=True)


def test_linear_maps() -> None:
    generator = torch.Generator().manual_seed(0)
    for rows in (0, 1, 7, 60):
        x, w, b = (
            torch.randn(*shape, generator=generator, dtype=torch.float64)
            for shape in ((rows, 16), (32, 16), (32,))
        )
        x.requires_grad_()
        torch.testing.assert_close(linear(x, w, b), torch.nn.functional.linear(x, w, b))
        if rows:
            assert torch.autograd.gradcheck(linear, (x, w, b), fast_mode=True)
            assert torch.autograd.gradgradcheck(linear, (x, w, b), fast_mode=True)


# ---- models

MODELS = ["chgnet-0.3.0", "chgnet-0.2.0", "m3gnet-mp-2021.2.8", "m3gnet-matpes-pbe-2025.1"]
CELLS = [bulk("NaCl", "rocksalt", a=5.64, cubic=True), bulk("Si"), bulk("SiC", "zincblende", a=4.3)]
for seed, cell in enumerate(CELLS):
    cell.rattle(0.05, seed=seed)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("dtype", "energy", "forces"), [("float32", 5e-6, 5e-5), ("float64", 1e-10, 1e-10)]
)
def test_models_say_the_same_without_kernels(
    load_model: LoadModel, name: str, dtype: str, energy: float, forces: float
) -> None:
    model = load_model(name, dtype=dtype)
    graphs = [model.prepare(atoms) for atoms in CELLS]
    found = model.evaluate(graphs)
    with without_kernels():
        expected = model.evaluate(graphs)
    for a, b in zip(found, expected, strict=True):
        assert abs(a.energy - b.energy) / len(a.forces) < energy
        assert np.abs(a.forces - b.forces).max() < forces
        assert a.stress is not None
        assert b.stress is not None
        assert np.abs(a.stress - b.stress).max() < forces
    assert any(not np.array_equal(a.forces, b.forces) for a, b in zip(found, expected, strict=True))


def curvature(model: DifferentiablePotential) -> np.ndarray:
    """A row of the Hessian in eV/Å²."""
    batch = model.collate([model.prepare(CELLS[2])])
    batch.positions.requires_grad_()
    energy = model.energies(batch).energy.sum()
    (gradient,) = torch.autograd.grad(energy, batch.positions, create_graph=True)
    (row,) = torch.autograd.grad(gradient[0, 1], batch.positions)
    return row.numpy()


@pytest.mark.parametrize("name", MODELS)
def test_second_derivatives_of_models(load_model: LoadModel, name: str) -> None:
    model = load_model(name, dtype="float64")
    assert isinstance(model, DifferentiablePotential)
    found = curvature(model)
    with without_kernels():
        expected = curvature(model)
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())


# ---- machines


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """As on a machine on which nothing was compiled."""
    monkeypatch.setenv("UMLIP_BENCH_CACHE", str(tmp_path))
    library._library.cache_clear()
    return tmp_path


def test_kernels_are_compiled_once(anew: Path) -> None:
    assert kernels_for(torch.zeros(1)) is not None
    (compiled,) = (anew / "kernels").glob("*.so")
    library._library.cache_clear()
    before = compiled.stat()
    assert kernels_for(torch.zeros(1)) is not None
    assert compiled.stat() == before or compiled.stat().st_mtime == before.st_mtime
    library._library.cache_clear()


@pytest.mark.parametrize("left", ["nothing", "zeros", "a part", "no digest"])
def test_a_damaged_library_is_compiled_again(anew: Path, left: str) -> None:
    """As full disks and crashes leave them: used as it is, such a part ends the process."""
    compiler = library._compiler()
    assert compiler is not None
    path = library._compiled(compiler)
    whole = path.read_bytes()
    damaged = {"nothing": b"", "zeros": bytes(len(whole)), "a part": whole[: len(whole) // 2]}
    if left in damaged:
        path.write_bytes(damaged[left])
    else:
        path.with_suffix(".sha256").unlink()
    assert library._compiled(compiler) == path
    assert library._is_whole(path)
    assert len(path.read_bytes()) == len(whole)
    assert kernels_for(torch.zeros(1)) is not None
    library._library.cache_clear()


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_without_a_compiler_all_is_done_in_torch(
    anew: Path, monkeypatch: pytest.MonkeyPatch, compiler: str
) -> None:
    monkeypatch.setenv("CC", compiler)
    assert kernels_for(torch.zeros(1)) is None
    case = Case("bond", 30, torch.float32)
    assert torch.equal(case.by_kernel(*case.flat()), case.in_torch(*case.flat()))
    library._library.cache_clear()


def test_kernels_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    assert kernels_for(torch.zeros(1)) is not None
    assert kernels_for(torch.zeros(1, dtype=torch.float64)) is None
    with without_kernels():
        assert kernels_for(torch.zeros(1)) is None
    before = torch.get_num_threads()
    torch.set_num_threads(library.MOST_THREADS + 1)
    try:
        assert kernels_for(torch.zeros(1)) is None
    finally:
        torch.set_num_threads(before)
    monkeypatch.setenv(VARIABLE, "off")
    assert kernels_for(torch.zeros(1)) is None


# ---- CHGNet's bases


@pytest.mark.parametrize("smooth", [5, 8])
def test_bases_of_chgnet_are_the_library_s(smooth: int) -> None:
    """With first and second derivatives, on both sides of the cutoff."""
    radial = RadialBessel(num_radial=7, cutoff=4.0, smooth_cutoff=smooth).double()
    angular = Fourier(order=4).double()
    distances = torch.tensor([0.7, 1.3, 2.9, 3.99, 4.0, 4.5], dtype=torch.float64)
    angles = torch.tensor([1e-3, 0.4, 1.5, 3.1], dtype=torch.float64)
    for ours, module, values in ((bessel, radial, distances), (fourier, angular, angles)):
        values.requires_grad_()
        same_with_gradients(partial(ours, module), module, (values,), 1e-13)
        assert torch.autograd.gradcheck(partial(ours, module), values[:4].detach().requires_grad_())
        assert torch.autograd.gradgradcheck(
            partial(ours, module), values[:4].detach().requires_grad_()
        )


def test_gathered_rows_and_their_gradients() -> None:
    values = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    rows = torch.tensor([0, 2, 2, 3, 0], dtype=torch.int32)
    assert torch.equal(gather_rows(values, rows), values[rows.long()])
    squares = partial(lambda rows, x: gather_rows(x, rows) ** 2, rows)
    assert torch.autograd.gradcheck(squares, values)
    assert torch.autograd.gradgradcheck(squares, values)
