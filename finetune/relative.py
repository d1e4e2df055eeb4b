"""High-energy states of a crystal, labelled by another potential: a reference where there is no DFT.

What comes of it is relative: it says how much softer or stiffer a model is than the other one. How soft
that one is where DFT is known stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from ase import Atoms

from umlip_bench.analysis.reference import relative_name
from umlip_bench.analysis.tables import interval
from umlip_bench.datasets import extxyz
from umlip_bench.datasets.dataset import Dataset, Manifest
from umlip_bench.datasets.frame import Frame
from umlip_bench.datasets.labels import frames_cases
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.labelling.sampling import sample
from umlip_bench.finetune.labelling.settings import Sampling
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.identity import identity
from umlip_bench.ground.level_of_theory import differs
from umlip_bench.ground.structures import check_input, read_structure
from umlip_bench.potentials.protocol import Potential
from umlip_bench.running.measure import DATA, measured, source_of
from umlip_bench.running.source import Source

SUITE = "high-energy"
"""That such labels serve."""


def check_alone(option: str, suites: Sequence[str], given: Sequence[str]) -> None:
    """Refuse what does not go with another potential as the reference.

    Parameters
    ----------
    option
        By which that one is given, for messages.
    suites
        That are asked for.
    given
        What else is given that belongs to data or to structures without a reference.

    Raises
    ------
    UmlipBenchError
        If there is anything.
    """
    others = [*(name for name in suites if name != SUITE), *given]
    if others:
        raise UmlipBenchError(
            f"{others[0]} does not go with {option}, which measures the suite {SUITE} alone; leave one of "
            "them away"
        )


def relative_source(
    reference: Potential,
    structure: str | Path | Atoms | None,
    mode: str,
    *,
    keep: Path | None,
    progress: Callable[[int, int], None] | None = None,
) -> Source:
    """What is run on with another potential as the reference.

    Parameters
    ----------
    reference, keep, progress
        As of `relative_labels`.
    structure
        The crystal, or its file.
    mode
        As of `umlip_bench.run`.

    Raises
    ------
    UmlipBenchError
        If there is no structure, or `relative_labels` fails.
    """
    if structure is None:
        raise UmlipBenchError(
            f"{reference.card.name} as the reference goes with a structure, whose states it samples and "
            "labels"
        )
    if isinstance(structure, Atoms):
        check_input(structure)
        atoms, name = structure, structure.get_chemical_formula(empirical=True)
    else:
        atoms, name = read_structure(Path(structure)), Path(structure).name
    labels = relative_labels(reference, atoms, name, keep=keep, progress=progress)
    return source_of([SUITE], labels, None, mode)


def relative_labels(
    reference: Potential,
    atoms: Atoms,
    name: str,
    *,
    sampling: Sampling | None = None,
    keep: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Sample high-energy states of a crystal with a potential, and label them by it.

    Parameters
    ----------
    reference
        The potential that the others are compared with: it relaxes, samples and labels, as
        `umlip_bench.finetune.suggest` does.
    atoms
        The crystal.
    name
        Of the crystal, for tables.
    sampling
        How; `Sampling` has the defaults.
    keep
        Labels are kept beside this path, ``KEEP.reference-DIGEST.xyz``, and read from there the next time
        that the same is asked for; ``None`` to keep none.
    progress
        Told how many steps of dynamics of how many are done.

    Returns
    -------
    Dataset
        Its name says whose the labels are, its caveats what that means.

    Raises
    ------
    LabelError
        If every run of dynamics failed.
    StructureError
        If the potential cannot evaluate the structure.
    OutputError
        If the file cannot be written.
    """
    sampling = sampling or Sampling()
    card = reference.card
    key = identity(atoms, asdict(sampling), reference.weights.sha256, str(reference.dtype))
    file = None if keep is None else keep.with_name(f"{keep.name}.reference-{key[:12]}.xyz")
    if file is not None and file.exists():
        frames = tuple(extxyz.read_frames(file))
    else:
        frames = _labelled(reference, atoms, name, sampling, progress)
        if file is not None:
            extxyz.write_frames(file, frames)
            frames = tuple(extxyz.read_frames(file))  # the digits that later commands have
    level = card.level_of_theory
    manifest = Manifest(
        id=relative_name(name, card.name),
        title=f"states of {name} at {sampling.temperature:g} K and under strain, labelled by {card.name}",
        level_of_theory=level,
        settings=f"sampled and labelled with {card.name}, {card.architecture}",
        source=card.name,
        licence=card.licence,
        citation=card.citation,
        caveats=(
            f"The reference is {card.name}, not DFT: where a page says DFT it stands for {card.name}, and "
            "every number is relative to that model",
            own_slope(reference),
        ),
    )
    content = [(each.atoms, each.energy, each.forces, each.stress) for each in frames]
    return Dataset(manifest, frames_cases(frames, level), identity(key, content))


def own_slope(reference: Potential) -> str:
    """How soft a reference is itself, on the embedded set, in a sentence; or why that is not known."""
    name = reference.card.name
    source = source_of([SUITE], DATA, None, "full")
    data = source.data.level_of_theory
    if differs(reference.card.level_of_theory, data):
        return (
            f"How soft {name} is itself is not known here: it was trained on "
            f"{reference.card.level_of_theory.functional}, and {DATA} is {data.functional}"
        )
    dtype = str(reference.dtype).removeprefix("torch.")
    found = measured(source, [reference], dtype=dtype)
    slope = found.folder.find(SUITE, "fixed-geometry", name, "slope_median")
    if slope is None or not slope.n_cases:
        return f"How soft {name} is itself is not known here: it gives no forces on {DATA}"
    return (
        f"{name} itself: forces are {slope.value:.2f} of DFT's{interval(slope, 2)} on {DATA}, in the median "
        f"of {slope.n_cases} materials"
    )


def _labelled(
    reference: Potential,
    atoms: Atoms,
    name: str,
    sampling: Sampling,
    progress: Callable[[int, int], None] | None,
) -> tuple[Frame, ...]:
    states = sample(reference, atoms, sampling, progress=progress).states
    geometries = [state.atoms for state in states]
    return tuple(
        Frame(geometry, each.energy, each.forces, each.stress, name, index)
        for index, (geometry, each) in enumerate(
            zip(geometries, predict(reference, geometries), strict=True)
        )
    )
