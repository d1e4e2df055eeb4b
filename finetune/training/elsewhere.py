"""A model that lives in an environment, trained there by its own package: our labels, split and checks."""

from __future__ import annotations

import hashlib
import math
import shutil
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path

import ase.io
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from umlip_bench.datasets import Frame
from umlip_bench.engine.prediction import predict
from umlip_bench.environments.environment_file import read_environment_file
from umlip_bench.environments.training import TRAINING, VALIDATION, train_there
from umlip_bench.finetune.method import Epoch, Surroundings
from umlip_bench.finetune.training.alignment import Alignment, EnergyUse
from umlip_bench.finetune.training.fit import Training
from umlip_bench.finetune.training.labels import prepare_labels
from umlip_bench.finetune.training.loop import History
from umlip_bench.finetune.training.record import IN_SAMPLE, TrainedFit
from umlip_bench.finetune.training.record import VALIDATION as CHOOSING
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.potentials.adapters.worker import WorkerPotential
from umlip_bench.potentials.corrections.modification import with_files
from umlip_bench.potentials.environment_weights import EnvironmentWeights, weights_of

NOT_THERE = ("huber", "patience", "clip", "ema", "replay")
"""Settings that are of our own loop; the packages' trainers have others, or none."""


def check_trainable(parent: WorkerPotential, method: str) -> None:
    """Refuse what cannot be trained in its environment.

    Raises
    ------
    CorrectionError
        Says what can be done instead.
    """
    name = parent.card.name
    if method != "full":
        raise CorrectionError(
            f"{name} is trained by its own package, which trains all weights; use full, scalar or e0, not "
            f"{method}"
        )
    if not isinstance(parent.weights, EnvironmentWeights):
        raise CorrectionError(
            f"{name} was trained already; train {parent.card.parent} with all labels together"
        )
    file = read_environment_file(parent.weights.environment.file)
    if not (file.trains and file.loads_paths):
        raise CorrectionError(
            f"{name}: its environment file has no train(checkpoint, folder, settings, device), or no "
            "setup_from_path to load what it leaves; the methods scalar and e0 work for every model"
        )


def fit_elsewhere(
    parent: WorkerPotential,
    frames: Sequence[Frame],
    method: str,
    settings: TrainingSettings,
    around: Surroundings,
) -> Training[WorkerPotential]:
    """Have a model's environment train its weights on labelled frames.

    Parameters
    ----------
    parent
        The model; its worker goes on with its own weights.
    frames
        The labels, at least one.
    method
        Name of the method.
    settings
        What is minimised, and how, as far as the package's trainer can.
    around
        What there is besides. An interrupted training is begun anew.

    Raises
    ------
    CorrectionError
        If there are no labels, or settings ask for what only our own loop does.
    TrainingError
        If the training fails there.
    """
    check_trainable(parent, method)
    standard = TrainingSettings()
    if asked := [n for n in NOT_THERE if getattr(settings, n) != getattr(standard, n)]:
        raise CorrectionError(
            f"{parent.card.name} is trained by its own package, which has no {', '.join(asked)}; leave "
            f"{'it' if len(asked) == 1 else 'them'} away"
        )
    if around.force_sets:
        raise CorrectionError(
            f"{parent.card.name} is trained by its own package, which takes no force sets; give their "
            "supercells as labelled frames"
        )
    labels = prepare_labels(parent, parent, frames, settings, around)
    folder = _folder(around.checkpoint)
    for group, name in ((IN_SAMPLE, TRAINING), (CHOOSING, VALIDATION)):
        _write(folder / name, parent, labels.groups[group], labels.alignment)
    start = time.perf_counter()
    there = train_there(
        parent.weights.environment,
        parent.weights.loaded,
        folder,
        asdict(settings),
        name=parent.card.name,
        device=str(parent.device),
        on_epoch=lambda numbers: around.on_epoch(_epoch(numbers)),
    )
    seconds = time.perf_counter() - start
    trained = _loaded(parent, there.weights)
    if around.checkpoint is None:
        weakref.finalize(trained, shutil.rmtree, folder, ignore_errors=True)
    fit = TrainedFit(
        method=method,
        settings=settings,
        dtype=str(parent.dtype).removeprefix("torch."),
        labels_sha256=labels.sha256,
        n_labels=len(frames),
        n_parameters=parent.card.n_parameters or 0,
        split=labels.split,
        energies=labels.alignment,
        history=History(tuple(_epoch(each) for each in there.epochs), there.kept),
        checks=() if around.brief else labels.check(parent, trained),
        curvature=None,
        retention=None if around.brief else labels.check_retention(parent, trained),
        replayed=(),
        seconds=seconds,
    )
    return Training(fit, trained, parent)


def _folder(checkpoint: Path | None) -> Path:
    """An empty folder for labels and weights: where others keep checkpoints, else a temporary one."""
    if checkpoint is None:
        return Path(tempfile.mkdtemp(prefix="umlip-training-"))
    shutil.rmtree(checkpoint.parent, ignore_errors=True)
    checkpoint.parent.mkdir(parents=True)
    return checkpoint.parent


def _write(
    path: Path, parent: WorkerPotential, frames: Sequence[Frame], alignment: Alignment
) -> None:
    """Labels as ASE writes them, with energies on the model's zero; no file without frames.

    Where energies are not trained on, and of labels without one, they are the parent's own: trainers want a
    number everywhere, and so the parent's zero stays.
    """
    own = predict(parent, [frame.atoms for frame in frames], stress=False)
    labelled = []
    for frame, before in zip(frames, own, strict=True):
        atoms = frame.atoms.copy()
        atoms.info, atoms.calc = {}, None
        known = alignment.use is not EnergyUse.NONE and math.isfinite(frame.energy)
        energy = frame.energy - alignment.of(frame.atoms) if known else before.energy
        results = {"energy": energy, "forces": frame.forces}
        if frame.stress is not None:
            results["stress"] = full_3x3_to_voigt_6_stress(frame.stress)
        atoms.calc = SinglePointCalculator(atoms, **results)
        labelled.append(atoms)
    if labelled:
        ase.io.write(path, labelled, format="extxyz")


def _loaded(parent: WorkerPotential, weights: Path) -> WorkerPotential:
    """What was left, loaded in a worker of its own."""
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    card = with_files(parent.weights.card, {weights.name: digest})
    found = weights_of(parent.weights.environment, str(weights.absolute()), card)
    named = replace(found, card=replace(found.card, name=parent.card.name))
    return WorkerPotential.load(named, device=parent.device, dtype=parent.dtype)


def _epoch(numbers: Mapping[str, float]) -> Epoch:
    """What is not told is nan."""
    return Epoch(**{field.name: numbers.get(field.name, math.nan) for field in fields(Epoch)})
