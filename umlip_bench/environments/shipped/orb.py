# /// script
# requires-python = ">=3.12,<3.14"
# dependencies = [
#     "orb-models==0.7.0",
#     "ase>=3.25",
# ]
# ///
"""Orb. The package downloads its weights when they are first used."""

# Functions of orb_models.forcefield.pretrained.
CHECKPOINTS = {
    "orb-v3-conservative-inf-omat": "orb_v3_conservative_inf_omat",
    "orb-v3-conservative-20-omat": "orb_v3_conservative_20_omat",
    "orb-v3-conservative-inf-mpa": "orb_v3_conservative_inf_mpa",
    "orb-v3-conservative-20-mpa": "orb_v3_conservative_20_mpa",
    "orb-v3-direct-inf-omat": "orb_v3_direct_inf_omat",
    "orb-v2": "orb_v2",
    "orb-mptraj-only-v2": "orb_mptraj_only_v2",
}
PRECISION = {"float32": "float32-highest", "float64": "float64"}


def setup(checkpoint: str, device: str = "cpu", dtype: str = "float32"):
    """An ASE calculator; nothing is compiled, and matrices are multiplied in full precision."""
    from orb_models.forcefield import pretrained
    from orb_models.forcefield.inference.calculator import ORBCalculator

    load = getattr(pretrained, CHECKPOINTS[checkpoint])
    model, adapter = load(device=device, precision=PRECISION[dtype], compile=False)
    return ORBCalculator(model, adapter, device=device)
