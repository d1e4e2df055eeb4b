"""The columns of a comparison: models, of one run folder or of several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from umlip_bench.analysis.runs import Run
from umlip_bench.ground.errors import DataError


@dataclass(frozen=True, eq=False)
class Side:
    """A model in a run folder.

    Parameters
    ----------
    run
        The folder.
    model
        Name of the model in it.
    label
        Unique among the sides that it is shown with: the model's name, and the folder's where several
        have the model.
    """

    run: Run
    model: str
    label: str


def corrects(side: Side, other: Side) -> bool:
    """Whether a model is a correction of another, or a correction of such a one."""
    known = {**other.run.config.models, **side.run.config.models}
    name: object = side.run.card(side.model).parent
    seen: set[object] = {side.model}
    while name is not None and name not in seen:
        if name == other.model:
            return True
        seen.add(name)
        name = known[name].get("parent") if isinstance(name, str) and name in known else None
    return False


def baseline_first(first: Side, second: Side) -> tuple[Side, Side]:
    """The two in the order in which they are compared, second minus first.

    A corrected model is compared with its parent, never the parent with the corrected model, so that a
    difference is what the correction does. Others stay in their order.
    """
    return (second, first) if corrects(first, second) else (first, second)


def sides(runs: Sequence[Run]) -> list[Side]:
    """All models of some run folders.

    Raises
    ------
    DataError
        If two folders that have the same model have the same name too.
    """
    names = Counter(model for run in runs for model in run.models)
    found = [
        Side(run, model, model if names[model] == 1 else f"{model} ({run.name})")
        for run in runs
        for model in run.models
    ]
    repeated = [label for label, n in Counter(side.label for side in found).items() if n > 1]
    if repeated:
        raise DataError(
            f"{', '.join(repeated)}: two run folders of that name have the model; rename one"
        )
    return found
