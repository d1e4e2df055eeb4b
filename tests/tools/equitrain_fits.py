"""Fits of 7net-0 by equitrain, for `against_equitrain.py`, which starts this in equitrain's environment.

    PYTHON equitrain_fits.py FOLDER

PYTHON has ``equitrain[torch]`` 1.0.0 and ``sevenn`` 0.13.0. Each folder in FOLDER is a fit: ``training.xyz``,
``validation.xyz``, ``judged.xyz`` and ``settings.json`` (``adapter``: lora, delta, or null for the model as
it is; ``of_adapter``: its arguments; ``options``: of ``equitrain``, by name). It gets ``predictions.npz`` and
``fit.json``, with seconds of the processor. The checkpoint of the best validation is taken, as equitrain's
documentation says, merged by its own export, and evaluated by SevenNet's own calculator.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import warnings
from argparse import Namespace
from pathlib import Path

import ase.io
import numpy as np
import torch
from equitrain import (  # type: ignore[import-not-found]
    get_args_parser_preprocess,
    get_args_parser_train,
    preprocess,
    train,
)
from equitrain.backends.torch_checkpoint import (  # type: ignore[import-not-found]
    _find_best_checkpoint,
    _load_state_dict,
    _resolve_model_path,
)
from equitrain.backends.torch_wrappers import SevennetWrapper  # type: ignore[import-not-found]
from equitrain.finetune import (  # type: ignore[import-not-found]
    TorchDeltaFineTuneWrapper,
    TorchLoRAFineTuneWrapper,
)
from sevenn.calculator import SevenNetCalculator  # type: ignore[import-not-found]
from sevenn.checkpoint import SevenNetCheckpoint  # type: ignore[import-not-found]
from sevenn.nn.sequential import AtomGraphSequential  # type: ignore[import-not-found]
from sevenn.util import pretrained_name_to_path  # type: ignore[import-not-found]

MODEL = "7net-0_11July2024"
ADAPTERS = {"lora": TorchLoRAFineTuneWrapper, "delta": TorchDeltaFineTuneWrapper}


def parent() -> AtomGraphSequential:
    """The model with its published weights."""
    model = SevenNetCheckpoint(pretrained_name_to_path(MODEL)).build_model()
    # equitrain 1.0.0 calls item() of the cutoff, which is a float.
    model.cutoff = torch.tensor(model.cutoff)
    return model


def fit(folder: Path, settings: dict[str, dict[str, object]], scratch: Path) -> dict[str, object]:
    """Train, and leave the merged model in ``model.pt``; says how much was trained, and what was kept."""
    args = get_args_parser_preprocess().parse_args([])
    args.train_file, args.valid_file = (
        str(folder / f"{name}.xyz") for name in ("training", "validation")
    )
    args.output_dir, args.dtype = str(scratch), "float32"
    preprocess(args)
    args = get_args_parser_train().parse_args([])
    args.train_file, args.valid_file = str(scratch / "train.h5"), str(scratch / "valid.h5")
    args.output_dir, args.dtype = str(scratch / "run"), "float32"
    args.num_workers, args.keep_best_checkpoints = 0, 1
    for name, value in settings["options"].items():
        assert hasattr(args, name), name
        setattr(args, name, value)
    torch.manual_seed(args.seed)
    wrapped = ADAPTERS[str(settings["adapter"])](
        SevennetWrapper(Namespace(), parent()), **settings["of_adapter"]
    )
    args.model = wrapped
    train(args)
    best, _ = _find_best_checkpoint(args.output_dir, "val")
    wrapped.load_state_dict(_load_state_dict(Path(_resolve_model_path(best)), map_location="cpu"))
    wrapped.export(str(folder / "model.pt"))
    trained = [p for p in wrapped.parameters() if p.requires_grad]
    return {"n_parameters": sum(p.numel() for p in trained), "kept": Path(best).name}


def evaluate(model: AtomGraphSequential, folder: Path) -> None:
    """Energies, forces and stresses (ASE's sign) of the judged frames by SevenNet's calculator."""
    model.cutoff = float(model.cutoff)
    calculator = SevenNetCalculator(model=model, file_type="model_instance", device="cpu")
    energies, forces, stresses = [], [], []
    for atoms in ase.io.read(folder / "judged.xyz", ":"):
        atoms.calc = calculator
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
        stresses.append(atoms.get_stress(voigt=False))
    np.savez(
        folder / "predictions.npz",
        energies=np.array(energies),
        forces=np.concatenate(forces),
        stresses=np.array(stresses),
    )


def main(jobs: Path) -> None:
    """All fits that are not there."""
    started = time.process_time()
    torch.set_num_threads(1)
    for file in sorted(jobs.glob("*/settings.json")):
        folder, settings = file.parent, json.loads(file.read_text())
        if (folder / "fit.json").exists():
            continue
        found: dict[str, object] = {"start": started, "seconds": 0.0}
        model = parent()
        if settings["adapter"] is not None:
            with tempfile.TemporaryDirectory() as scratch:
                begun = time.process_time()
                found |= fit(folder, settings, Path(scratch))
                found["seconds"] = time.process_time() - begun
            model = torch.load(folder / "model.pt", weights_only=False)
            (folder / "model.pt").unlink()
        torch.set_default_dtype(torch.float32)
        evaluate(model, folder)
        (folder / "fit.json").write_text(json.dumps(found))
        print(folder.name, found, flush=True)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main(Path(sys.argv[1]))
