"""Print constraints that hold every direct dependency to the lowest version that pyproject.toml allows.

What is named after the file keeps the version of constraints.txt: torch, whose oldest builds are for CUDA.
"""

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement


def lowest(text: str) -> str:
    """A requirement, exactly at its lower limit."""
    wanted = Requirement(text)
    (limit,) = [each.version for each in wanted.specifier if each.operator in (">=", "==")]
    return f"{wanted.name}=={limit}"


def main() -> None:
    """For ``make check-lowest``."""
    project, *kept = sys.argv[1:]
    dependencies = tomllib.loads(Path(project).read_text())["project"]["dependencies"]
    for text in dependencies:
        if Requirement(text).name not in kept:
            print(lowest(text))
    for line in Path(project).with_name("constraints.txt").read_text().splitlines():
        if line.partition("==")[0] in kept:
            print(line)


if __name__ == "__main__":
    main()
