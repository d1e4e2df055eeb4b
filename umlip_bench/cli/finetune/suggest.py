"""``umlip-finetune suggest``: which frames of a material to label, with inputs for DFT codes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

from cyclopts import Parameter

from umlip_bench.cli.declare import File, Folder, Names, OnDevice, Part, Reads
from umlip_bench.cli.settings_file import write_settings
from umlip_bench.finetune.labelling.settings import (
    EspressoSettings,
    GpawSettings,
    Sampling,
    VaspSettings,
    check_spin,
)
from umlip_bench.ground.limits import Count

if TYPE_CHECKING:
    from umlip_bench.finetune.labelling.suggested import CodeSettings

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

    The material is relaxed with a model, and states are sampled at 1000 K and under strain. Those are chosen
    that are far from each other in the model's own features and have large forces. With further models, the
    disagreement of their forces counts too. Written are the frames, why each was chosen, and inputs for VASP
    (Materials Project settings, without POTCARs), Quantum ESPRESSO and GPAW.
    """

    name = "umlip-finetune suggest"
    examples = """\
  umlip-finetune suggest --structure my.cif --model chgnet-0.3.0 -n 5 --out suggested
  umlip-finetune suggest --structure my.cif --model chgnet-0.3.0 --model m3gnet-mp-2021.2.8 --out suggested
  umlip-finetune suggest --structure POSCAR --model chgnet-0.3.0 -n 1 --enough-atoms 8 --codes qe
      --pseudo-dir ~/sssp --ecutwfc 90 --ecutrho 720 --out suggested
"""
    renamed: ClassVar = {"--states": "--states-per-run", "--fixed-cell": "--no-relax-cell"}
    structure: File
    """any file that ASE reads"""
    model: Names
    """model that samples; given again, further models whose disagreement counts"""
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
        from umlip_bench.ground.structures import read_structure

        atoms = read_structure(self.structure)
        settings: dict[str, CodeSettings] = {
            "vasp": self.vasp,
            "qe": self.espresso,
            "gpaw": self.gpaw,
        }
        codes = [settings[name] for name in self.codes]
        if {"qe", "gpaw"} & set(self.codes):
            check_spin([atoms], self.gpaw.spin)

        # Slow imports only after what a user can get wrong.
        from umlip_bench.cli import console
        from umlip_bench.cli.progress import progress_bar
        from umlip_bench.finetune.labelling.espresso import pseudopotentials
        from umlip_bench.finetune.labelling.suggested import check_out, save_suggestion
        from umlip_bench.finetune.labelling.suggestion import suggest
        from umlip_bench.finetune.labelling.suggestion_report import print_suggestion
        from umlip_bench.potentials.loading import potential

        check_out(self.out)
        if "qe" in self.codes:
            pseudopotentials(sorted(set(atoms.symbols)), self.espresso)
        # A strain of zero says that there is to be none.
        strains = tuple(strain for strain in self.sampling.strains if strain)
        errors = console.errors()
        with errors.status("loading and relaxing"):
            models = [potential(name, device=self.device, dtype=self.dtype) for name in self.model]
        with progress_bar(errors) as bar:
            row = bar.add_task("steps of dynamics", total=None)
            suggestion = suggest(
                models[0],
                atoms,
                self.n_frames,
                others=models[1:],
                sampling=replace(self.sampling, strains=strains),
                progress=lambda done, total: bar.update(row, completed=done, total=total),
            )
        save_suggestion(suggestion, self.out, codes)
        write_settings(self, self.out)
        print_suggestion(suggestion, console.output())
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


COMMAND = SuggestCommand
