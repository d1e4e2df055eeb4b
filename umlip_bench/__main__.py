"""``python -m umlip_bench`` is ``umlip-bench``."""

import sys

from umlip_bench.cli import main

sys.exit(main())
