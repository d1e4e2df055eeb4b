"""All groups of single points, and members of each again with a higher cutoff or a denser mesh."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from debye import debye, r2scan  # type: ignore[import-not-found]
from displaced import amplitudes, phonons  # type: ignore[import-not-found]
from orderings import solid_solutions  # type: ignore[import-not-found]
from slabs import surfaces  # type: ignore[import-not-found]
from structures import EOS_SCALES, Mesh, Point, eos, frames  # type: ignore[import-not-found]
from vacancies import defects, migration  # type: ignore[import-not-found]

CHECKS: tuple[tuple[str, float | None, Mesh | None], ...] = (
    ("MgO-0", None, (5, 5, 5)),
    ("Si-0", None, (5, 5, 5)),
    ("GaAs-0", None, (5, 5, 5)),
    ("Al-0", None, (4, 6, 6)),
    ("Al-0", 700.0, None),
    *((f"eos-LiF-{scale:.2f}", 1100.0, None) for scale in EOS_SCALES),
    *((f"eos-GaAs-{scale:.2f}", None, (4, 4, 4)) for scale in EOS_SCALES),
    *((f"eos-Al-{scale:.2f}", None, (14, 14, 14)) for scale in EOS_SCALES),
    ("vacancy-Al-host", None, (4, 4, 4)),
    ("vacancy-Al", None, (4, 4, 4)),
    ("hop-Al-2", None, (4, 4, 4)),
    ("vacancy-Al-host", None, (8, 8, 8)),
    ("vacancy-Al", None, (8, 8, 8)),
    ("hop-Al-2", None, (8, 8, 8)),
    ("surface-LiF-100-slab", 1000.0, None),
    ("surface-LiF-100-bulk", 1000.0, None),
    ("surface-Al-111-slab", None, (7, 7, 1)),
    ("surface-Al-111-bulk", None, (7, 7, 3)),
    ("ordering-MgO", 1000.0, None),
    ("ordering-CaO", 1000.0, None),
    ("ordering-CaMgO-8", 1000.0, None),
    ("ordering-MgO", None, (4, 4, 4)),
    ("ordering-CaO", None, (4, 4, 4)),
    ("ordering-CaMgO-8", None, (4, 4, 4)),
    ("phonon-Al-0", None, (4, 4, 4)),
    ("phonon-Al-0", 700.0, None),
    ("vacancy-Al-host", 700.0, None),
    ("vacancy-Al", 700.0, None),
    ("hop-Al-2", 700.0, None),
    ("debye-LiF-0", 1000.0, None),
    ("debye-LiF-0", None, (7, 7, 5)),
    ("schottky-LiF-host", 1000.0, None),
    ("schottky-LiF", 1000.0, None),
    ("schottky-LiF-host", None, (4, 4, 4)),
    ("schottky-LiF", None, (4, 4, 4)),
    ("surface-C-110-bulk", 1000.0, None),
    ("surface-C-110-slab", 1000.0, None),
    ("surface-C-110-bulk", None, (6, 7, 7)),
    ("surface-C-110-slab", None, (6, 7, 1)),
    ("phonon-LiF-0", 1000.0, None),
    ("phonon-LiF-0", None, (4, 4, 4)),
    ("r2scan-LiF-0", 1000.0, None),
)
"""Single points that are computed again: name, cutoff in eV and mesh, where these differ."""


def convergence() -> Iterator[Point]:
    """Members of each group again, with a higher cutoff or a denser mesh."""
    # Defects after migration, whose first images are vacancies too.
    builders = (frames, eos, surfaces, migration, defects, phonons, debye, r2scan)
    known = {each.name: each for build in builders for each in build()}
    # A crystal that ends two solutions counts as a member of the first.
    known |= {each.name: each for each in reversed(list(solid_solutions()))}
    for name, cutoff, mesh in CHECKS:
        usual = known[name]
        change = f"{cutoff:.0f}eV" if cutoff else "x".join(map(str, mesh or usual.mesh))
        atoms = usual.atoms.copy()
        atoms.info["point"] = f"{name}_{change}"
        settings = replace(usual.settings, cutoff=cutoff or usual.settings.cutoff)
        yield Point(f"{name}_{change}", atoms, settings, mesh or usual.mesh)


GROUPS: dict[str, Callable[[], Iterator[Point]]] = {
    "eos": eos,
    "surfaces": surfaces,
    "defects": defects,
    "migration": migration,
    "solid_solutions": solid_solutions,
    "phonons": phonons,
    "amplitudes": amplitudes,
    "debye": debye,
    "r2scan": r2scan,
    "convergence": convergence,
}
"""By name of the file of labels."""
