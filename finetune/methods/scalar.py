"""The method scalar: one factor on the energy surface, fitted to forces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from umlip_bench.finetune.estimators import DEFAULT_ESTIMATOR, Estimator
from umlip_bench.finetune.factor_method import FactorFrom, FactorMethod
from umlip_bench.finetune.method import Fit, Needs, Surroundings

if TYPE_CHECKING:
    from rich.console import Console

    from umlip_bench.analysis.frames import MaterialComparison
    from umlip_bench.datasets import Frame
    from umlip_bench.potentials.corrections.modification import Change
    from umlip_bench.potentials.protocol import Potential


@dataclass(frozen=True)
class ScalarSettings:
    """How the factor is fitted.

    Parameters
    ----------
    estimator
        rotate: 1/slope; mse: least squared error; shrunk: mse, carried to the states of use and drawn towards
        the factor that the model needs on other materials, the more the less the labels say.
    references
        Energy in eV of each element about which to scale, in place of the model's own references, e.g. of
        isolated atoms for a foreign calculator, whose references count as zero otherwise.
    """

    estimator: Estimator = DEFAULT_ESTIMATOR
    references: Mapping[str, float] | None = None


class Scalar(FactorMethod[ScalarSettings]):
    """See the module; the fit is `umlip_bench.finetune.scalar.fit_scalar`."""

    name = "scalar"
    help = "the energy surface times one factor about the model's element references"
    needs = Needs.FORCES
    rung = 10.0
    judges_held_out = True
    serves_states = True
    version = 3
    settings: ClassVar[type] = ScalarSettings

    def fit(
        self,
        parent: Potential,
        labels: Sequence[Frame],
        settings: ScalarSettings,
        around: Surroundings,
    ) -> Fit:
        from umlip_bench.finetune.scalar import fit_scalar

        return fit_scalar(
            parent,
            labels,
            estimator=settings.estimator,
            references=settings.references,
            reference=around.reference,
            states=around.states,
            held_out=around.held_out,
        )

    @classmethod
    def change(cls) -> type[Change]:
        from umlip_bench.potentials.corrections.modification import ScalarCorrection

        return ScalarCorrection

    def prepare(self, parent: Potential, settings: ScalarSettings, around: Surroundings) -> None:
        """Evaluate the reference set, which the usual factor is taken from."""
        if around.reference is not None and settings.estimator is Estimator.SHRUNK:
            around.reference()

    def show(self, fit: Fit, model: str, console: Console) -> None:
        from umlip_bench.finetune.printing.scalar import print_scalar
        from umlip_bench.finetune.scalar import ScalarFit

        assert isinstance(fit, ScalarFit)
        print_scalar(fit, model, console)

    def factors(
        self, reference: Sequence[MaterialComparison], compositions: set[str]
    ) -> Mapping[str, FactorFrom]:
        from umlip_bench.finetune.scalar import factor_of, reference_without

        usual = reference_without(reference, compositions).usual
        return {str(each): partial(factor_of, each, usual) for each in Estimator}
