"""Adapters by family, found through the entry-point group ``umlip_bench.potentials``.

A family is a callable ``load(weights, *, device, dtype) -> Potential``. The package registers its own
in pyproject.toml the same way as third parties do in theirs.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Protocol

from umlip_bench.ground.errors import UnknownModelError
from umlip_bench.ground.extras import naming_the_extra
from umlip_bench.ground.plugins import installed

if TYPE_CHECKING:
    import torch

    from umlip_bench.potentials.protocol import Potential
    from umlip_bench.potentials.weights import Weights

GROUP = "umlip_bench.potentials"


class Family(Protocol):
    """What an entry point of the group resolves to."""

    def __call__(self, weights: Weights, *, device: torch.device, dtype: torch.dtype) -> Potential:
        """Read located weights and return the model, on its device, ready to evaluate."""
        ...


def families() -> dict[str, EntryPoint]:
    """Installed families by name, of which ours cannot be replaced; nothing is imported."""
    return dict(installed(GROUP).found)


def family(name: str) -> Family:
    """The loader of one family, imported now.

    Raises
    ------
    UnknownModelError
        If no installed package provides the family.
    MissingExtra
        If the package that it runs is not installed.
    """
    known = families()
    if name not in known:
        raise UnknownModelError(
            f"no installed package provides the family {name!r} (entry-point group {GROUP}); "
            f"installed are {', '.join(sorted(known))}"
        )
    with naming_the_extra():
        return known[name].load()
