"""From a name or a path to a potential or an ASE calculator."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from umlip_bench.errors import UnknownModelError, WeightsError
from umlip_bench.potentials.card import LevelOfTheory, ModelCard
from umlip_bench.potentials.catalogue import card as card_by_name
from umlip_bench.potentials.families import families, family
from umlip_bench.potentials.store import Origin, Weights, WeightsStore

if TYPE_CHECKING:
    from umlip_bench.calculator import PotentialCalculator
    from umlip_bench.potentials.protocol import Potential


def load(name: str, *, device: str = "auto", dtype: str = "float32") -> PotentialCalculator:
    """An ASE calculator for a model.

    Parameters
    ----------
    name
        A model by name (``umlip-bench models`` lists them), a path to weights, ``family:path``, or
        ``ase:module.path:ClassName`` for any installed ASE calculator.
    device
        ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
    dtype
        ``float32`` or ``float64``.

    Returns
    -------
    PotentialCalculator
        With energy, free energy, forces, stress, and magnetic moments where the model has them.

    Raises
    ------
    UnknownModelError, WeightsError, DeviceError
        The message names the remedy.

    Examples
    --------
    >>> from ase.build import bulk
    >>> atoms = bulk("NaCl", "rocksalt", a=5.64)
    >>> atoms.calc = load("chgnet-0.3.0")
    >>> forces = atoms.get_forces()  # eV/Å
    """
    from umlip_bench.calculator import PotentialCalculator

    return PotentialCalculator(potential(name, device=device, dtype=dtype))


def potential(
    name: str,
    *,
    device: str = "auto",
    dtype: str = "float32",
    store: WeightsStore | None = None,
) -> Potential:
    """A model that evaluates many structures at once, with `Potential.predict`.

    Parameters and errors are those of `load`; weights that are not here are downloaded.

    Examples
    --------
    >>> from ase.build import bulk
    >>> model = potential("chgnet-0.3.0")
    >>> a, b = model.predict([bulk("Si"), bulk("MgO", "rocksalt", a=4.21)])
    >>> a.energy, b.forces.shape  # eV, (2, 3)
    """
    # torch and the model's library are imported only now: names and cards need neither.
    from umlip_bench.devices import resolve_device, resolve_dtype

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
        return _foreign(name)
    if colon and prefix in families():
        return _local(prefix, Path(target))
    if Path(name).exists():
        return _local(_family_of(Path(name)), Path(name))
    if Path(name).suffix or "/" in name:
        known = _looks_like_catalogue_name(name)
        if not known:
            raise UnknownModelError(
                f"{name!r} is neither a model by name nor an existing file or folder; "
                "`umlip-bench models` lists the names"
            )
    return store.fetch(card_by_name(name))


def _looks_like_catalogue_name(name: str) -> bool:
    # Versions put dots into names (chgnet-0.3.0); only separators and known suffixes mean a file.
    return "/" not in name and not name.endswith((".model", ".pth", ".tar", ".pt"))


def _family_of(path: Path) -> str:
    if path.is_dir() and (path / "model.json").exists():
        return "matgl"
    if path.name.endswith(".pth.tar"):
        return "chgnet"
    if path.suffix == ".model":
        return "mace"
    raise WeightsError(
        f"{path}: cannot tell which family these weights are of; expected a *.model file (mace), a "
        "*.pth.tar file (chgnet) or a folder with model.json (matgl). To name the family write "
        f"FAMILY:{path} with one of {', '.join(sorted(families()))}"
    )


def _local(family_name: str, path: Path) -> Weights:
    if not path.exists():
        raise WeightsError(f"{path} does not exist")
    files = tuple(sorted(path.iterdir())) if path.is_dir() else (path,)
    files = tuple(f for f in files if f.is_file())
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    card = ModelCard(
        name=path.name.removesuffix(".model").removesuffix(".pth.tar"),
        family=family_name,
        architecture=family_name,
        level_of_theory=LevelOfTheory("unknown"),
        training_set="unknown (local file)",
        elements=(),
        licence="unknown",
        citation="unknown",
    )
    return Weights(card=card, paths=files, origin=Origin.GIVEN, sha256=digest.hexdigest())


def _foreign(name: str) -> Weights:
    card = ModelCard(
        name=name,
        family="ase",
        architecture="ASE calculator",
        level_of_theory=LevelOfTheory("unknown"),
        training_set="unknown",
        elements=(),
        licence="unknown",
        citation="unknown",
    )
    digest = hashlib.sha256(name.encode()).hexdigest()
    return Weights(card=card, paths=(), origin=Origin.GIVEN, sha256=digest)
