"""What is known of one built environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from umlip_bench.environments.interpreters import clean_environment

_KEPT = {
    "XDG_CACHE_HOME": ".cache",
    "HF_HOME": ".cache/huggingface",
    "TORCH_HOME": ".cache/torch",
    "CACHED_PATH_CACHE_ROOT": ".cache/cached_path",
}
"""Variables for where packages keep what they download."""
_COMPILED = {
    "XDG_CONFIG_HOME": "config",
    "MPLCONFIGDIR": "matplotlib",
    "NUMBA_CACHE_DIR": "numba",
    "TORCH_EXTENSIONS_DIR": "torch_extensions",
    "TORCHINDUCTOR_CACHE_DIR": "torchinductor",
    "TRITON_CACHE_DIR": "triton",
    "WARP_CACHE_PATH": "warp",
    "CUDA_CACHE_PATH": "cuda",
}
"""Variables for where they keep what they compile or write down."""


@dataclass(frozen=True)
class Environment:
    """A Python with a potential's package, built from an environment file.

    Attributes
    ----------
    name
        As in ``NAME:CHECKPOINT``: ``sevennet``, or the stem of a file of the user's.
    python
        The interpreter.
    file
        The environment file it was built from, as it was then (a copy beside the build).
    lock
        Every installed distribution with its version but pip, one ``name==version`` a line, sorted.
    digest
        sha256 over the lock, the file's text and the interpreter's version.
    home
        Home folder of what runs in it, where packages keep the weights that they download; the user's if it
        is ``None``.
    python_version
        Of the interpreter.
    """

    name: str
    python: Path
    file: Path
    lock: str
    digest: str
    home: Path | None = None
    python_version: str = ""

    @property
    def versions(self) -> dict[str, str]:
        """Of the interpreter, as ``python``, and of every distribution of the lock."""
        packages = (line.partition("==") for line in self.lock.split())
        return {"python": self.python_version, **{name: version for name, _, version in packages}}

    @property
    def variables(self) -> dict[str, str]:
        """Variables of the system for a process that runs in it.

        Weights that the potential's package downloads go to `home`, so that they are found, counted and
        removed with the environment; what it compiles goes beside. Variables of a user's that name
        another place for them are left as they are, as are the tokens of Hugging Face.
        """
        found = clean_environment()
        if self.home is None:
            return found
        scratch = self.home.with_name("scratch")
        if (token := Path.home() / ".cache/huggingface/token").is_file():
            found.setdefault("HF_TOKEN_PATH", str(token))
        for name, place in _KEPT.items():
            found.setdefault(name, str(self.home / place))
        for name, place in _COMPILED.items():
            found.setdefault(name, str(scratch / place))
        return {**found, "HOME": str(self.home)}
