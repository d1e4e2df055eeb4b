"""The model that an environment file's ``setup`` gives: an ASE calculator, or a torch-sim model."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import os
import platform
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .frames import PROTOCOL

if TYPE_CHECKING:
    from types import ModuleType

    from ase import Atoms

T = TypeVar("T")
Found = tuple[object, object, object]
"""Energy, forces and stress, if there is one, as other people's code gives them."""

_WEIGHTS = {
    *(".bin", ".ckpt", ".eqx", ".h5", ".hdf5", ".jpt", ".model", ".msgpack", ".npz", ".nqx", ".pb"),
    *(".pickle", ".pkl", ".pt", ".pt2", ".pth", ".safetensors", ".tar", ".zip"),
}
"""Endings of files that weights come in."""
_LEAST_WEIGHTS = 10_000
"""Bytes; smaller files are settings."""
_RECORDED = ("ase", "e3nn", "jax", "numpy", "torch", "torch-sim-atomistic")


class _OpenedFiles:
    """Files that are opened while a model is loaded: its weights are among them."""

    def __init__(self) -> None:
        self.on = False
        self.opened: dict[str, None] = {}

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if self.on and event == "open" and isinstance(args[0], (str, os.PathLike)):
            self.opened[os.path.abspath(os.fspath(args[0]))] = None


WATCH = _OpenedFiles()


class LoadedModel:
    """What an environment file's ``setup`` gave for a checkpoint.

    Parameters
    ----------
    file, checkpoint
        The environment file, and one of its checkpoints or a file of weights.
    device, dtype
        Passed on where ``setup`` takes them.
    """

    def __init__(self, file: str, checkpoint: str, device: str, dtype: str) -> None:
        self.module = _module(file)
        factory = _factory(self.module, file, checkpoint)
        wanted = {"device": device, "dtype": dtype}
        parameters = inspect.signature(factory).parameters
        given = {name: value for name, value in wanted.items() if name in parameters}
        self.takes = sorted(given)
        WATCH.opened.clear()
        WATCH.on = True
        try:
            self.model = factory(checkpoint, **given)
        finally:
            WATCH.on = False
        self.checkpoint = checkpoint
        self.is_calculator = hasattr(self.model, "get_potential_energy")
        if not self.is_calculator and not (
            callable(self.model) and hasattr(self.model, "compute_stress")
        ):
            raise TypeError(
                f"{factory.__name__} of {file} gave a {type(self.model).__name__}, which is neither an ASE "
                "calculator nor a torch-sim ModelInterface"
            )

    def about(self) -> dict[str, object]:
        """The answer to ``hello``."""
        elements = getattr(self.module, "ELEMENTS", ())
        if isinstance(elements, Mapping):
            elements = elements.get(self.checkpoint, ())
        packages = {"python": platform.python_version()}
        for package in _RECORDED:
            try:
                packages[package] = metadata.version(package)
            except metadata.PackageNotFoundError:
                continue
        return {
            "protocol": PROTOCOL,
            "mode": "loop" if self.is_calculator else "batch",
            "kind": f"{type(self.model).__module__}.{type(self.model).__qualname__}",
            "takes": self.takes,
            "reference": self.is_calculator or hasattr(self.module, "reference"),
            "elements": [str(symbol) for symbol in elements],
            "packages": packages,
            "weights": dict(_weights(WATCH.opened)),
        }

    def evaluate(self, structures: Sequence[Atoms], stress: bool) -> Sequence[Found | Exception]:
        """Energy, forces and stress of each structure, or the exception that it led to."""
        if self.is_calculator:
            return [attempt(self._from_calculator, atoms, stress) for atoms in structures]
        if len(structures) > 1:
            together = attempt(self._from_batch, structures, stress)
            if not isinstance(together, Exception) or _memory_ran_out(together):
                return together if isinstance(together, list) else [together] * len(structures)
        # Whose fault it was; the others shall not suffer.
        single = [attempt(self._from_batch, [atoms], stress) for atoms in structures]
        return [found if isinstance(found, Exception) else found[0] for found in single]

    def _from_calculator(self, atoms: Atoms, stress: bool) -> Found:
        from ase.calculators.calculator import PropertyNotImplementedError

        atoms.calc = self.model
        energy = atoms.get_potential_energy()
        forces = atoms.get_forces(apply_constraint=False)
        found = None
        if stress:
            with suppress(PropertyNotImplementedError, NotImplementedError):
                found = atoms.get_stress(voigt=False, apply_constraint=False)
        return energy, forces, found

    def _from_batch(self, structures: Sequence[Atoms], stress: bool) -> list[Found]:
        import torch_sim

        model = self.model
        state = torch_sim.io.atoms_to_state(list(structures), model.device, model.dtype)
        output = {name: _array(value) for name, value in model(state).items() if value is not None}
        ends = np.cumsum([len(atoms) for atoms in structures])
        forces = np.split(output["forces"], ends[:-1])
        stresses = output.get("stress") if stress else None
        return [
            (output["energy"][k], forces[k], None if stresses is None else stresses[k])
            for k in range(len(structures))
        ]


def _module(file: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("environment_file", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _factory(module: ModuleType, file: str, checkpoint: str) -> Callable[..., Any]:
    """The function of an environment file that loads a checkpoint."""
    known = getattr(module, "CHECKPOINTS", None)
    own = getattr(module, "setup_from_path", None)
    if own is not None and os.path.exists(checkpoint) and checkpoint not in (known or ()):
        return own
    if known is not None and known.get(checkpoint) is None:
        names = ", ".join(name for name, value in known.items() if value is not None)
        raise LookupError(f"{file} has no checkpoint {checkpoint!r}; it has {names}")
    if not callable(getattr(module, "setup", None)):
        raise AttributeError(f"{file} has no function setup(checkpoint, device)")
    return module.setup


def _weights(opened: Mapping[str, None]) -> Iterator[tuple[str, str]]:
    """Paths and sha256 of what looks like weights."""
    for name in opened:
        path = Path(name)
        if path.suffix in _WEIGHTS and path.is_file() and path.stat().st_size >= _LEAST_WEIGHTS:
            digest = hashlib.sha256()
            with path.open("rb") as file:
                for part in iter(lambda: file.read(2**20), b""):
                    digest.update(part)
            yield name, digest.hexdigest()


def _array(value: Any) -> np.ndarray:
    return np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value)


def attempt(function: Callable[..., T], *args: object) -> T | Exception:
    """What a function gives, or what it raises: other people's code may raise anything."""
    try:
        return function(*args)
    except Exception as error:
        traceback.print_exc()
        return error


def _memory_ran_out(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__
