"""Weights that a package downloads by itself: held against the published hash, or that of the first time.

The worker says which files of weights were opened while the model was loaded. What of them is published with
a hash has to have it; the others have to be what they were when the checkpoint was first loaded here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from umlip_bench.environments.environment import Environment
from umlip_bench.ground.errors import WeightsError
from umlip_bench.ground.files import write_atomically
from umlip_bench.ground.model_card import ModelCard


def hold(environment: Environment, checkpoint: str, card: ModelCard, opened: object) -> None:
    """Check the weights of a checkpoint that has been loaded, and pin them if it is the first time.

    Those of an environment of the user's own are the user's to change.

    Parameters
    ----------
    environment
        That loaded it.
    checkpoint
        One that its file names.
    card
        With the published hashes.
    opened
        sha256 of the files of weights that were opened, by path, as a worker said; anything else counts as
        none.

    Raises
    ------
    WeightsError
        If one of them is another file than was published, or than it was the first time.
    """
    if environment.home is None or not isinstance(opened, Mapping):
        return
    published = {file.name: file.sha256 for file in card.files if file.sha256}
    pins = environment.home.with_name("pins.json")
    known = _read(pins)
    found = {Path(str(path)).name: str(digest) for path, digest in opened.items()}
    for name, digest in found.items():
        if (wanted := published.get(name, digest)) != digest:
            raise WeightsError(
                f"{environment.name}:{checkpoint}: {name} is not the published file: its sha256 is "
                f"{digest}, not {wanted}. `umlip-bench env build {environment.name} --anew` fetches it again"
            )
    pinned = known.get(checkpoint)
    if pinned is None:
        known[checkpoint] = found
        text = json.dumps(known, indent=1, sort_keys=True) + "\n"
        write_atomically(pins, lambda file: file.write(text.encode()))
    elif pinned != found:
        changed = sorted(n for n in pinned.keys() | found.keys() if pinned.get(n) != found.get(n))
        raise WeightsError(
            f"{environment.name}:{checkpoint}: {', '.join(changed)} is not what it was when it was first "
            f"loaded; remove the entry in {pins} if that is as it should be"
        )


def _read(pins: Path) -> dict[str, dict[str, str]]:
    try:
        return dict(json.loads(pins.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{pins} cannot be read ({error}); remove it, and weights are pinned anew"
        ) from error
