"""The fit of the law's constants, to materials that scatter by a law of which all is known."""

import numpy as np
import pytest

from tests.finetune.test_factors import material
from umlip_bench.finetune.factor_law import LAW
from umlip_bench.finetune.factor_refit import Material, Refit
from umlip_bench.ground.errors import CorrectionError

USUAL = 0.1
SETS = {"one": 40, "other": 40, "third": 40}
"""Materials of each."""


@pytest.fixture(scope="module")
def found() -> Refit:
    """Three sets of materials of 8 and 54 atoms, by the shipped law."""
    rng = np.random.default_rng(0)

    def frames(n: int, n_atoms: int) -> np.ndarray:
        return material(rng, n, USUAL + 0.2 * rng.normal(), n_atoms, 0.2, 0.4)

    reference = {"model": {f"R{k}": frames(5, 8) for k in range(15)}}
    materials = [
        Material(data, "model", f"{data} {k}", f"M{k}", frames(8, (8, 54)[k % 2]))
        for data, n in SETS.items()
        for k in range(n)
    ]
    return Refit(materials, reference, 4)


@pytest.mark.seconds
def test_the_constants_are_recovered_without_one_of_the_sets(found: Refit) -> None:
    law = found.fitted("third")
    # Components and state are hardly told apart, their sum in a cell of either size is.
    for n in (8, 54):
        scatter, expected = (1 / (each.components * n) + each.state**2 for each in (law, LAW))
        assert scatter**0.5 == pytest.approx(expected**0.5, rel=0.3)
    assert law.drift_spread == pytest.approx(LAW.drift_spread, rel=0.5)
    # The set left out is judged: its intervals hold, and are narrower than those that know no states.
    rows = found.judged(law, "third")
    assert list(rows.index) == [("third", "model", n) for n in (1, 2, 4)]
    assert (rows["materials"] == SETS["third"]).all()
    assert (rows["choices"] == 4 * SETS["third"]).all()
    assert rows["held"].between(0.88, 1.0).all()
    assert (rows["score"] < 0.8 * rows["mse score"]).all()


def test_the_own_composition_is_left_out(found: Refit) -> None:
    """Of 6 reference materials the factor of a seventh can be told, and of none of the six."""
    first = found.choices[0].material
    six = dict(list(found.reference["model"].items())[:6])
    few = Refit([Material("own", "model", "R0", "R0", first.sums)], {"model": six}, 1)
    with pytest.raises(CorrectionError, match="for 5 reference materials"):
        few.judged(LAW, "own")
    assert len(Refit([first], {"model": six}, 1).judged(LAW, first.data)) == 3
