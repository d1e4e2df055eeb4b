"""The method e0: element references shifted to the labels' energies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from umlip_bench.finetune.method import Fit, Method, Needs, NoSettings, Surroundings

if TYPE_CHECKING:
    from rich.console import Console

    from umlip_bench.datasets import Frame
    from umlip_bench.potentials.corrections.modification import Change
    from umlip_bench.potentials.protocol import Potential


class References(Method[NoSettings]):
    """See the module; the fit is `umlip_bench.finetune.references.fit_references`."""

    name = "e0"
    help = "element references shifted to the labels' energies; forces and stress stay"
    needs = Needs.ENERGIES
    rung = 20.0
    corrects_forces = False
    judges_held_out = True

    def fit(
        self,
        parent: Potential,
        labels: Sequence[Frame],
        settings: NoSettings,
        around: Surroundings,
    ) -> Fit:
        from umlip_bench.finetune.references import fit_references

        return fit_references(parent, labels, held_out=around.held_out)

    @classmethod
    def change(cls) -> type[Change]:
        from umlip_bench.potentials.corrections.modification import ReferenceShift

        return ReferenceShift

    def show(self, fit: Fit, model: str, console: Console) -> None:
        from umlip_bench.finetune.printing.training import print_shift
        from umlip_bench.finetune.references import ShiftFit

        assert isinstance(fit, ShiftFit)
        print_shift(fit, model, console)
