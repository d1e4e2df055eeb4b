"""What ``run.yaml`` says of a command that runs suites."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import torch

from umlip_bench.analysis.run_files import DATA_NOTES, HAS_REFERENCE, VERSIONS, RunConfig
from umlip_bench.ground.version import RECORDED_PACKAGES, __version__, versions
from umlip_bench.potentials.weights import Weights
from umlip_bench.running.plan import DataIdentity, SuitePlan


def config_of_command(
    plans: Sequence[SuitePlan],
    models: Sequence[Weights],
    data: DataIdentity,
    settings: Mapping[str, str],
    device: torch.device,
) -> RunConfig:
    """What ``run.yaml`` is to say of a command.

    Parameters
    ----------
    plans, models, data
        What is measured, with which models, on which data.
    settings
        What results depend on besides.
    device
        On which models are evaluated.
    """
    labels = {
        "id": data.id,
        "sha256": data.sha256,
        "level_of_theory": asdict(data.level_of_theory),
    }
    return RunConfig(
        {"data": labels, "settings": settings},
        {
            **_provenance(device),
            DATA_NOTES: list(data.notes),
            HAS_REFERENCE: data.has_reference,
        },
        {w.card.name: _card(w) for w in models},
        [plan.suite.name for plan in plans],
    )


def _card(weights: Weights) -> dict[str, object]:
    card = asdict(weights.card)
    card["elements"] = " ".join(weights.card.elements)
    entry = {**card, "origin": str(weights.origin), "sha256": weights.sha256}
    return {**entry, VERSIONS: dict(weights.versions)} if weights.versions else entry


def _provenance(device: torch.device) -> dict[str, object]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    return {
        "umlip_bench": __version__,
        "python": platform.python_version(),
        "packages": versions(RECORDED_PACKAGES),
        "platform": platform.platform(),
        "device": f"{device} {name}".strip(),
        "torch_threads": torch.get_num_threads(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
