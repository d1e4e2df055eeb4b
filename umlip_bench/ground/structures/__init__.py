"""Structures: one way in, one set of checks, and how to make an open structure periodic.

`read_structure` and `read_structures` read files and refuse what nothing should be measured on;
`check_input` holds the same checks for structures that come from elsewhere; `check_structure` is what every
potential asks again before each evaluation.
"""

from umlip_bench.ground.structures.checks import (
    COINCIDENT_BELOW,
    check_distances,
    check_input,
    check_occupancy,
    check_structure,
    describe,
)
from umlip_bench.ground.structures.content import check_content
from umlip_bench.ground.structures.periodic import (
    brought_near,
    make_periodic,
    search_radius,
)
from umlip_bench.ground.structures.pymatgen_json import from_pymatgen_json
from umlip_bench.ground.structures.reading import (
    READER_ERRORS,
    RefusedStructure,
    read_structure,
    read_structures,
    scan_structures,
    split_frames,
)

__all__ = [
    "COINCIDENT_BELOW",
    "READER_ERRORS",
    "RefusedStructure",
    "brought_near",
    "check_content",
    "check_distances",
    "check_input",
    "check_occupancy",
    "check_structure",
    "describe",
    "from_pymatgen_json",
    "make_periodic",
    "read_structure",
    "read_structures",
    "scan_structures",
    "search_radius",
    "split_frames",
]
