"""Planted mistakes are found, and sound data passes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ase import units

from tests.support.narrowing import some
from umlip_bench import datasets
from umlip_bench.datasets.checks import check_frames
from umlip_bench.datasets.frame import Frame

FRAMES = datasets.load("pbe-mini").frames


def findings(frames: tuple[Frame, ...] | list[Frame]) -> list[Any]:
    return [finding.message for finding in check_frames(frames)]


def test_sound_data_passes() -> None:
    assert findings(FRAMES) == []


@pytest.mark.parametrize("factor", [1 / units.GPa, 10 / units.GPa], ids=["GPa", "kbar"])
def test_stress_in_another_unit(factor: float) -> None:
    spoilt = [replace(f, stress=factor * some(f.stress)) for f in FRAMES]
    unit = "GPa" if factor < 1 / units.GPa * 2 else "kbar"
    named = check_frames(spoilt)
    # All materials are named, each once; those with comparable frames with the unit that it is.
    assert {k for finding in named for k in finding.frames} == {f.index for f in FRAMES}
    assert sum(len(finding.frames) for finding in named) == len(FRAMES)
    exact = [f for f in named if "stress is far too large" in f.message]
    assert sum(len(f.frames) for f in exact) > len(FRAMES) / 2
    assert all(f"in {unit} (multiply by" in f.message for f in exact)
    (guess,) = [f.message for f in named if f not in exact]
    assert "kbar (multiply by 0.000624151), GPa (multiply by 0.00624151)" in guess


def scan(sign: int) -> Iterator[Frame]:
    """Silicon at several volumes, with the pressure of a bulk modulus of 90 GPa."""
    frame = next(f for f in FRAMES if f.system == "Si")
    for index, strain in enumerate((-0.03, -0.01, 0.01, 0.03)):
        atoms = frame.atoms.copy()
        atoms.set_cell(atoms.cell.array * (1 + strain), scale_atoms=True)
        stress = sign * 3 * strain * 90 * units.GPa * np.eye(3)
        yield replace(frame, atoms=atoms, stress=stress, index=index)


def test_stress_of_the_wrong_sign() -> None:
    assert findings(list(scan(+1))) == []
    (message,) = findings(list(scan(-1)))
    assert "opposite sign" in message


@pytest.mark.seconds
def test_energies_per_atom() -> None:
    spoilt = [replace(f, energy=f.energy / len(f.atoms)) for f in FRAMES]
    assert any("per atom" in message for message in findings(spoilt))
    small = next(f for f in FRAMES if f.system == "MgO")
    large = Frame(
        small.atoms.repeat((2, 1, 1)),
        small.energy,
        np.tile(small.forces, (2, 1)),
        small.stress,
        "MgO",
        1,
    )
    (message,) = findings([small, large])
    assert "cells of 8 and 16 atoms have about the same REF_energy" in message
    assert findings([small, replace(large, energy=2 * small.energy)]) == []


def test_forces_that_do_not_sum_to_zero() -> None:
    frame = FRAMES[5]
    pinned = frame.forces.copy()
    pinned[0] = 0.0
    (finding,) = check_frames([*FRAMES[:5], replace(frame, forces=pinned)])
    assert "do not sum to zero" in finding.message
    assert finding.frames == (frame.index,)


@pytest.mark.seconds
def test_duplicates_with_and_without_the_same_label() -> None:
    copy = replace(FRAMES[3], index=99)
    (finding,) = check_frames([*FRAMES, copy])
    assert "1 geometries occur more than once: " in finding.message
    assert finding.frames == (3, 99)
    (other,) = check_frames([*FRAMES, replace(copy, energy=copy.energy + 1)])
    assert "with different energies" in other.message


def test_missing_stress_and_zero_forces() -> None:
    bare = [replace(f, stress=None) for f in FRAMES[:2]]
    (message,) = findings([*bare, *FRAMES[2:]])
    assert message.startswith(f"2 of {len(FRAMES)} frames have no REF_stress")
    (message,) = findings([replace(FRAMES[0], forces=np.zeros_like(FRAMES[0].forces))])
    assert "no force at all" in message
