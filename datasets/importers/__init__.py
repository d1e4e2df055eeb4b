"""Readers of published data sets, in the form their authors gave them, as typed cases.

An importer is a generator function ``cases(folder, level)``: it reads the files below `folder` one by one
and yields `umlip_bench.datasets.cases.ReferenceCase` objects whose DFT values are at `level`. What must not
enter statistics is yielded too, marked with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

from umlip_bench.datasets.cases import ReferenceCase
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory

Importer = Callable[[Path, LevelOfTheory], Iterator[ReferenceCase]]

IMPORTERS: dict[str, str] = {
    "acwf-pbe-ae": "umlip_bench.datasets.importers.acwf:cases",
    "ase-dcdft": "umlip_bench.datasets.importers.dcdft:cases",
    "atomate2-approxneb": "umlip_bench.datasets.importers.approxneb:cases",
    "matcalc-elasticity": "umlip_bench.datasets.importers.mp_elasticity:cases",
    "matcalc-phonon": "umlip_bench.datasets.importers.alexandria_phonons:cases",
    "mattersim-tp": "umlip_bench.datasets.importers.mattersim:cases",
    "mlearn": "umlip_bench.datasets.importers.mlearn:cases",
    "mlip-arena-bazro3": "umlip_bench.datasets.importers.bazro3:cases",
    "monbtaw": "umlip_bench.datasets.importers.monbtaw:cases",
    "monbtaw-aimd": "umlip_bench.datasets.importers.monbtaw:aimd_cases",
    "phonopy-examples": "umlip_bench.datasets.importers.phonopy_examples:cases",
    "pymatgen-gaas": "umlip_bench.datasets.importers.gaas_defects:cases",
    "pymatgen-wulff": "umlip_bench.datasets.importers.wulff:cases",
    "wbm-high-energy-states": "umlip_bench.datasets.importers.wbm:cases",
}
"""``"module:function"`` by id of the data set; imported only when asked for."""


def importer(id: str) -> Importer:
    """Reader of a data set.

    Raises
    ------
    DataError
        If no data set goes by this id.
    """
    if id not in IMPORTERS:
        raise DataError(f"no importer for {id!r}; there are {', '.join(sorted(IMPORTERS))}")
    module, function = IMPORTERS[id].split(":")
    found: Importer = getattr(import_module(module), function)
    return found
