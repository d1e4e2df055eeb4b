"""Equal things have equal digests, different things have different ones, on every machine."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pytest
from ase.build import bulk

from umlip_bench.ground.identity import identity


@dataclass(frozen=True)
class Settings:
    fmax: float
    steps: int
    name: str = "fire"


class Kind(StrEnum):
    FIRE = "fire"


def test_known_digest() -> None:
    """On another machine, in another year: the same."""
    things = ("run", 1, 0.1, None, True, {"b": (1, 2), "a": [math.inf]}, np.arange(3) / 7)
    assert identity(*things) == "1c6e178724543c07b959f76108b5d921"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        (0, None),
        ("", None),
        ("1", 1),
        (b"a", "a"),
        (0.1, 0.1 + 1e-17 + 2e-17),
        (0.0, -0.0),
        (("ab", "c"), ("a", "bc")),
        ((), ((),)),
        ([1, [2]], [[1], 2]),
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        (np.zeros(2), np.zeros((1, 2))),
        (np.zeros(2), np.zeros(2, dtype=int)),
        (np.array(["Si"]), np.array(["Ge"])),
        (Settings(0.1, 5), Settings(0.1, 6)),
        (Settings(0.1, 5), Settings(0.2, 5)),
    ],
)
def test_different_things_differ(one: object, other: object) -> None:
    assert (identity(one) == identity(other)) == (repr(one) == repr(other) and one is other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1, 2), [1, 2]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (np.arange(3, dtype=np.int32), np.arange(3, dtype=np.int64)),
        (np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(6.0).reshape(2, 3)),
        (np.float64(0.3), 0.3),
        (np.int64(3), 3),
        (float("nan"), np.float64("nan")),
        (np.array([np.nan, 1.0]), np.array([-np.nan, 1.0])),
        (Kind.FIRE, "fire"),
        (Settings(0.1, 5), Settings(0.1, 5)),
        ({1, 2}, {2, 1}),
    ],
)
def test_equal_things_agree(one: object, other: object) -> None:
    assert identity(one) == identity(other)


def test_all_of_a_structure_that_decides_on_a_result() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    same = atoms.copy()
    same.info["name"] = "salt"
    assert identity(same) == identity(atoms)
    heavier, magnetic, moved, strained, layered = (atoms.copy() for _ in range(5))
    heavier.set_masses([24, 35])
    magnetic.set_initial_magnetic_moments([1, 0])
    moved.positions[0, 0] += 1e-15
    strained.cell[0, 0] += 1e-15
    layered.pbc = (True, True, False)
    swapped = atoms[[1, 0]]
    everything = [atoms, heavier, magnetic, moved, strained, layered, swapped]
    assert len({identity(each) for each in everything}) == len(everything)


def test_what_cannot_be_told_apart_is_refused() -> None:
    for thing in (object(), lambda: 0, np.array([object()]), Settings):
        with pytest.raises(TypeError, match="has no identity"):
            identity({"a": thing})


def test_every_field_of_a_dataclass_counts() -> None:
    base = Settings(0.1, 5)
    changed = [replace(base, fmax=0.2), replace(base, steps=6), replace(base, name="lbfgs")]
    assert len({identity(each) for each in [base, *changed]}) == 4
