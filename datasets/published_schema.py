"""What stands in a file of the standard form, for readers that do not know this package."""

from __future__ import annotations

from umlip_bench.datasets.labels import ENERGY, FORCES, STRESS, SYSTEM
from umlip_bench.datasets.paths import IMAGE, METHOD, MOVING, PATH
from umlip_bench.datasets.readers.result import ROLE
from umlip_bench.datasets.roles import (
    DEFECT,
    ENDS,
    MILLER,
    MU,
    PREPARATIONS,
    PREPARED,
    SITE,
    TERMINATION,
    Role,
)

FIELDS: tuple[tuple[str, str, str, str, str], ...] = (
    ("Lattice", "number (3, 3)", "Å", "all", "cell vectors, a row each"),
    ("pbc", "logical (3)", "", "all", "periodic in all three directions"),
    ("species", "symbol (N)", "", "all", "elements"),
    ("pos", "number (N, 3)", "Å", "all", "positions"),
    (SYSTEM, "text", "", "all", "material; frames of one are not independent"),
    (ENERGY, "number", "eV", "all", "total energy of the cell"),
    (FORCES, "number (N, 3)", "eV/Å", "frames, images", "forces on the atoms"),
    (STRESS, "number (3, 3)", "eV/Å³", "frames", "stress, pressure = -trace/3"),
    (ROLE, "text", "", "parts", f"part in a case: {', '.join(map(str, Role))}"),
    (MILLER, "integers (3 or 4)", "", "slab", "Miller indices of the face"),
    (TERMINATION, "text", "", "slab", "which of several terminations"),
    (PREPARED, "text", "", "parts", f"geometry: {', '.join(PREPARATIONS)}"),
    (DEFECT, "text", "", "defect", "V_O, Li_i, Mg_Al; several joined by +"),
    (SITE, "number (3)", "", "defect", "its place, fractional"),
    (MU, "text", "eV", "defect", "chemical potentials, EL=value"),
    (ENDS, "text", "eV/atom", "ordering", "end members and their energies"),
    (PATH, "text", "", "images", "name of the migration path"),
    (IMAGE, "integer", "", "images", "number along the path, from 0"),
    (METHOD, "text", "", "images", "how the path was made: fixed, approx-neb or neb"),
    (MOVING, "integer", "", "images", "index of the ion that moves"),
)
"""Name, type and shape, unit, of which structures, and what it is."""

SCHEMA = {
    "form": "extended XYZ, a structure each; N atoms",
    "fields": [
        dict(zip(("name", "type", "unit", "of", "is"), field, strict=True)) for field in FIELDS
    ],
}
