# /// script
# requires-python = ">=3.10,<3.14"
# dependencies = [
#     "sevenn==0.13.0",
#     "ase>=3.25",
# ]
# ///
"""SevenNet (SNU, MIT licence). The four checkpoints without a URL come inside the package."""

CHECKPOINTS = {
    "7net-0": "7net-0_11July2024",
    "7net-0-22may2024": "7net-0_22May2024",
    "7net-l3i5": "7net-l3i5",
    "7net-mf-0-pbe": "7net-mf-0@PBE",
    "7net-mf-0-r2scan": "7net-mf-0@R2SCAN",
    "7net-mf-0-scan": "7net-mf-0@SCAN",
}


def setup(checkpoint, device="cpu"):
    """An ASE calculator."""
    from sevenn.calculator import SevenNetCalculator

    model, _, modal = CHECKPOINTS[checkpoint].partition("@")
    return SevenNetCalculator(model=model, modal=modal or None, device=device)
