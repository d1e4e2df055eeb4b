"""Of labels that a better potential gave instead of DFT: which one, and how far it is from DFT itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Teacher:
    """A potential that gave labels.

    Parameters
    ----------
    name
        As ``--model`` takes it.
    sha256
        Of its weights.
    judged_on
        Embedded set of DFT labels that its own error is known on; ``None`` if it is not.
    n_materials
        Of that set.
    force_mae
        Its force MAE there, the median over materials, in eV/Å; ``None`` if it is not known.
    force_slope
        Its force slope there, likewise; dimensionless.
    """

    name: str
    sha256: str
    judged_on: str | None = None
    n_materials: int = 0
    force_mae: float | None = None
    force_slope: float | None = None

    def __str__(self) -> str:
        if self.judged_on is None or self.force_mae is None or self.force_slope is None:
            error = "whose own error on DFT is not known here (the embedded set is of another functional)"
        else:
            error = (
                f"whose own error on the DFT of {self.judged_on} is a force MAE of {self.force_mae:.3f} eV/Å "
                f"and a force slope of {self.force_slope:.3f} (medians of {self.n_materials} materials)"
            )
        return f"the teacher {self.name}, {error}"
