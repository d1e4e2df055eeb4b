"""Whether a file is what it should be: published hash, or shape and the hash first seen."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Protocol

from umlip_bench.ground.archives import DamagedArchive, check_archive

_TORCH_SUFFIXES = frozenset({".ckpt", ".model", ".pt", ".pth", ".tar"})
# First bytes of what torch.save wrote before 1.6: pickle protocol 2 and torch's magic number.
_LEGACY_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
# At byte 257 of a tar archive, as torch wrote in its first releases.
_TAR_MAGIC = b"ustar"
_HTML = b"<html"


class PublishedFile(Protocol):
    """What has to be known of a file to fetch and to check it."""

    @property
    def name(self) -> str:
        """Its name, or its path inside the folder that it belongs to."""

    @property
    def url(self) -> str:
        """Where it is published."""

    @property
    def sha256(self) -> str | None:
        """Hex digest, or ``None`` where none is published."""

    @property
    def size(self) -> int | None:
        """Size in bytes, if known."""

    @property
    def git_blob_sha1(self) -> str | None:
        """Git's own digest of the content, where it is all that upstream gives."""


class FileRefused(Exception):
    """Says in one line why a file is not the one that it should be."""


def check(path: Path, file: PublishedFile, pin: Path | None) -> str:
    """Return the file's sha256, or refuse the file; `pin` is where its first sha256 may be kept."""
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        content = path.read_bytes() if file.git_blob_sha1 is not None else b""
    except OSError as error:
        raise FileRefused(f"it cannot be read: {error}") from error
    if file.git_blob_sha1 is not None:
        blob = hashlib.sha1(b"blob %d\0%b" % (len(content), content)).hexdigest()
        if blob != file.git_blob_sha1:
            raise FileRefused(f"its git blob id is {blob}, expected {file.git_blob_sha1}")
    if file.sha256 is not None:
        if digest == file.sha256.lower():
            return digest
        hint = _looks_wrong(path, file)
        raise FileRefused(
            f"its sha256 is {digest}, expected {file.sha256}" + (f" ({hint})" if hint else "")
        )
    pinned = _read_pin(pin) if pin else None
    if digest == pinned:
        return digest
    fault = _looks_wrong(path, file) or _wrong_format(path, Path(file.name).suffix)
    if fault:
        raise FileRefused(fault)
    if pinned is not None:
        raise FileRefused(
            f"its sha256 is {digest}, but {pinned} was pinned when it was first downloaded; "
            f"if the change is meant, delete the pin {pin}"
        )
    return digest


def fault_of(path: Path, file: PublishedFile, pin: Path | None) -> str | None:
    """Say why a file is not the one that it should be, if it is not."""
    try:
        check(path, file, pin)
    except FileRefused as refusal:
        return str(refusal)
    return None


def _looks_wrong(path: Path, file: PublishedFile) -> str | None:
    """Say what is wrong at first sight, if anything is."""
    size = path.stat().st_size
    if size == 0:
        return "it is empty"
    with path.open("rb") as stream:
        start = stream.read(512).lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<") and (_HTML in start.lower() or not file.name.endswith(".xml")):
        return "it is a web page (HTML or XML), as proxies, logins and error pages send"
    if file.size is not None and size != file.size:
        return f"it has {size} bytes, expected {file.size}"
    return None


def _wrong_format(path: Path, suffix: str) -> str | None:
    """Say why the content is not what the suffix promises; unknown suffixes may hold anything."""
    if suffix == ".json":
        try:
            json.loads(path.read_bytes())
        except ValueError:
            return "it is not readable as JSON"
    elif suffix in _TORCH_SUFFIXES and (fault := _no_torch_file(path)):
        return f"it is not a whole file as written by torch.save: {fault}"
    return None


def _no_torch_file(path: Path) -> str | None:
    with path.open("rb") as stream:
        header = stream.read(512)
    if header.startswith(_LEGACY_TORCH) or header[257:262] == _TAR_MAGIC:
        return None
    try:
        names = check_archive(path)
    except DamagedArchive as error:
        return str(error)
    return None if any(name.endswith("/data.pkl") for name in names) else "it has no data.pkl"


def pin_of(path: Path) -> Path:
    """Return where the first digest of a file without a published one is kept."""
    return path.with_name(f"{path.name}.sha256")


def _read_pin(pin: Path) -> str | None:
    try:
        return pin.read_text(encoding="utf-8", errors="replace")[:64].strip().lower()
    except FileNotFoundError:
        return None


def write_pin(pin: Path, name: str, digest: str) -> None:
    """Write a pin in the form that ``sha256sum --check`` reads, whole or not at all."""
    part = pin.with_name(f"{pin.name}.part")
    part.write_text(f"{digest}  {name}\n", encoding="utf-8")
    os.replace(part, pin)
