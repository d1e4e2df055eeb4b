"""From a name or a path to a potential."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from umlip_bench.ground.errors import UmlipBenchError, UnknownModelError, WeightsError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.model_card import ModelCard, WeightsFile
from umlip_bench.potentials.adapters.foreign_identity import foreign_identity, legacy_identity
from umlip_bench.potentials.catalogue import card as card_by_name
from umlip_bench.potentials.catalogue import catalogue
from umlip_bench.potentials.corrections.folder import (
    CARD,
    FAMILY,
    corrected_weights,
    is_corrected,
    read_correction,
    trained_weights,
)
from umlip_bench.potentials.corrections.modification import TrainedWeights
from umlip_bench.potentials.families import families, family
from umlip_bench.potentials.weights import Origin, Weights, WeightsStore, weights_at

if TYPE_CHECKING:
    from umlip_bench.potentials.protocol import Potential


def potential(
    name: str,
    *,
    device: str = "auto",
    dtype: str = "float32",
    store: WeightsStore | None = None,
) -> Potential:
    """A model that evaluates many structures at once, with `umlip_bench.predict`.

    Weights that are not here are downloaded.

    Parameters
    ----------
    name
        A model by name (``umlip-bench models`` lists them), a path to weights or to the folder of a
        corrected model, ``family:path``, or ``ase:module.path:ClassName`` for any installed ASE
        calculator.
    device
        ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
    dtype
        ``float32`` or ``float64``.
    store
        Where weights are looked for; by default the user's.

    Raises
    ------
    UnknownModelError, WeightsError, DeviceError
        The message names the remedy.

    Examples
    --------
    >>> from ase.build import bulk
    >>> import umlip_bench
    >>> model = potential("chgnet-0.3.0")
    >>> a, b = umlip_bench.predict(model, [bulk("Si"), bulk("MgO", "rocksalt", a=4.21)])
    >>> f"{a.energy:.2f} eV", b.forces.shape  # eV/Å
    ('-10.62 eV', (2, 3))
    """
    # torch and the model's library are imported only now: names and cards need neither.
    from umlip_bench.potentials.devices import resolve_device, resolve_dtype

    torch_device, torch_dtype = resolve_device(device), resolve_dtype(dtype)
    weights = locate(name, store or WeightsStore())
    loader = family(weights.card.family)
    return loader(weights, device=torch_device, dtype=torch_dtype)


def locate(name: str, store: WeightsStore) -> Weights:
    """Find or fetch the weights that a name stands for, without reading them.

    Raises
    ------
    UnknownModelError, WeightsError
    """
    prefix, colon, target = name.partition(":")
    if prefix == "ase" and colon:
        digest = foreign_identity(name)
        return Weights(_unlisted(name, "ase"), paths=(), origin=Origin.GIVEN, sha256=digest)
    if colon and prefix == FAMILY:
        return _corrected(Path(target), store)
    if colon and prefix in families():
        return _given(Path(target), prefix)
    path = Path(name)
    if is_corrected(path):
        return _corrected(path, store)
    if path.exists():
        return _given(path, None)
    # Versions put dots into names (chgnet-0.3.0); only separators and known endings mean a file.
    if "/" in name or name.endswith((".model", ".pth", ".tar", ".pt")):
        raise UnknownModelError(
            f"{name!r} is neither a model by name nor an existing file or folder; "
            "`umlip-bench models` lists the names"
        )
    return store.fetch(card_by_name(name))


def _corrected(folder: Path, store: WeightsStore) -> Weights:
    """A corrected model and the weights that its folder names or holds."""
    correction = read_correction(folder)
    if isinstance(correction.change, TrainedWeights):
        return trained_weights(folder, correction, correction.change)
    try:
        parent = locate(correction.parent.reference(folder), store)
    except UmlipBenchError as error:
        raise WeightsError(
            f"{folder} corrects {correction.parent.name}, which cannot be had: {error}"
        ) from error
    if correction.parent.sha256 == legacy_identity(parent.card.name):
        parent = replace(parent, sha256=correction.parent.sha256)
    return corrected_weights(folder, correction, parent)


def _given(path: Path, family_name: str | None) -> Weights:
    """Weights at a path; files that are a listed model's are taken for that model."""
    if not path.exists():
        raise WeightsError(f"{path} does not exist")
    files = sorted(f for f in path.iterdir() if f.is_file()) if path.is_dir() else [path]
    digests = {hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    for card in catalogue().values():
        if card.files and all(file.sha256 in digests for file in card.files):
            return weights_at(card, path)
    family_name = family_name or _family_of(path)
    name = path.name.removesuffix(".model").removesuffix(".pth.tar")
    names = tuple(WeightsFile(file.name, url="") for file in files) if path.is_dir() else ()
    return weights_at(_unlisted(name, family_name, names), path)


def _family_of(path: Path) -> str:
    if path.name.endswith(".pth.tar"):
        return "chgnet"
    if path.suffix == ".model":
        return "mace"
    if path.is_dir() and (path / "model.json").exists():
        raise WeightsError(
            f"{path}: a matgl model that is not a listed one does not say how its messages are summed, "
            "which changed with matgl 3, and the wrong guess is off by eV/atom. Write "
            f"matgl:{path} if it was trained with matgl 3 or later, matgl2:{path} if before"
        )
    raise WeightsError(
        f"{path}: cannot tell which family these weights are of; expected a *.model file (mace), a "
        f"*.pth.tar file (chgnet), a folder with model.json (matgl) or one with {CARD} (a corrected "
        "model). To name the family write "
        f"FAMILY:{path} with one of {', '.join(sorted(families()))}"
    )


def _unlisted(name: str, family_name: str, files: tuple[WeightsFile, ...] = ()) -> ModelCard:
    """Card of a model that the catalogue does not know."""
    return ModelCard(
        name=name,
        family=family_name,
        architecture=family_name,
        level_of_theory=LevelOfTheory("unknown"),
        training_set="unknown",
        elements=(),
        licence="unknown",
        citation="unknown",
        files=files,
    )
