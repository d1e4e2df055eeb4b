"""``umlip-finetune estimate``: a factor that no label had a part in."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from umlip_bench.cli.declare import File, Folder, Name, OnDevice, Part
from umlip_bench.cli.settings_file import NAME as SETTINGS_FILE
from umlip_bench.cli.settings_file import settings_text
from umlip_bench.finetune.labelling.settings import Sampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from umlip_bench.finetune.agreement import UnlabelledFactor
    from umlip_bench.potentials.protocol import Potential


@dataclass(frozen=True, kw_only=True)
class EstimateCommand(OnDevice):
    """Estimate the factor of a model for a material without any label, and write the corrected model.

    A second potential is asked in place of DFT, on states of --states or sampled of --structure, and what it
    says is carried to DFT by what both did on materials where DFT is known. The interval holds DFT's factor
    in nine of ten materials. Where that cannot be said, nothing is written. One label says more.
    """

    name = "umlip-finetune estimate"
    examples = """\
  umlip-finetune estimate --model chgnet-0.3.0 --structure my.cif --out chgnet-mine
  umlip-finetune estimate --model m3gnet-mp-2021.2.8 --states md.xyz --out m3gnet-mine
"""
    model: Name
    """model to correct, as for `umlip-bench run`"""
    by: Name = "tensornet-matpes-pbe-2025.1"
    """the second potential"""
    structure: File | None = None
    """any file that ASE reads, of one structure, of which states are sampled with the second potential"""
    states: File | None = None
    """in place of it: states of one material, e.g. frames of your own dynamics"""
    calibration: File | None = None
    """a table of agreements in place of the one that comes with the package"""
    sampling: Annotated[Sampling, Part("Sampling", called={"strains": "strain"})] = field(
        default_factory=Sampling
    )
    out: Folder | None = None
    """folder to write; its name is the corrected model's"""

    def run(self) -> int:
        from umlip_bench.finetune.agreement import TABLE, calibration_of, read_table
        from umlip_bench.ground.errors import CorrectionError
        from umlip_bench.ground.structures import read_structure, read_structures

        if (self.structure is None) == (self.states is None):
            raise CorrectionError(
                "give either --structure FILE, of which states are sampled, or --states FILE, frames of one "
                "material"
            )
        given = [] if self.states is None else list(read_structures(self.states))
        start = None if self.structure is None else read_structure(self.structure)
        rows = read_table(self.calibration or TABLE)

        # Slow imports only after what a user can get wrong.
        from umlip_bench.cli import console
        from umlip_bench.finetune.agreement import UnlabelledFit, factor_of_states
        from umlip_bench.finetune.folder import check_target, save
        from umlip_bench.potentials.loading import potential

        if self.out is not None:
            check_target(self.out)
        with console.errors().status("loading"):
            model, second = (
                potential(name, device=self.device, dtype=self.dtype)
                for name in (self.model, self.by)
            )
        calibration = calibration_of(model.card.name, second.card.name, rows)
        states = given if start is None else self._sampled(second, start)
        found = factor_of_states(model, second, states, calibration)
        self._show(found, model, second)
        if self.out is not None:
            fit = UnlabelledFit(found, second.card.name)
            save(fit, model, self.out, texts={SETTINGS_FILE: settings_text(self)})
            print(
                f"Corrected model: {self.out}; use it as --model {self.out} or "
                f'umlip_bench.load("{self.out}")',
                file=sys.stderr,
            )
        return 0

    def _sampled(self, second: Potential, start: Atoms) -> Sequence[Atoms]:
        from umlip_bench.cli import console
        from umlip_bench.cli.progress import progress_bar
        from umlip_bench.finetune.labelling.sampling import sample

        bar = progress_bar(console.errors())
        task = bar.add_task(f"sampling with {second.card.name}", total=None)
        with bar:
            found = sample(
                second,
                start,
                self.sampling,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        return [state.atoms for state in found.states]

    def _show(self, found: UnlabelledFactor, model: Potential, second: Potential) -> None:
        from umlip_bench.cli import console
        from umlip_bench.finetune.agreement import LEVEL

        lines = (
            f"{model.card.name}: c = {found.factor:.3f} [{found.low:.3f}, {found.high:.3f}], no label",
            f"On {found.n_states} states ({found.n_components} force components) {second.card.name} asks for "
            f"{found.ratio:.3f}, with r2 {found.r2:.3f} between the two.",
            f"How DFT's factor follows from that is known of {found.n_materials} materials; the interval "
            f"holds it in {LEVEL:.0%} of such.",
            f"The interval {'holds' if found.low <= 1 <= found.high else 'leaves out'} 1, no correction at "
            "all. One label of this material says more.",
        )
        for line in lines:
            console.output().print(line, markup=False, highlight=False, soft_wrap=True)


COMMAND = EstimateCommand
