# /// script
# requires-python = ">=3.10,<3.14"
# dependencies = [
#     "mattersim==1.2.3",
#     "ase>=3.25",
# ]
# ///
"""MatterSim. The package downloads its weights when they are first used."""

CHECKPOINTS = {
    "mattersim-v1.0.0-1m": "MatterSim-v1.0.0-1M.pth",
    "mattersim-v1.0.0-5m": "MatterSim-v1.0.0-5M.pth",
}


def setup(checkpoint: str, device: str = "cpu"):
    """An ASE calculator."""
    return setup_from_path(CHECKPOINTS[checkpoint], device)


def setup_from_path(path: str, device: str = "cpu"):
    """An ASE calculator of a user's own checkpoint."""
    from mattersim.forcefield import MatterSimCalculator

    return MatterSimCalculator(load_path=path, device=device)
