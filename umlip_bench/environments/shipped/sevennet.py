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


def setup(checkpoint: str, device: str = "cpu"):
    """An ASE calculator."""
    from sevenn.calculator import SevenNetCalculator

    model, _, modal = CHECKPOINTS[checkpoint].partition("@")
    return SevenNetCalculator(model=model, modal=modal or None, device=device)


def setup_from_path(path: str, device: str = "cpu", modal: str | None = None):
    """An ASE calculator of a user's own checkpoint."""
    from sevenn.calculator import SevenNetCalculator

    return SevenNetCalculator(model=path, modal=modal, device=device)
