"""Words for headings and file names."""

from __future__ import annotations

import re


def slug(text: str) -> str:
    """For a file name or a link: letters, digits, dots, pluses and dashes."""
    return re.sub(r"[^A-Za-z0-9.+]+", "-", text).strip("-")


def upper(text: str) -> str:
    """With a capital, but for words like cMAE."""
    return text if text[1:2].isupper() else text[:1].upper() + text[1:]
