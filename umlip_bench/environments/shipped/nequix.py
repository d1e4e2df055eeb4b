# /// script
# requires-python = ">=3.10,<3.14"
# dependencies = [
#     "torch>=2.7",
#     "torch-geometric>=2.6.1",
#     "e3nn>=0.5.8",
#     "jax>=0.4.34",
#     "e3nn-jax>=0.20.8",
#     "equinox>=0.11.11",
#     "jraph>=0.0.6.dev0",
#     "matscipy>=1.1.1",
#     "ase>=3.25",
#     "pyyaml",
#     "tqdm",
# ]
#
# [tool.umlip-bench]
# no-deps = ["nequix==0.4.5"]
# ///
"""Nequix, run by torch.

The package asks for jax with CUDA and for Weights & Biases, and needs neither to predict: it is installed
without what it asks for. Its weights are files of jax, which are converted when they are loaded; jax itself
would compile for minutes on a CPU.
"""

import shutil
import tempfile

CHECKPOINTS = {
    "nequix-mp-1": "nequix-mp-1",
    "nequix-mp-1-pft": "nequix-mp-1-pft",
    "nequix-mp-1-pft-no-cotrain": "nequix-mp-1-pft-no-cotrain",
    "nequix-omat-1": "nequix-omat-1",
    "nequix-oam-1": "nequix-oam-1",
    "nequix-oam-1-pft": "nequix-oam-1-pft",
}


def setup(checkpoint: str, device: str = "cpu"):
    """An ASE calculator."""
    return _calculator(device, model_name=CHECKPOINTS[checkpoint])


def setup_from_path(path: str, device: str = "cpu"):
    """An ASE calculator of a ``.nqx`` or ``.pt`` file."""
    # What is converted is written beside the original, which may be anyone's.
    with tempfile.TemporaryDirectory() as folder:
        return _calculator(device, model_path=shutil.copy(path, folder))


def _calculator(device: str, **model: str):
    import torch
    from nequix.calculator import NequixCalculator

    calculator = NequixCalculator(backend="torch", use_kernel=False, **model)
    # It takes a GPU where there is one, whatever is wanted.
    calculator.device = torch.device(device)
    calculator.model = calculator.model.to(calculator.device)
    return calculator
