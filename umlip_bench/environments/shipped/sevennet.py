# /// script
# requires-python = ">=3.10,<3.14"
# dependencies = [
#     "sevenn==0.13.0",
#     "ase>=3.25",
# ]
# ///
"""SevenNet. Weights of 7net-0, l3i5 and mf-0 come inside the package, the others are downloaded."""

# What SevenNetCalculator calls a model, and after @ the fidelity of one that has several.
CHECKPOINTS = {
    "7net-0": "7net-0_11July2024",
    "7net-0-22may2024": "7net-0_22May2024",
    "7net-l3i5": "7net-l3i5",
    "7net-mf-0-pbe": "7net-mf-0@PBE",
    "7net-mf-0-r2scan": "7net-mf-0@R2SCAN",
    "7net-omat": "7net-omat",
    "7net-mf-ompa-mpa": "7net-mf-ompa@mpa",
    "7net-mf-ompa-omat24": "7net-mf-ompa@omat24",
    "7net-omni-mpa": "7net-omni@mpa",
    "7net-omni-matpes-pbe": "7net-omni@matpes_pbe",
    "7net-omni-matpes-r2scan": "7net-omni@matpes_r2scan",
    "7net-omni-mp-r2scan": "7net-omni@mp_r2scan",
}


# Columns of its table of errors, by their names here.
_ERRORS = {
    "loss": "trainset_TotalLoss",
    "energy_mae": "trainset_Energy_MAE",
    "force_mae": "trainset_Force_MAE",
    "stress_mae": "trainset_Stress_MAE",
    "validation_mae": "validset_Force_MAE",
}


def setup(checkpoint: str, device: str = "cpu"):
    """An ASE calculator."""
    from sevenn.calculator import SevenNetCalculator

    model, _, modal = CHECKPOINTS[checkpoint].partition("@")
    return SevenNetCalculator(model=model, modal=modal or None, device=device)


def setup_from_path(path: str, device: str = "cpu", modal: str | None = None):
    """An ASE calculator of a user's own checkpoint."""
    from sevenn.calculator import SevenNetCalculator

    return SevenNetCalculator(model=path, modal=modal, device=device)


def train(checkpoint: str, folder, settings: dict, device: str = "cpu"):
    """SevenNet's own trainer, from the checkpoint on; yields the errors of every epoch.

    Its loss has weight 1 for energies, and stress in kbar; the learning rate decays once an epoch.
    """
    import yaml
    from sevenn.checkpoint import SevenNetCheckpoint
    from sevenn.util import pretrained_name_to_path

    model, _, modal = CHECKPOINTS.get(checkpoint, checkpoint).partition("@")
    if modal:
        raise ValueError(
            "models of several fidelities are not trained here; take one of a single one"
        )
    path = pretrained_name_to_path(model) if checkpoint in CHECKPOINTS else model
    config = SevenNetCheckpoint(path).yaml_dict("continue")
    relative = settings["energy_weight"] or 1.0
    validation = (folder / "validation.xyz").exists()
    config["train"].update(
        random_seed=settings["seed"],
        epoch=settings["epochs"],
        per_epoch=settings["epochs"],
        loss="mse",
        loss_param={},
        optimizer="adam",
        optim_param={"lr": settings["learning_rate"]},
        scheduler="cosineannealinglr",
        scheduler_param={"T_max": settings["epochs"], "eta_min": settings["final_learning_rate"]},
        is_train_stress=settings["stress_weight"] > 0,
        force_loss_weight=settings["force_weight"] / relative,
        stress_loss_weight=settings["stress_weight"] / relative / 100,
        error_record=[[name, "MAE"] for name in ("Energy", "Force", "Stress_GPa")]
        + [["TotalLoss", "None"]],
        best_metric="Force_MAE",
        train_shuffle=True,
    )
    begun_anew = {f"reset_{what}": True for what in ("optimizer", "scheduler", "epoch")}
    config["train"]["continue"] = {"checkpoint": path, **begun_anew}
    config["data"].update(
        batch_size=settings["batch_size"],
        load_trainset_path=[str(folder / "training.xyz")],
        data_format_args={"index": ":"},
        shift=0.0,
        scale=1.0,
        preprocess_num_cores=1,
    )
    config["data"].pop("load_validset_path", None)
    if validation:
        config["data"]["load_validset_path"] = [str(folder / "validation.xyz")]
    (folder / "input.yaml").write_text(yaml.safe_dump(config))
    chosen_by = yield from _run(folder, settings["epochs"])
    if validation:
        return 1 + chosen_by.index(min(chosen_by)), "checkpoint_best.pth"
    return len(chosen_by), f"checkpoint_{len(chosen_by)}.pth"


def _run(folder, n_epochs: int):
    """SevenNet's program on a folder; yields errors of every epoch, returns those of the validation."""
    import csv
    import subprocess
    import sys
    import time

    command = [sys.executable, "-I", "-m", "sevenn.main.sevenn", "train"]
    # Its own program, which writes the errors of every epoch into a table.
    process = subprocess.Popen(
        [*command, str(folder / "input.yaml"), "--working_dir", str(folder)], stdout=sys.stderr
    )
    table, chosen_by = folder / "lc.csv", []
    ended = False
    while not ended:
        ended = process.poll() is not None
        rows = list(csv.DictReader(table.open())) if table.exists() else []
        for row in rows[len(chosen_by) :]:
            epoch = {ours: float(row[theirs]) for ours, theirs in _ERRORS.items() if theirs in row}
            chosen_by.append(epoch.get("validation_mae", float("nan")))
            yield epoch
        time.sleep(0.2)
    if process.returncode or len(chosen_by) < n_epochs:
        raise RuntimeError(f"sevenn ended with exit status {process.returncode}")
    return chosen_by
