"""A corrected model in one call, for scripts and notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ase import Atoms
from ase.calculators.calculator import Calculator

from umlip_bench.datasets.given import Labels, as_dataset
from umlip_bench.engine.calculator import PotentialCalculator
from umlip_bench.finetune.folder import LabelSource, check_target, save
from umlip_bench.finetune.method import ClosedFit, Surroundings, fit
from umlip_bench.finetune.method import method as method_named
from umlip_bench.ground.codec import parse
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.potentials.corrections.applied import applied
from umlip_bench.potentials.corrections.folder import (
    CorrectedWeights,
    Correction,
    ParentModel,
    corrected_card,
)
from umlip_bench.potentials.loading import potential
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.weights import Origin


def correct(
    model: str | Path | Calculator | Potential,
    labels: Labels,
    *,
    method: str = "scalar",
    states: Sequence[Atoms] = (),
    out: str | Path | None = None,
    name: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
    **settings: object,
) -> PotentialCalculator:
    """Correct a model by labels of one material, one or more.

    Parameters
    ----------
    model
        As `umlip_bench.potential` takes it, or what that gives; it stays as it is.
    labels
        A path, the name of a data set, or structures with DFT's energies and forces.
    method
        Of ``umlip-finetune fit``.
    states
        Structures like those that the corrected model is to serve; the method ``scalar`` carries its
        factor to them.
    out
        Folder to keep the model in, which `umlip_bench.load` reads.
    name
        Of the model, without a folder; by default the parent's and the method's.
    device, dtype
        As of `umlip_bench.potential`, of a model by name.
    **settings
        Of the method, as options of ``umlip-finetune fit`` with underscores: ``estimator="mse"``.

    Returns
    -------
    PotentialCalculator
        An ASE calculator; its ``potential`` evaluates many structures at once, and `umlip_bench.run` takes
        either.

    Raises
    ------
    CorrectionError
        If the method cannot be applied, there are no labels, or `out` exists.
    UmlipBenchError
        If the model or the labels cannot be had.

    Examples
    --------
    >>> from umlip_bench import datasets
    >>> labels = datasets.load("pbe-mini").by_system()["SiC"]
    >>> corrected = correct("chgnet-0.3.0", labels, device="cpu")
    >>> corrected.potential.card.name
    'chgnet-0.3.0-scalar'
    """
    if out is not None:
        check_target(Path(out))
        if name is not None:
            raise CorrectionError(
                f"name {name!r} and out {str(out)!r}: a folder's name is the model's; leave name away"
            )
    dataset = as_dataset(labels)
    if not dataset.frames:
        raise CorrectionError(
            f"{dataset.manifest.id} has no labelled frames; it has cases for "
            f"{', '.join(dataset.tasks) or 'nothing'}"
        )
    there = getattr(model, "potential", model)
    parent = there if isinstance(there, Potential) else potential(there, device=device, dtype=dtype)
    chosen: object = parse(method_named(method).settings, settings, f"settings of {method}")
    around = Surroundings(states=tuple(states))
    found = fit(parent, dataset.frames, method, chosen, around)
    if out is None and isinstance(found, ClosedFit):
        called = name or f"{parent.card.name}-{method}"
        return PotentialCalculator(_in_memory(found, parent, method, called))
    with TemporaryDirectory(prefix="umlip_bench-") as folder:
        target = Path(out) if out is not None else Path(folder) / (name or f"{method}-corrected")
        save(found, parent, target, LabelSource(dataset.manifest.id, dataset.sha256))
        number_format = str(parent.dtype).removeprefix("torch.")
        corrected = potential(str(target), device=str(parent.device), dtype=number_format)
        return PotentialCalculator(corrected)


def _in_memory(found: ClosedFit, parent: Potential, method: str, name: str) -> Potential:
    """The parent with a change of numbers alone, which a digest of its own tells from the parent."""
    base = parent.weights
    of = ParentModel(base.card.name, base.card.family, base.sha256)
    correction = Correction(of, found.correction, found.method or method)
    weights = CorrectedWeights(
        card=corrected_card(name, correction, parent.card),
        paths=base.paths,
        origin=Origin.GIVEN,
        sha256=correction.sha256,
        correction=correction,
        base=base,
    )
    return applied(found.correction, parent, weights)
