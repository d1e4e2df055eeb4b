"""The command ``umlip-bench``.

This module only reads the command line, so that help answers at once: each command's module is imported when
the command is given, and imports what it needs when it runs.
"""

from umlip_bench.cli.program import Program

PROGRAM = Program(
    "umlip-bench",
    """Measure how soft universal interatomic potentials are against DFT.

-v anywhere logs what is being done; --config FILE.yaml gives options of a command.""",
    """\
  umlip-bench run high-energy --model chgnet-0.3.0 --out runs/first
  umlip-bench relax structures.xyz --model chgnet-0.3.0 --cell --out relaxed.xyz
  umlip-bench compare runs/before runs/after
  umlip-bench models
  umlip-bench env list
  umlip-bench data list
  umlip-bench speed --model chgnet-0.3.0
""",
    "umlip_bench.cli",
    {
        "run": "run benchmark suites",
        "submit": "run benchmark suites in an array job of a cluster",
        "status": "tell how far a run is",
        "suites": "list suites, and what each of their numbers is",
        "relax": "relax structures with a model",
        "models": "list models, fetch weights",
        "env": "build Pythons for models that cannot be installed here",
        "data": "list reference data, fetch and check it",
        "report": "write a page with all results of run folders, and figures for print",
        "leaderboard": "write a static site of all potentials of run folders",
        "pictures": "draw phonon bands, equations of state and migration profiles of a run",
        "compare": "compare models or runs, case by case",
        "export": "write a run as CSV or Parquet tables",
        "card": "write the report card of a model",
        "speed": "time a model against its library's own calculator",
        "count": "count what a call to a model asks of a device",
        "calibrate": "measure memory and time of a model on this machine",
        "doctor": "tell what is installed, and try the models that are here",
        "convert": "bring a run folder of an older version into today's form",
    },
)
main = PROGRAM.main
COMMANDS = tuple(PROGRAM.commands)
