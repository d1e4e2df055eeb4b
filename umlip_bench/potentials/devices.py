"""Choosing the device and the number format."""

from __future__ import annotations

import torch

from umlip_bench.ground.errors import DeviceError

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def resolve_device(name: str = "auto") -> torch.device:
    """The torch device for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    DeviceError
        If the name is none of these, or CUDA is asked for where there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    kind, _, number = name.partition(":")
    if kind != "cuda" or not (number == "" or number.isdecimal()):
        raise DeviceError(f"unknown device {name!r}; allowed are auto, cpu, cuda and cuda:N")
    if not torch.cuda.is_available():
        raise DeviceError(
            f"device {name!r} was asked for, but this torch ({torch.__version__}) sees no CUDA device; "
            "use --device cpu or auto, or install a CUDA build of torch and its driver"
        )
    if number and int(number) >= torch.cuda.device_count():
        raise DeviceError(f"device {name!r}: there are {torch.cuda.device_count()} CUDA devices")
    return torch.device(name)


def resolve_dtype(name: str = "float32") -> torch.dtype:
    """The torch number format for ``float32`` or ``float64``.

    Raises
    ------
    DeviceError
        For any other name.
    """
    try:
        return DTYPES[name]
    except KeyError:
        raise DeviceError(f"unknown dtype {name!r}; allowed are {', '.join(DTYPES)}") from None
