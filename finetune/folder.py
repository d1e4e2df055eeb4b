"""Writing a corrected model as a folder that loads anywhere.

What it must hold to be loaded is in `umlip_bench.potentials.corrections.folder`.
"""

from __future__ import annotations

import hashlib
import math
import platform
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from umlip_bench.finetune.references import ShiftFit
from umlip_bench.finetune.scalar import ScalarFit
from umlip_bench.finetune.training.fit import TrainedFit, Training
from umlip_bench.finetune.training.plot import plot_history, write_history
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.ground.files import check_new_folder, write_folder_atomically
from umlip_bench.ground.version import __version__
from umlip_bench.potentials.catalogue import catalogue
from umlip_bench.potentials.corrections.folder import (
    CARD,
    FAMILY,
    PARENT,
    SCHEMA,
    CorrectedWeights,
    Correction,
    ParentModel,
)
from umlip_bench.potentials.corrections.modification import (
    METHODS,
    WEIGHTS,
    TrainedWeights,
    with_files,
)
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.weights import Weights

HEADER = """\
# A corrected model of umlip_bench: umlip_bench.load("this folder"), umlip-bench run --model "this folder".
# parent and what follows it, up to fit, are what it consists of; everything from there on is a record.
"""
PLOT, HISTORY = "training.png", "training.csv"
RECORDED_PACKAGES = ("ase", "chgnet", "mace-torch", "matgl", "numpy", "torch")


@dataclass(frozen=True)
class LabelSource:
    """Where labels came from.

    Parameters
    ----------
    name
        File or data set.
    sha256
        Of the file.
    """

    name: str
    sha256: str


def save(
    fit: ScalarFit, potential: Potential, out: Path | str, source: LabelSource | None = None
) -> Path:
    """Write a corrected model.

    Parameters
    ----------
    fit
        What to put on the model.
    potential
        The model that was fitted.
    out
        Folder to write, which must not exist; its name becomes the model's.
    source
        Where the labels came from, for the record.

    Returns
    -------
    Path
        The folder. It appears whole or not at all.

    Raises
    ------
    CorrectionError
        If `out` exists or bears the name of a published model.
    OutputError
        If it cannot be written.
    """
    labels = asdict(fit.labels)
    return _write(
        Path(out),
        lambda part: Correction(_keep_parent(potential.weights, part), fit.correction),
        _without(fit, "labels", "references"),
        labels,
        source,
    )


def save_shift(
    fit: ShiftFit, potential: Potential, out: Path | str, source: LabelSource | None = None
) -> Path:
    """Write a model with shifted element references; parameters and errors are those of `save`."""
    labels = {"sha256": fit.labels_sha256, "n_frames": fit.n_labels}
    return _write(
        Path(out),
        lambda part: Correction(_keep_parent(potential.weights, part), fit.correction),
        _without(fit, "labels_sha256", "n_labels"),
        labels,
        source,
    )


def save_training(training: Training, out: Path | str, source: LabelSource | None = None) -> Path:
    """Write a model whose weights were trained, with the weights as its own library writes them.

    Parameters and errors are those of `save`.
    """
    fit = training.fit
    if fit.method not in METHODS:
        raise CorrectionError(
            f"a model trained from {fit.method} is for comparison only; no correction is left to keep"
        )

    def build(part: Path) -> Correction:
        plot_history(training, part / PLOT)
        write_history(training.fit.history, part / HISTORY)
        return _keep_trained(training, part)

    labels = {"sha256": fit.labels_sha256, "n_frames": fit.n_labels}
    record = _without(fit, "method", "labels_sha256", "n_labels", "history")
    record["epochs"] = {"trained": len(fit.history.epochs), "kept": fit.history.kept}
    return _write(Path(out), build, record, labels, source)


def _write(
    out: Path,
    build: Callable[[Path], Correction],
    record: Mapping[str, Any],
    labels: Mapping[str, Any],
    source: LabelSource | None,
) -> Path:
    """Write a folder, whole or not at all; `build` puts into it what belongs beside the card."""
    check_target(out)

    def fill(part: Path) -> None:
        content = {
            "schema": SCHEMA,
            "name": out.name,
            **build(part).to_plain(),
            "fit": record,
            "labels": {**labels, "source": None if source is None else asdict(source)},
            "made": _provenance(),
        }
        text = yaml.safe_dump(_plain(content), sort_keys=False, allow_unicode=True, width=100)
        (part / CARD).write_text(HEADER + text, encoding="utf-8")

    write_folder_atomically(out, fill)
    return out


def check_target(out: Path) -> None:
    """Refuse a folder that exists or would hide a published model; to be asked before a long fit.

    Raises
    ------
    CorrectionError
        If it does.
    OutputError
        If it cannot be written.
    """
    if out.exists():
        raise CorrectionError(f"{out} exists; remove it or choose another --out")
    if out.name.lower() in catalogue():
        raise CorrectionError(
            f"{out.name} is the name of a published model, and a corrected one must not pass for it; "
            "choose another --out"
        )
    check_new_folder(out)


def _keep_parent(weights: Weights, folder: Path) -> ParentModel:
    """Name the parent if it can be had by name, else copy its weights."""
    card = weights.card
    by_name = catalogue().get(card.name) == card or not weights.paths
    if by_name:
        return ParentModel(card.name, card.family, weights.sha256)
    target = folder / PARENT / card.name
    head = f"@{card.head}" if card.head else ""
    if isinstance(weights, CorrectedWeights):
        shutil.copytree(weights.paths[0].parent, target)
        return ParentModel(card.name, FAMILY, weights.sha256, f"{PARENT}/{card.name}")
    if card.files:  # a folder of weights
        target.mkdir(parents=True)
        for path in weights.paths:
            shutil.copy2(path, target)
        return ParentModel(card.name, card.family, weights.sha256, f"{PARENT}/{card.name}{head}")
    (file,) = weights.paths
    (folder / PARENT).mkdir()
    shutil.copy2(file, folder / PARENT)
    return ParentModel(card.name, card.family, weights.sha256, f"{PARENT}/{file.name}{head}")


def _keep_trained(training: Training, folder: Path) -> Correction:
    """Write the trained weights and say what they are; the parent is named only."""
    (folder / WEIGHTS).mkdir()
    names = training.potential.save_weights(folder / WEIGHTS)
    digests = {
        name: hashlib.sha256((folder / WEIGHTS / name).read_bytes()).hexdigest() for name in names
    }
    parent = training.parent
    weights = parent.weights
    # A parent that was trained itself is read by the family of its weights, not as a corrected model.
    read_as = weights.base if isinstance(weights, CorrectedWeights) else weights
    card = replace(with_files(read_as.card, digests), n_parameters=parent.card.n_parameters)
    return Correction(
        ParentModel(parent.card.name, parent.card.family, weights.sha256),
        TrainedWeights(training.fit.method, card),
    )


def _without(fit: ScalarFit | ShiftFit | TrainedFit, *elsewhere: str) -> dict[str, Any]:
    """The numbers of a fit without what stands elsewhere in the card."""
    return {name: value for name, value in asdict(fit).items() if name not in elsewhere}


def _provenance() -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "umlip_bench": __version__,
        "python": platform.python_version(),
        **{package: version(package) for package in RECORDED_PACKAGES},
    }


def _plain(value: Any) -> Any:
    """Only what YAML's safe dumper knows."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return str(value)  # an enumeration's member is a string, but of another type
    return value
