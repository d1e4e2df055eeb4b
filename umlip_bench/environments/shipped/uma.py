# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = [
#     "fairchem-core==2.24.0",
#     "ase>=3.26",
# ]
# ///
"""UMA, with its task for inorganic materials.

The weights are given to those who accept Meta's licence at https://huggingface.co/facebook/UMA; the package
downloads them with the token in ``HF_TOKEN``.
"""

CHECKPOINTS = {
    "uma-s-1p2p1": "uma-s-1p2p1",
    "uma-s-1p2": "uma-s-1p2",
    "uma-s-1p1": "uma-s-1p1",
    "uma-m-1p1": "uma-m-1p1",
    "uma-s-1p2p1-ft-r2scan": "uma-s-1p2p1-ft-r2scan",
}
SETTINGS = "batch"
"""Full precision for structures of many compositions; the default of the package is of reduced precision."""


def setup(checkpoint: str, device: str = "cpu"):
    """An ASE calculator."""
    return setup_from_path(CHECKPOINTS[checkpoint], device)


def setup_from_path(path: str, device: str = "cpu"):
    """An ASE calculator of a user's own checkpoint."""
    from fairchem.core import FAIRChemCalculator, pretrained_mlip

    # The package takes no index: the current GPU is the one it uses.
    kind, _, index = device.partition(":")
    if index:
        import torch

        torch.cuda.set_device(int(index))
    predictor = pretrained_mlip.get_predict_unit(path, device=kind, inference_settings=SETTINGS)
    return FAIRChemCalculator(predictor, task_name="omat")
