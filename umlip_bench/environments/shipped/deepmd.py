# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = [
#     "deepmd-kit[torch]==3.2.0",
#     "ase>=3.25",
# ]
# ///
"""DPA models of DeePMD-kit. The package downloads weights when they are first used, and checks them."""

import os

# Names of deepmd.pretrained, and after @ the head of a model that was trained on several sets.
CHECKPOINTS = {
    "dpa-3.1-3m-omat24": "DPA-3.1-3M@Omat24",
    "dpa-3.1-3m-mptrj": "DPA-3.1-3M@MP_traj_v024_alldata_mixu",
    "dpa-3.2-5m-omat24": "DPA-3.2-5M@OMat24",
    "dpa-3.2-5m-mptrj": "DPA-3.2-5M@MPTrj",
}


def setup(checkpoint: str, device: str = "cpu"):
    """An ASE calculator."""
    _choose(device)
    from deepmd.pretrained.download import resolve_model_path

    model, _, head = CHECKPOINTS[checkpoint].partition("@")
    return _calculator(str(resolve_model_path(model)), head or None)


def setup_from_path(path: str, device: str = "cpu", head: str | None = None):
    """An ASE calculator of a checkpoint (``.pt``) or a frozen model (``.pth``)."""
    _choose(device)
    return _calculator(path, head)


def _choose(device: str) -> None:
    """Say which device is wanted, which the package reads once, when it is imported."""
    kind, _, index = device.partition(":")
    os.environ["DEVICE"] = kind
    os.environ["LOCAL_RANK"] = index or "0"


def _calculator(path: str, head: str | None):
    from deepmd.calculator import DP

    return DP(model=path, head=head)
