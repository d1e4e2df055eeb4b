"""Starts the worker in a Python without this package: ``__main__.py FILE CHECKPOINT DEVICE DTYPE``.

The folder is made a package under a name of its own rather than put on the path, where its modules would
stand before the environment's.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

NAME = "umlip_bench_worker"


def main() -> None:
    """Make the package, and serve."""
    # The folder is another Python's: it shall not keep files of this one.
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    spec = importlib.util.spec_from_file_location(NAME, Path(__file__).with_name("__init__.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"{__file__} stands in no package")
    sys.modules[NAME] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[NAME])
    serving = importlib.import_module(f"{NAME}.serving")
    sys.dont_write_bytecode = writes
    serving.main(sys.argv[1:])


if __name__ == "__main__":
    main()
