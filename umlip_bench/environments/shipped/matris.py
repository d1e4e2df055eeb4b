# /// script
# requires-python = ">=3.12,<3.14"
# dependencies = [
#     "matris==1.0.0",
#     "ase>=3.25",
# ]
# ///
"""MatRIS. The package downloads its weights when they are first used."""

CHECKPOINTS = {
    "matris-10m-omat": "matris_10m_omat",
    "matris-10m-oam": "matris_10m_oam",
    "matris-10m-mp": "matris_10m_mp",
    "matris-4m-matpes-pbe-2025.1": "matris_4m_matpes_pbev1",
    "matris-4m-matpes-pbe-2025.2": "matris_4m_matpes_pbev2",
    "matris-4m-matpes-r2scan-2025.1": "matris_4m_matpes_r2scanv1",
    "matris-4m-matpes-r2scan-2025.2": "matris_4m_matpes_r2scanv2",
}


def setup(checkpoint: str, device: str = "cpu"):
    """An ASE calculator; nothing is compiled."""
    return setup_from_path(CHECKPOINTS[checkpoint], device)


def setup_from_path(path: str, device: str = "cpu"):
    """An ASE calculator of a user's own checkpoint."""
    from matris.applications.base import MatRISCalculator

    return MatRISCalculator(model=path, task="efs", device=device, mode="torch")
