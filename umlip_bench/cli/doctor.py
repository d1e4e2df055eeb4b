"""``umlip-bench doctor``: the state of the installation, and a self-test of the models that are here."""

from __future__ import annotations

from dataclasses import dataclass

from umlip_bench.cli.declare import Names, OnDevice


@dataclass(frozen=True, kw_only=True)
class DoctorCommand(OnDevice):
    """Tell what is installed and where things go, and try every model whose weights are here.

    A model is held to its own library's calculator and to finite differences, and must refuse what no
    model can compute. Paste the output into a report of a bug.
    """

    name = "umlip-bench doctor"
    examples = """\
  umlip-bench doctor                          a minute
  umlip-bench doctor --model chgnet-0.3.0     this model alone
"""
    model: Names = ()
    """a model to try, as of `umlip-bench run`; may be given several times (default: all of
    `umlip-bench models` whose weights are here)"""

    def run(self) -> int:
        from umlip_bench.potentials.devices import resolve_device
        from umlip_bench.testing.doctor import examine, facts, models_here

        device = str(resolve_device(self.device))
        wrong = 0
        for fact in facts():
            wrong += fact.wrong
            print(f"{'WRONG ' if fact.wrong else ''}{fact.name}: {fact.value}")
        here, others = models_here()
        for fact in () if self.model else others:
            wrong += fact.wrong
            print(f"{'WRONG ' if fact.wrong else ''}{fact.name}: {fact.value}")
        for each in examine(self.model or here, device):
            wrong += each.wrong
            report = each.report
            if report is None:
                print(f"WRONG {each.model}: {each.reason}", flush=True)
            elif report.passed:
                # What needs an optional part of the model is not run, and says so in the report.
                ran = ", ".join(check.name for check in report.checks if check.not_run is None)
                print(f"{each.model}: passed {ran} ({each.seconds:.0f} s)", flush=True)
            else:
                print(f"WRONG {report}", flush=True)
        print("nothing wrong was found" if not wrong else f"{wrong} wrong, see above")
        return min(wrong, 1)


COMMAND = DoctorCommand
