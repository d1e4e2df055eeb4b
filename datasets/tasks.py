"""The tasks that reference data serves, apart from the cases: naming one imports nothing slow."""

from __future__ import annotations

from enum import StrEnum


class Task(StrEnum):
    """What a case can be used for; the names of the suites."""

    HIGH_ENERGY = "high-energy"
    SURFACES = "surfaces"
    DEFECTS = "defects"
    SOLID_SOLUTIONS = "solid-solutions"
    PHONONS = "phonons"
    EOS = "eos"
    ELASTIC = "elastic"
    MIGRATION = "migration"
