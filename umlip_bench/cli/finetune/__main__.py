"""``python -m umlip_bench.cli.finetune`` is the command ``umlip-finetune``."""

import sys

from umlip_bench.cli.finetune import main

sys.exit(main())
