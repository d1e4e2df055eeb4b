"""Texts that take long to make, kept in the user's cache."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable

from umlip_bench.ground.errors import OutputError
from umlip_bench.ground.files import write_atomically
from umlip_bench.ground.store.store import cache_folder

logger = logging.getLogger(__name__)


def remembered(kind: str, key: str, make: Callable[[], str]) -> str:
    """The text that `make` gives, made once for each key.

    Parameters
    ----------
    kind
        Folder in the cache.
    key
        All that the text depends on, versions included.
    make
        Called where nothing is kept, or what is kept was changed; every time where the cache cannot be
        written.
    """
    path = cache_folder(kind) / f"{_digest(key)[:32]}.txt"
    try:
        # Line ends as they were written: the digest is of them, too.
        digest, _, text = path.read_bytes().decode("utf-8").partition("\n")
        if digest == _digest(text):
            return text
    except (OSError, UnicodeDecodeError):
        pass
    text = make()
    content = f"{_digest(text)}\n{text}".encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: file.write(content))
    except (OSError, OutputError) as error:
        logger.info("%s cannot be kept, and is made anew every time: %s", path, error)
    return text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
