# /// script
# requires-python = ">=3.10,<3.13"
# dependencies = [
#     "tensorpotential==0.6.2.1",
#     "ase>=3.25",
# ]
# ///
"""GRACE, run by TensorFlow. The package downloads its weights when they are first used.

TensorFlow takes a GPU where there is one; ``CUDA_VISIBLE_DEVICES`` keeps it from that.
"""

import os

CHECKPOINTS = {
    "grace-1l-oam": "GRACE-1L-OAM",
    "grace-2l-oam": "GRACE-2L-OAM",
    "grace-2l-omat": "GRACE-2L-OMAT",
    "grace-2l-oam-l": "GRACE-2L-OMAT-large-ft-AM",
    "grace-2l-omat-l": "GRACE-2L-OMAT-large-ft-E",
}


def setup(checkpoint: str, device: str = "cpu"):
    """An ASE calculator."""
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    from tensorpotential.calculator.foundation_models import grace_fm

    return grace_fm(CHECKPOINTS[checkpoint])
