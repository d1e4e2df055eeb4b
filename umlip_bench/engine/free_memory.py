"""How much memory a device has left for a call."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import torch

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")


def free_memory(device: torch.device) -> float:
    """Bytes that a call may take on a device without anything else having to go.

    On a CPU the least of what the system and the process's control groups (containers, batch
    systems) have left; infinite where neither says.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What torch keeps for itself but does not use is free as well.
        return float(
            free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        )
    return min([_system_memory(), *_control_groups()])


def _system_memory() -> float:
    try:
        for line in (_PROC / "meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * int(line.split()[1])
    except OSError:
        pass
    # Elsewhere than on Linux only the total can be asked for without further packages.
    if {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(getattr(os, "sysconf_names", ())):
        return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    return math.inf


def _control_groups() -> Iterator[float]:
    """What each limit on this process leaves, in both generations of Linux's control groups."""
    try:
        lines = (_PROC / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, limit, usage, cache = _CGROUPS, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            root, limit = _CGROUPS / "memory", "memory.limit_in_bytes"
            usage, cache = "memory.usage_in_bytes", "total_inactive_file"
        else:
            continue
        own = root / path.lstrip("/")
        # In a container the path may be the host's, and the root of the tree what counts here.
        for folder in (own, *own.parents):
            if not folder.is_relative_to(root):
                break
            left = _left(folder, limit, usage, cache)
            if left is not None:
                yield left


def _left(folder: Path, limit: str, usage: str, cache: str) -> float | None:
    try:
        allowed, used = (folder / limit).read_text().strip(), (folder / usage).read_text()
        statistics = dict(
            line.split()[:2] for line in (folder / "memory.stat").read_text().splitlines()
        )
    except OSError:
        return None
    if allowed == "max":
        return None
    # Cached files count as used, but give way.
    return max(0.0, float(allowed) - float(used) + float(statistics.get(cache, 0)))
