"""The scalar correction that a folder records, as the report takes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from umlip_bench.analysis.corrected import Factor
from umlip_bench.ground.codec import read_yaml
from umlip_bench.ground.content import as_mapping
from umlip_bench.ground.errors import WeightsError
from umlip_bench.potentials.corrections.folder import CARD, Correction, read_correction
from umlip_bench.potentials.corrections.modification import ScalarCorrection


def read_factor(folder: Path) -> Factor:
    """Read a scalar correction.

    Parameters
    ----------
    folder
        As ``umlip-finetune fit --method scalar`` wrote it.

    Raises
    ------
    WeightsError
        If it is no corrected model, or one that was made by another method than ``scalar``.
    """
    correction, scalar = _scalar(folder)
    content = as_mapping(read_yaml(folder / CARD))
    fit, labels = _section(content, "fit"), _section(content, "labels")
    low, high = _interval(fit.get("interval"))
    estimator, n_labels = fit.get("estimator"), labels.get("n_frames")
    source = _section(labels, "source").get("name")
    return Factor(
        name=folder.resolve().name,
        parent=correction.parent.name,
        parent_sha256=correction.parent.sha256,
        value=scalar.factor,
        low=low,
        high=high,
        estimator=estimator if isinstance(estimator, str) else None,
        labels=source if isinstance(source, str) else None,
        n_labels=n_labels if isinstance(n_labels, int) else None,
        sha256=correction.sha256,
    )


def _scalar(folder: Path) -> tuple[Correction, ScalarCorrection]:
    correction = read_correction(folder)
    change = correction.change
    if not isinstance(change, ScalarCorrection):
        raise WeightsError(
            f"{folder} was made with --method {change.method}: only what one factor does (--method scalar) "
            f"follows from results that are there. Run it: `umlip-bench run --model {folder}`"
        )
    return correction, change


def _section(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A section of the record that follows what the model consists of; people may have cut it."""
    found = content.get(name)
    return found if isinstance(found, Mapping) else {}


def _interval(entry: object) -> tuple[float | None, float | None]:
    if isinstance(entry, list) and len(entry) == 2 and all(isinstance(e, float) for e in entry):
        return entry[0], entry[1]
    return None, None
