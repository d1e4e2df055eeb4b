"""Dataclasses through npz files and back, whatever is missing in them."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pytest
from numpy.typing import NDArray

from umlip_bench.ground.arrays import from_arrays, to_arrays
from umlip_bench.ground.packed import pack, unpack

FloatArray = NDArray[np.float64]


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, eq=False)
class Part:
    numbers: NDArray[np.int64]
    weight: float
    stress: FloatArray | None
    colour: Colour
    flags: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Whole:
    name: str
    n: int
    right: bool
    pair: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]
    one: Part | None
    other: Part | None
    curve: FloatArray
    capacity: float | None


def part(n: int, stressed: bool, *flags: str) -> Part:
    stress = np.eye(3) * n if stressed else None
    return Part(np.arange(n), n / 7, stress, Colour.BLUE if n % 2 else Colour.RED, flags)


def whole(*parts: Part) -> Whole:
    curve = np.array([[0.1, np.nan], [np.inf, -0.0]])
    return Whole("MgO", 3, True, (("Γ", "X"), ("K", "Γ")), parts, part(2, True), None, curve, None)


def assert_same(one: object, other: object) -> None:
    assert type(one) is type(other)
    for name, value in vars(one).items():
        again = getattr(other, name)
        if isinstance(value, Part):
            assert_same(value, again)
        elif isinstance(value, tuple) and value and isinstance(value[0], Part):
            assert len(value) == len(again)
            for a, b in zip(value, again, strict=True):
                assert_same(a, b)
        elif isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, again)
            assert value.dtype == again.dtype
        else:
            assert (value, type(value)) == (again, type(again)), name


@pytest.mark.parametrize(
    "value",
    [
        whole(),
        whole(part(3, True, "a", "b")),
        whole(part(3, False), part(0, False, "c"), part(1, False)),
        whole(part(3, True), part(2, False, "", "zwei\nZeilen"), part(1, True)),
    ],
    ids=["none", "one", "without stress", "some with stress"],
)
def test_it_comes_back_through_a_file(value: Whole) -> None:
    again = from_arrays(Whole, unpack(pack(to_arrays(value))))
    assert_same(value, again)


def test_many_small_ones_share_arrays() -> None:
    few, many = (to_arrays(whole(*[part(3, True, "x")] * n)) for n in (2, 500))
    assert few.keys() == many.keys()


def test_what_is_missing_or_does_not_fit_is_named() -> None:
    arrays = to_arrays(whole(part(3, True), part(2, True)))
    with pytest.raises(KeyError, match="parts/weight"):
        from_arrays(Whole, {k: v for k, v in arrays.items() if k != "parts/weight"})
    with pytest.raises(ValueError, match="parts/weight has 1 values, not 2"):
        from_arrays(Whole, {**arrays, "parts/weight": arrays["parts/weight"][:1]})
    with pytest.raises(ValueError, match="4 values for 5 places"):
        from_arrays(Whole, {**arrays, "parts/numbers": arrays["parts/numbers"][:4]})


def test_other_types_are_refused() -> None:
    @dataclass
    class Odd:
        value: dict

    Odd.__annotations__["value"] = dict
    with pytest.raises(TypeError, match="value"):
        to_arrays(Odd({}))
