"""``umlip-finetune suggest``: which frames of a material to label, with inputs for DFT codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar

from cyclopts import Parameter

from umlip_bench.cli.declare import File, Folder, Names, OnDevice, Part, Reads
from umlip_bench.cli.options import changed, options_of
from umlip_bench.cli.settings_file import NAME as SETTINGS_FILE
from umlip_bench.cli.settings_file import settings_text
from umlip_bench.finetune.labelling.settings import (
    EspressoSettings,
    GpawSettings,
    Sampling,
    VaspSettings,
    check_spin,
)
from umlip_bench.ground.limits import Count

if TYPE_CHECKING:
    from ase import Atoms
    from rich.console import Console

    from umlip_bench.finetune.labelling.proposal import Proposal
    from umlip_bench.finetune.labelling.suggested import CodeSettings
    from umlip_bench.potentials.protocol import Potential

    Show = Callable[[Console], None]

CODES = ("vasp", "qe", "gpaw")


def _codes(text: str) -> tuple[str, ...]:
    """Codes separated by commas."""
    names = () if text == "none" else tuple(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in CODES:
            raise ValueError(f"{name!r} is none of {', '.join(CODES)}; separate several by commas")
    return names


def _pseudo(text: str) -> tuple[str, str]:
    """An element and a file name."""
    from umlip_bench.ground.elements import SYMBOLS

    symbol, _, name = text.partition("=")
    if symbol not in SYMBOLS or not name:
        raise ValueError(f"{text!r} is not an element and a file, e.g. Si=Si.pbe.UPF")
    return symbol, name


@dataclass(frozen=True, kw_only=True)
class SuggestCommand(OnDevice):
    """Choose frames of a material that are worth a DFT label.

    Of a structure, states are sampled: it is relaxed with a model, and states are taken at 1000 K and under
    strain. Those are chosen that are far from each other in the model's own features and have large forces.
    With further models, the disagreement of their forces counts too. Of a pool, frames of your own dynamics,
    those are chosen whose forces stand for the pool's. Written are the frames, why each was chosen, and
    inputs for VASP (Materials Project settings, without POTCARs), Quantum ESPRESSO and GPAW.
    """

    name = "umlip-finetune suggest"
    examples = """\
  umlip-finetune suggest --structure my.cif --model chgnet-0.3.0 -n 5 --out suggested
  umlip-finetune suggest --structure my.cif --model chgnet-0.3.0 --model m3gnet-mp-2021.2.8 --out suggested
  umlip-finetune suggest --pool my_md.xyz --model chgnet-0.3.0 -n 1 --out suggested
  umlip-finetune suggest --structure POSCAR --model chgnet-0.3.0 -n 1 --enough-atoms 8 --codes qe
      --pseudo-dir ~/sssp --ecutwfc 90 --ecutrho 720 --out suggested
"""
    renamed: ClassVar = {"--states": "--states-per-run", "--fixed-cell": "--no-relax-cell"}
    structure: File | None = None
    """any file that ASE reads, of one structure, of which states are sampled"""
    pool: File | None = None
    """in place of it: frames of one material to choose from, e.g. of your own dynamics"""
    model: Names
    """model to correct, which samples; given again, further models whose disagreement counts"""
    n_frames: Annotated[Count, Parameter(alias="-n")] = 5
    """frames to choose"""
    out: Folder
    """folder to write"""
    codes: Annotated[tuple[str, ...], Reads(_codes, metavar="LIST")] = CODES
    """inputs to write, of vasp,qe,gpaw, or none"""
    sampling: Annotated[Sampling, Part("Sampling", called={"strains": "strain"})] = field(
        default_factory=Sampling
    )
    gpaw: Annotated[GpawSettings, Part("DFT settings (PBE, no +U; VASP inputs have their own)")] = (
        field(default_factory=GpawSettings)
    )
    espresso: Annotated[
        EspressoSettings,
        Part(
            "Inputs",
            called={"pseudos": "pseudo"},
            reads={"pseudos": Reads(_pseudo, True, "EL=FILE")},
        ),
    ] = field(default_factory=EspressoSettings)
    vasp: Annotated[VaspSettings, Part("Inputs")] = field(default_factory=VaspSettings)

    def run(self) -> int:
        from umlip_bench.ground.errors import LabelError
        from umlip_bench.ground.structures import read_structure, read_structures

        if (self.structure is None) == (self.pool is None):
            raise LabelError(
                "give either --structure FILE, of which states are sampled, or --pool FILE, whose frames are "
                "chosen from"
            )
        if self.pool is not None:
            self._check_pool_options()
            pool = read_structures(self.pool)
        else:
            assert self.structure is not None
            pool = [read_structure(self.structure)]
        settings: dict[str, CodeSettings] = {
            "vasp": self.vasp,
            "qe": self.espresso,
            "gpaw": self.gpaw,
        }
        codes = [settings[name] for name in self.codes]
        if {"qe", "gpaw"} & set(self.codes):
            check_spin(pool, self.gpaw.spin)

        # Slow imports only after what a user can get wrong.
        from umlip_bench.cli import console
        from umlip_bench.finetune.labelling.espresso import pseudopotentials
        from umlip_bench.finetune.labelling.suggested import check_out, save_suggestion
        from umlip_bench.potentials.loading import potential

        check_out(self.out)
        if "qe" in self.codes:
            elements = {symbol for atoms in pool for symbol in atoms.symbols}
            pseudopotentials(sorted(elements), self.espresso)
        errors = console.errors()
        with errors.status("loading"):
            models = [potential(name, device=self.device, dtype=self.dtype) for name in self.model]
        choose = self._sampled if self.pool is None else self._of_pool
        suggestion, show = choose(models, pool)
        save_suggestion(suggestion, self.out, codes, {SETTINGS_FILE: settings_text(self)})
        show(console.output())
        written = f", inputs in {', '.join(f'{self.out / name}' for name in self.codes)}"
        errors.print(
            f"Frames: {self.out / 'frames.xyz'}{written if self.codes else ''}\n"
            f"Label them here: umlip-finetune label --engine gpaw {self.out}/frames.xyz --out labels.xyz\n"
            f"or elsewhere, and read the results: umlip-finetune collect {self.out}/CODE --out labels.xyz",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        return 0

    def _check_pool_options(self) -> None:
        """Refuse what has no meaning for a pool, and would be ignored without a word."""
        from umlip_bench.ground.errors import LabelError

        if len(self.model) > 1:
            raise LabelError("--pool takes one --model: the one to correct, whose forces decide")
        of_sampling = options_of(type(self))
        for option in changed(self):
            if of_sampling[option].paths[0][0] == "sampling":
                raise LabelError(
                    f"--{option} says how states are sampled, and those of --pool are there; leave it away"
                )

    def _of_pool(self, models: Sequence[Potential], pool: Sequence[Atoms]) -> tuple[Proposal, Show]:
        from umlip_bench.cli import console
        from umlip_bench.finetune.labelling.pool import suggest_from_pool
        from umlip_bench.finetune.labelling.suggestion_report import print_pool

        with console.errors().status(f"{self.model[0]} on {len(pool)} frames"):
            suggestion = suggest_from_pool(models[0], pool, self.n_frames)
        return suggestion, partial(print_pool, suggestion)

    def _sampled(self, models: Sequence[Potential], one: Sequence[Atoms]) -> tuple[Proposal, Show]:
        from umlip_bench.cli import console
        from umlip_bench.cli.progress import progress_bar
        from umlip_bench.finetune.labelling.suggestion import suggest
        from umlip_bench.finetune.labelling.suggestion_report import print_suggestion

        # A strain of zero says that there is to be none.
        strains = tuple(strain for strain in self.sampling.strains if strain)
        with progress_bar(console.errors()) as bar:
            row = bar.add_task("steps of dynamics", total=None)
            suggestion = suggest(
                models[0],
                one[0],
                self.n_frames,
                others=models[1:],
                sampling=replace(self.sampling, strains=strains),
                progress=lambda done, total: bar.update(row, completed=done, total=total),
            )
        return suggestion, partial(print_suggestion, suggestion)


COMMAND = SuggestCommand
