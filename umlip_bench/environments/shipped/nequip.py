# /// script
# requires-python = ">=3.10,<3.14"
# dependencies = [
#     "nequip==0.19.1",
#     "nequip-allegro==0.8.3",
#     "ase>=3.25",
# ]
# ///
"""NequIP and Allegro. The package downloads weights of nequip.net when they are first used."""

CHECKPOINTS = {
    "nequip-oam-s-0.1": "nequip.net:mir-group/NequIP-OAM-S:0.1",
    "nequip-oam-l-0.1": "nequip.net:mir-group/NequIP-OAM-L:0.1",
    "nequip-mp-l-0.1": "nequip.net:mir-group/NequIP-MP-L:0.1",
    "allegro-oam-l-0.1": "nequip.net:mir-group/Allegro-OAM-L:0.1",
}


def setup(checkpoint: str, device: str = "cpu"):
    """An ASE calculator; nothing is compiled."""
    return setup_from_path(CHECKPOINTS[checkpoint], device)


def setup_from_path(path: str, device: str = "cpu"):
    """An ASE calculator of a checkpoint, or of a package (``.nequip.zip``)."""
    from nequip.integrations.ase import NequIPCalculator

    return NequIPCalculator._from_saved_model(
        path, device=device, chemical_species_to_atom_type_map=True
    )
