"""Writing a corrected model as a folder that loads anywhere.

What it must hold to be loaded is in `umlip_bench.potentials.corrections.folder`.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from umlip_bench.datasets.teacher import Teacher
from umlip_bench.finetune.method import Fit
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.ground.files import check_new_folder, write_folder_atomically
from umlip_bench.ground.own_card import sidecar_of
from umlip_bench.ground.plain import readable
from umlip_bench.ground.version import __version__, versions
from umlip_bench.potentials.adapters.calculator_weights import ObjectWeights, TargetWeights
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
from umlip_bench.potentials.corrections.modification import TrainedWeights
from umlip_bench.potentials.environment_weights import EnvironmentWeights
from umlip_bench.potentials.loading import trust_written
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.weights import Weights

HEADER = """\
# A corrected model of umlip_bench: umlip_bench.load("this folder"), umlip-bench run --model "this folder".
# parent and what follows it, up to fit, are what it consists of; everything from there on is a record.
"""
NO_TEXTS: Mapping[str, str] = MappingProxyType({})
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
    teacher
        The potential that gave them; ``None`` for DFT's.
    """

    name: str
    sha256: str
    teacher: Teacher | None = None


def save(
    fit: Fit,
    potential: Potential,
    out: Path | str,
    source: LabelSource | None = None,
    texts: Mapping[str, str] = NO_TEXTS,
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
    texts
        Further files, by name, that are to be there as soon as the folder is.

    Returns
    -------
    Path
        The folder. It appears whole or not at all.

    Raises
    ------
    CorrectionError
        If `out` exists or bears the name of a published model, or the method leaves nothing to keep.
    OutputError
        If it cannot be written.
    """
    out = Path(out)
    check_target(out)

    def fill(part: Path) -> None:
        change = fit.keep(potential, part)
        weights = potential.weights
        found_by = weights.named if isinstance(weights, EnvironmentWeights) else weights.card.name
        parent = ParentModel(found_by, weights.card.family, weights.sha256)
        if not isinstance(change, TrainedWeights):  # else the folder holds all there is
            parent = _keep_parent(weights, part)
        content = {
            "schema": SCHEMA,
            "name": out.name,
            **Correction(parent, change, fit.method).to_plain(),
            "fit": fit.record(),
            "labels": {
                **fit.labels_record(),
                "source": None if source is None else asdict(source),
            },
            "made": _provenance(potential.weights),
        }
        text = yaml.safe_dump(readable(content), sort_keys=False, allow_unicode=True, width=100)
        (part / CARD).write_text(HEADER + text, encoding="utf-8")
        for name, content_of in texts.items():
            (part / name).write_text(content_of, encoding="utf-8")

    write_folder_atomically(out, fill)
    trust_written(out)
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
    if isinstance(weights, ObjectWeights):
        raise CorrectionError(
            f"{card.name} is a calculator of this process, which a folder cannot name; name it "
            "ase:./file.py:NAME or ase:module.path:NAME, load that and fit again"
        )
    if isinstance(weights, EnvironmentWeights | TargetWeights):
        # What is installed cannot be copied: the model is found again, and its digest compared.
        return ParentModel(weights.named, card.family, weights.sha256)
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
    if (said := sidecar_of(file)).is_file():
        shutil.copy2(said, folder / PARENT)
    return ParentModel(card.name, card.family, weights.sha256, f"{PARENT}/{file.name}{head}")


def _provenance(weights: Weights) -> dict[str, Any]:
    made = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "umlip_bench": __version__,
        "python": platform.python_version(),
        **versions(RECORDED_PACKAGES),
    }
    return {**made, "environment": dict(weights.versions)} if weights.versions else made
