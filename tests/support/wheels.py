"""Wheels made on the spot, so that environments are built of them without a network."""

from __future__ import annotations

import base64
import hashlib
import sysconfig
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

PACKAGES = ("ase", "numpy", "numpy.libs", "scipy", "scipy.libs")
"""What a worker imports, borrowed from this Python."""


def wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, str],
    requires: Sequence[str] = (),
) -> Path:
    """Write a pure-Python wheel.

    Parameters
    ----------
    folder
        Where to.
    name, version
        Of the distribution.
    files
        Content by path.
    requires
        What it asks for.
    """
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    content = {
        **files,
        f"{info}/METADATA": metadata + "".join(f"Requires-Dist: {each}\n" for each in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in content.items()
    )
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in content.items():
            archive.writestr(inner, text)
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return path


def borrowed(folder: Path) -> None:
    """Wheels of ase and numpy that lead to this Python's, without their distributions.

    Parameters
    ----------
    folder
        Where wheels go, and links to the packages.
    """
    site = Path(sysconfig.get_path("purelib"))
    links = folder / "packages"
    links.mkdir()
    for name in PACKAGES:
        if (site / name).exists():
            (links / name).symlink_to(site / name)
    wheel(folder, "ase", "3.99", {"borrowed.pth": f"{links}\n"})
    wheel(folder, "numpy", "2.99", {"borrowed_numpy.py": ""})


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
