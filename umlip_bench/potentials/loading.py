"""From a name or a path to a potential."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from umlip_bench.environments.registry import shipped
from umlip_bench.ground.errors import UmlipBenchError, UnknownModelError, WeightsError
from umlip_bench.ground.extras import naming_the_extra, require
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.model_card import WeightsFile, unlisted_card
from umlip_bench.ground.own_card import with_sidecar
from umlip_bench.ground.trust import require_trust, trust
from umlip_bench.potentials import environment_weights
from umlip_bench.potentials.adapters.calculator_weights import (
    YAML,
    calculator_by_name,
    calculator_in_yaml,
    calculator_object,
)
from umlip_bench.potentials.adapters.foreign_identity import legacy_identity
from umlip_bench.potentials.catalogue import card as card_by_name
from umlip_bench.potentials.catalogue import catalogue
from umlip_bench.potentials.compile_mode import Compile, checked, wanted
from umlip_bench.potentials.corrections.folder import (
    CARD,
    FAMILY,
    ParentModel,
    corrected_weights,
    is_corrected,
    read_correction,
    trained_weights,
)
from umlip_bench.potentials.corrections.modification import TrainedWeights
from umlip_bench.potentials.families import families, family
from umlip_bench.potentials.weights import Weights, WeightsStore, path_and_head, weights_at

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

    from umlip_bench.potentials.protocol import Potential

WITHOUT_FILES = {"ase", environment_weights.FAMILY}
"""Families that read no file of weights here."""
_ENDINGS = (".model", ".pth", ".tar", ".pt", ".yaml", ".yml")
_ALIAS = re.compile(r"\w[\w.+-]*")
"""What a user may call a model."""
RUN_BY_READING = {"mace", environment_weights.FAMILY}
"""Families whose files are pickles, or may be: reading one runs whatever code it holds."""

logger = logging.getLogger(__name__)


def potential(
    name: str | Path | Calculator,
    *,
    device: str = "auto",
    dtype: str = "float32",
    store: WeightsStore | None = None,
    compile: Compile | None = None,
) -> Potential:
    """A model that evaluates many structures at once, with `umlip_bench.predict`.

    Weights that are not here are downloaded.

    Parameters
    ----------
    name
        Any ASE calculator; or a model by name (``umlip-bench models`` lists them), a path to weights or to
        the folder of a corrected model, ``family:path``, ``path#HEAD`` for one head of a MACE file,
        ``ase:module.path:NAME`` or ``ase:./file.py:NAME`` with arguments (``?key=value&key=value``) for an
        ASE calculator, the path of a YAML file that says the same, or ``environment:checkpoint`` for one
        that lives in a Python of its own: ``sevennet:7net-0``, ``path/to/file.py:checkpoint``.
        ``mine=...`` calls it ``mine``.
    device
        ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
    dtype
        ``float32`` or ``float64``.
    store
        Where weights are looked for; by default the user's.
    compile
        ``never``, ``always``, or ``auto``: once calls have taken so long that as much again would pay for it
        (`umlip_bench.potentials.compiled`); by default as ``UMLIP_BENCH_COMPILE`` says, or never.

    Raises
    ------
    UnknownModelError, WeightsError, DeviceError, UmlipBenchError
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
    from umlip_bench.potentials.protocol import Potential

    mode = wanted() if compile is None else checked(compile)
    if isinstance(own := getattr(name, "potential", None), Potential):
        return own  # behind a calculator that `umlip_bench.load` gave
    torch_device, torch_dtype = resolve_device(device), resolve_dtype(dtype)
    weights = located(name, store or WeightsStore())
    loader = family(weights.card.family)
    loaded = loader(weights, device=torch_device, dtype=torch_dtype)
    loaded.use_compiled(mode)
    return loaded


def located(model: str | Path | Calculator, store: WeightsStore) -> Weights:
    """As `locate`, also for paths and for calculators that are there.

    Raises
    ------
    UnknownModelError, WeightsError
    """
    if isinstance(model, str | Path):
        return locate(str(model), store)
    return calculator_object(model)


def locate(name: str, store: WeightsStore) -> Weights:
    """Find or fetch the weights that a name stands for.

    A name of the catalogue always stands for the published model, whatever lies in the working directory:
    a file or folder of that name is reached as ``./NAME``. ``PATH#HEAD`` (or ``PATH@HEAD``) names a readout
    head, ``mine=NAME`` what the model is called from here on. Families and what lies on disk come before
    environments of the same name.

    Raises
    ------
    UnknownModelError, WeightsError
    """
    alias, equals, rest = name.partition("=")
    if equals and _ALIAS.fullmatch(alias) and not Path(name).exists():
        return _called(alias, locate(rest, store))
    prefix, colon, target = name.partition(":")
    if colon and prefix == FAMILY:
        return _corrected(Path(target), store)
    if colon and prefix in families():
        match prefix:
            case "ase":
                return calculator_by_name(name)
            case environment_weights.FAMILY:
                return environment_weights.locate(target, store)
            case _:
                return _given(target, prefix)
    path = Path(name)
    if path.suffix in YAML and path.is_file():
        return calculator_in_yaml(path)
    if name.lower() in catalogue():
        if path.exists():
            logger.warning(
                "%s is the published model; for what is here write .%s%s", name, os.sep, name
            )
        card = card_by_name(name)
        # Weights are of no use without it, and those of chgnet come with it.
        require(card.family.removesuffix("2"))
        return store.fetch(card)
    if is_corrected(path):
        return _corrected(path, store)
    # A script is never a file of weights, and its checkpoint may be one.
    if not environment_weights.names_script(name) and path_and_head(name)[0].exists():
        return _given(name, None)
    if environment_weights.names_environment(name):
        return environment_weights.locate(name, store)
    # Versions put dots into names (chgnet-0.3.0); only separators and known endings mean a file.
    if "/" in name or re.split("[@#]", name)[0].endswith(_ENDINGS):
        raise UnknownModelError(
            f"{name!r} is neither a model by name nor an existing file or folder; "
            "`umlip-bench models` lists the names"
        )
    if colon:
        raise UnknownModelError(
            f"{name!r}: {prefix!r} is neither a family ({', '.join(sorted(families()))}) nor an environment "
            f"({', '.join(sorted(shipped()))}); an environment file of your own is named by its path, "
            "path/to/file.py:CHECKPOINT"
        )
    return store.fetch(card_by_name(name))


def _called(name: str, weights: Weights) -> Weights:
    """The same model by a name of the user's."""
    if name.lower() in catalogue() and weights.card.name != name.lower():
        raise UnknownModelError(
            f"{name} is the name of a published model, and {weights.card.name} must not pass for it; choose "
            "another name"
        )
    return replace(weights, card=replace(weights.card, name=name))


def _corrected(folder: Path, store: WeightsStore, above: tuple[Path, ...] = ()) -> Weights:
    """A corrected model and the weights that its folder names or holds; `above` are those it corrects."""
    above = (*above, folder.resolve())
    correction = read_correction(folder)
    if isinstance(correction.change, TrainedWeights):
        trained = correction.change.card
        by_environment = trained.family == environment_weights.FAMILY
        if by_environment and environment_weights.names_environment(correction.parent.name):
            # It is read by what the user has built; a script is its own code.
            if environment_weights.names_script(correction.parent.name):
                require_trust(correction.parent.name, correction.parent.sha256, folder / CARD)
        elif trained.family in WITHOUT_FILES | {FAMILY}:
            raise WeightsError(f"{folder / CARD}: weights cannot be of {trained.family}")
        weights = trained_weights(folder, correction, correction.change)
        _require_trusted_files(weights.base, folder)
        return weights
    expected = correction.parent
    try:
        if expected.path is None:
            parent = _named_parent(expected, folder, store)
        elif expected.family in WITHOUT_FILES:
            raise WeightsError(f"{folder / expected.path} cannot be of {expected.family}")
        elif expected.family != FAMILY:
            parent = _given(str(folder / expected.path), expected.family)
            _require_trusted_files(parent, folder)
        elif (folder / expected.path).resolve() in above:
            raise WeightsError(f"{folder / expected.path} is the corrected model itself")
        else:
            parent = _corrected(folder / expected.path, store, above)
    except UmlipBenchError as error:
        raise WeightsError(
            f"{folder} corrects {expected.name}, which cannot be had: {error}"
        ) from error
    if correction.parent.sha256 == legacy_identity(parent.card.name):
        parent = replace(parent, sha256=correction.parent.sha256)
    return corrected_weights(folder, correction, parent)


def trust_written(folder: Path) -> None:
    """Trust the code that a corrected model, which was just written here, runs when it is loaded."""
    correction = read_correction(folder)
    parent, change = correction.parent, correction.change
    if isinstance(change, TrainedWeights):
        if change.card.family in RUN_BY_READING:
            _trust_files(trained_weights(folder, correction, change).base)
        if environment_weights.names_script(parent.name):
            trust(parent.name, parent.sha256)
    elif parent.path is not None and parent.family in RUN_BY_READING:
        _trust_files(_given(str(folder / parent.path), parent.family))
    elif parent.path is None and _by_code(parent):
        trust(parent.name, parent.sha256)


def _trust_files(weights: Weights) -> None:
    for path in weights.paths:
        trust(path.name, hashlib.sha256(path.read_bytes()).hexdigest())


def _require_trusted_files(weights: Weights, folder: Path) -> None:
    """Refuse files of a corrected model that run code when they are read, unless they are trusted.

    A file that a user names is the user's choice; one that comes inside a folder is not.
    """
    published = weights.card.name in catalogue() and weights.card == catalogue()[weights.card.name]
    if weights.card.family in RUN_BY_READING and not published:
        for path in weights.paths:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            require_trust(path.name, digest, folder / CARD)


def _named_parent(expected: ParentModel, folder: Path, store: WeightsStore) -> Weights:
    """A parent without files in the folder.

    Never a path: what lies in the working directory is not what was corrected, and reading it may run code.
    A calculator, or a checkpoint of a script, is code too: it needs the user's trust.
    """
    if not _by_code(expected):
        return store.fetch(card_by_name(expected.name))
    if expected.family != environment_weights.FAMILY:
        require_trust(expected.name, expected.sha256, folder / CARD)
        return locate(expected.name, store)
    if environment_weights.names_script(expected.name):
        require_trust(expected.name, expected.sha256, folder / CARD)
    return environment_weights.locate(expected.name, store)


def _by_code(parent: ParentModel) -> bool:
    """Whether a name stands for code, or a file that another package's family reads."""
    by_prefix = parent.name.partition(":")[0] in families().keys() - {FAMILY}
    return by_prefix or parent.family in WITHOUT_FILES


def _given(target: str, family_name: str | None) -> Weights:
    """Weights at a path; files that are a listed model's are taken for that model."""
    path, head = path_and_head(target)
    if not path.exists():
        raise WeightsError(f"{path} does not exist")
    files = sorted(f for f in path.iterdir() if f.is_file()) if path.is_dir() else [path]
    digests = {hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    for card in catalogue().values():
        if card.files and all(file.sha256 in digests for file in card.files):
            return _with_head(weights_at(card, path), head)
    name = path.name.removesuffix(".model").removesuffix(".pth.tar")
    names = tuple(WeightsFile(file.name, url="") for file in files) if path.is_dir() else ()
    family_name = family_name or _family_of(path, names)
    card = with_sidecar(unlisted_card(name, family_name, names), path)
    weights = weights_at(replace(card, head=None), path)
    if card.head is not None:  # the card is of this head
        weights = replace(_with_head(weights, card.head), card=card)
    return _with_head(weights, head)


def _with_head(weights: Weights, head: str | None) -> Weights:
    """The same files read by one of their heads, which is another model."""
    if head is None or head == weights.card.head:
        return weights
    if weights.card.family != "mace":
        raise WeightsError(
            f"{weights.paths[0]}#{head}: only MACE models have heads, this is of {weights.card.family}"
        )
    card = replace(
        weights.card,
        name=f"{weights.card.name}@{head}",
        head=head,
        level_of_theory=LevelOfTheory("unknown"),
    )
    digest = hashlib.sha256(f"{weights.sha256} {head}".encode()).hexdigest()
    return replace(weights, card=card, sha256=digest)


def _family_of(path: Path, names: tuple[WeightsFile, ...]) -> str:
    if path.name.endswith(".pth.tar"):
        return "chgnet"
    if path.suffix == ".model":
        return "mace"
    if path.is_dir() and (path / "model.json").exists():
        with naming_the_extra():
            from umlip_bench.potentials.adapters.matgl import predates_matgl_3

        try:
            return (
                "matgl2"
                if predates_matgl_3(weights_at(unlisted_card(path.name, "", names), path))
                else "matgl"
            )
        except WeightsError as error:
            raise WeightsError(
                f"{path}: a matgl model that is not a listed one does not say how its messages are summed, "
                "which changed with matgl 3, and the wrong guess is off by eV/atom. Write "
                f"matgl:{path} if it was trained with matgl 3 or later, matgl2:{path} if before ({error})"
            ) from error
    raise WeightsError(
        f"{path}: cannot tell which family these weights are of; expected a *.model file (mace), a "
        f"*.pth.tar file (chgnet), a folder with model.json (matgl) or one with {CARD} (a corrected "
        "model). To name the family write "
        f"FAMILY:{path} with one of {', '.join(sorted(families().keys() - WITHOUT_FILES))}"
    )
