"""Lengths of time as people write them, 2h, 90min, 1h30m, 45 s, and as they read them, about 2 hours."""

from __future__ import annotations

import re

UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?)\s*([a-z]+)")


def seconds_in(text: str) -> float:
    """Seconds of a text.

    Parameters
    ----------
    text
        Numbers with units: s, m or min, h, d.

    Raises
    ------
    ValueError
        If it is none, or none above 0; names the text and what is allowed.

    Examples
    --------
    >>> seconds_in("2h"), seconds_in("1h 30min")
    (7200.0, 5400.0)
    """
    total, end = 0.0, 0
    while part := _PART.match(text, end):
        unit = UNITS.get(part[2])
        if unit is None:
            break
        total += float(part[1]) * unit
        end = part.end()
    if total <= 0.0 or text[end:].strip():
        raise ValueError(f"{text!r} is no length of time above 0, such as 2h, 90min, 1h30m or 45s")
    return total


def checked_duration(text: str) -> str:
    """The text itself, if it is one; as `seconds_in`."""
    seconds_in(text)
    return text


def in_words(seconds: float) -> str:
    """About how long it is, as a sentence has it.

    Examples
    --------
    >>> in_words(29.0), in_words(75.0), in_words(720.0), in_words(9000.0)
    ('less than a minute', 'about 1 minute', 'about 12 minutes', 'about 3 hours')
    """
    if seconds < UNITS["m"]:
        return "less than a minute"
    # From two of the larger unit on, so that no number is far from what it stands for.
    name, unit = next(
        (name, UNITS[unit])
        for name, unit in (("day", "d"), ("hour", "h"), ("minute", "m"))
        if unit == "m" or seconds >= 2 * UNITS[unit]
    )
    n = int(seconds / unit + 0.5)
    return f"about {n} {name}{'' if n == 1 else 's'}"
