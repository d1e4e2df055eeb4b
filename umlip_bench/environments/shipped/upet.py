# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = [
#     "upet==0.3.1",
#     "ase>=3.25",
# ]
# ///
"""PET-MAD and its relatives. The package downloads its weights when they are first used."""

# Model and version of UPETCalculator.
CHECKPOINTS = {
    "pet-mad-s-1.6.0": "pet-mad-s 1.6.0",
    "pet-mad-m-1.6.0": "pet-mad-m 1.6.0",
    "pet-mad-s-1.0.2": "pet-mad-s 1.0.2",
}


def setup(checkpoint: str, device: str = "cpu", dtype: str = "float32"):
    """An ASE calculator; forces and stress are derivatives of the energy."""
    import torch
    from upet.ase import UPETCalculator

    model, version = CHECKPOINTS[checkpoint].split()
    return UPETCalculator(model=model, version=version, device=device, dtype=getattr(torch, dtype))


def setup_from_path(path: str, device: str = "cpu", dtype: str = "float32"):
    """An ASE calculator of a user's own checkpoint."""
    import torch
    from upet.ase import UPETCalculator

    return UPETCalculator(checkpoint_path=path, device=device, dtype=getattr(torch, dtype))
