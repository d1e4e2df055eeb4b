"""DeePMD's folders of arrays, by dpdata: ``type.raw``, ``type_map.raw`` and ``set.*/coord.npy`` and so on.

Lengths are in Å and energies in eV; a virial is minus the volume times ASE's stress, as dpdata itself has
it (https://docs.deepmodeling.com/projects/deepmd/en/stable/data/data-conv.html).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ase import Atoms

from umlip_bench.datasets.readers.result import Code, Read, RefusedResult, of_numbers

TYPES, NAMES, OPEN = "type.raw", "type_map.raw", "nopbc"
MIXED = "real_atom_types.npy"
"""Of a folder of frames of several compositions."""


def read(path: Path) -> Read:
    """Frames of the folder that a ``type.raw`` lies in."""
    import dpdata

    folder = path.parent
    if not (folder / NAMES).is_file():
        yield RefusedResult(
            str(folder),
            f"it has no {NAMES}, and so no elements; write it, one symbol a line in the order of the types",
        )
        return
    if (folder / OPEN).exists():
        yield RefusedResult(str(folder), f"it is not periodic ({OPEN})")
        return
    if any(folder.glob(f"set.*/{MIXED}")):
        systems = list(
            dpdata.MultiSystems().load_systems_from_file(str(folder), "deepmd/npy/mixed")
        )
    else:
        form = "deepmd/npy" if any(folder.glob("set.*")) else "deepmd/raw"
        systems = [dpdata.LabeledSystem(str(folder), fmt=form)]
    number = 0
    for system in systems:
        data = system.data
        symbols = [data["atom_names"][k] for k in data["atom_types"]]
        for k in range(len(system)):
            atoms = Atoms(symbols, data["coords"][k], cell=data["cells"][k], pbc=True)
            stress = -data["virials"][k] / atoms.get_volume() if "virials" in data else None
            where = f"{folder}, frame {number}"
            yield of_numbers(
                where, Code.DEEPMD, atoms, data["energies"][k], data["forces"][k], stress
            )
            number += 1


def sources(path: Path) -> Iterator[Path]:
    """Files that the frames of a ``type.raw`` come from."""
    yield from sorted(each for each in path.parent.glob("*.raw") if each.is_file())
    yield from sorted(path.parent.glob("set.*/*.npy"))
