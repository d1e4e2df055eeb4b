"""The command ``umlip-finetune``; read as ``umlip-bench`` is."""

from umlip_bench.cli.program import Program

PROGRAM = Program(
    "umlip-finetune",
    """Correct a universal interatomic potential with few DFT labels.

-v anywhere logs what is being done; --config FILE.yaml gives options of a command.""",
    """\
  umlip-finetune fit --model chgnet-0.3.0 --labels one.xyz --out chgnet-mine
  umlip-bench run high-energy --model chgnet-mine --model chgnet-0.3.0 --out runs/mine
  umlip-finetune ladder --model chgnet-0.3.0 --labels one.xyz --held-out pbe-mini
  umlip-finetune evaluate --model chgnet-0.3.0
  umlip-finetune suggest --structure my.cif --model chgnet-0.3.0 -n 5 --out suggested
  umlip-finetune label --engine gpaw suggested/frames.xyz --out labels.xyz
""",
    "umlip_bench.cli.finetune",
    {
        "fit": "correct a model with labelled frames",
        "ladder": "compare all methods on the same labels, and recommend one",
        "curve": "measure how many labels a method needs",
        "estimate": "estimate a factor without any label",
        "evaluate": "measure how well few labels correct a model",
        "race": "compare methods on the same labels of several materials",
        "suggest": "choose frames worth a DFT label",
        "label": "compute DFT labels on this machine",
        "collect": "read results of DFT codes into labels",
        "speed": "time training against CHGNet's own trainer",
    },
)
main = PROGRAM.main
COMMANDS = tuple(PROGRAM.commands)
