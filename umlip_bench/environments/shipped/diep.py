# /// script
# requires-python = ">=3.10,<3.14"
# dependencies = [
#     "diep==2.0.0",
#     "ase>=3.25",
# ]
# ///
"""DIEP on PyTorch Geometric. The weights come inside the package."""

CHECKPOINTS = {"diep-r2scan-fold1": "diep_fold1"}


def setup(checkpoint: str, device: str = "cpu"):
    """An ASE calculator; stress in eV/Å³."""
    from diep.pretrained import make_calculator

    assert CHECKPOINTS[checkpoint] == "diep_fold1"  # the default, and the only one in the package
    return make_calculator(device=device)


def setup_from_path(path: str, device: str = "cpu"):
    """An ASE calculator of a folder that DIEP exported."""
    from diep.pretrained import make_calculator

    return make_calculator(path, device=device)
