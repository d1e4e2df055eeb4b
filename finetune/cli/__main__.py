"""``python -m umlip_bench.finetune.cli`` is the command ``umlip-finetune``."""

import sys

from umlip_bench.finetune.cli import main

sys.exit(main())
