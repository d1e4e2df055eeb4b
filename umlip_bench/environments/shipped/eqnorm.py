# /// script
# requires-python = ">=3.10,<3.13"
# dependencies = [
#     "torch>=2.6",
#     "torch-geometric",
#     "e3nn>=0.5.0",
#     "vesin",
#     "wget",
#     "pyyaml",
#     "ase>=3.25",
# ]
#
# [tool.umlip-bench]
# no-build-isolation = ["torch-scatter==2.1.2"]
# no-deps = ["eqnorm==0.1.1"]
# ///
"""EqNorm. The package downloads its weights when they are first used.

It is installed without torchvision and torchaudio, which it asks for and does not use. There are no binaries
of torch-scatter for most versions of torch: it is compiled here, which needs a C++ compiler and takes
minutes.
"""

CHECKPOINTS = {"eqnorm-mptrj": "eqnorm-mptrj"}


def setup(checkpoint: str, device: str = "cpu"):
    """An ASE calculator."""
    from eqnorm.calculator import EqnormCalculator

    return EqnormCalculator("eqnorm", CHECKPOINTS[checkpoint], device=device)
