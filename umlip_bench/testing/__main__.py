"""``python -m umlip_bench.testing NAME``: hold a potential to the contract, and print the numbers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.testing.contract import CHECKS, check_potential


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 if the potential holds the contract, 1 if not, 2 for input to mend."""
    parser = argparse.ArgumentParser(
        prog="python -m umlip_bench.testing",
        description="Hold a potential to what every potential must: derivatives, symmetries, batches, "
        "refusals, and its own library's calculator.",
        epilog="example:\n  python -m umlip_bench.testing chgnet-0.3.0",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", help="a model as in `umlip-bench run --model`")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or cuda:N (default: cpu)")
    parser.add_argument(
        "--only", action="append", metavar="CHECK", help=f"one of: {', '.join(CHECKS)}; repeatable"
    )
    options = parser.parse_args(arguments)
    try:
        report = check_potential(options.name, only=options.only, device=options.device)
    except UmlipBenchError as error:
        print(f"umlip_bench.testing: {error}", file=sys.stderr)
        return 2
    print(report)
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
