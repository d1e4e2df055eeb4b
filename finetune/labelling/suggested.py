"""The folder of suggested frames: frames.xyz, why they were chosen, and inputs for DFT codes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import ase.io
from ase import Atoms

from umlip_bench.finetune.labelling import espresso, gpaw_script, vasp
from umlip_bench.finetune.labelling.proposal import Proposal
from umlip_bench.finetune.labelling.settings import (
    EspressoSettings,
    GpawSettings,
    VaspSettings,
    check_spin,
)
from umlip_bench.ground.errors import LabelError
from umlip_bench.ground.files import check_new_folder, write_folder_atomically
from umlip_bench.ground.version import __version__

FRAMES = "frames.xyz"
RECORD = "suggestion.json"
NO_TEXTS: Mapping[str, str] = MappingProxyType({})
FRAME = "frame"
"""Key of a frame's number in ``info``."""

CodeSettings = VaspSettings | EspressoSettings | GpawSettings


def save_suggestion(
    proposal: Proposal,
    out: Path | str,
    codes: Sequence[CodeSettings] = (),
    texts: Mapping[str, str] = NO_TEXTS,
) -> Path:
    """Write suggested frames and inputs to label them.

    ``frames.xyz`` holds the frames in the order in which to label them, without labels; in ``vasp/``,
    ``qe/`` and ``gpaw/`` is a folder of inputs for each of them; ``suggestion.json`` says why they were
    chosen.

    Parameters
    ----------
    proposal
        From `suggest` or `suggest_from_pool`.
    out
        Folder to write, which must not exist.
    codes
        Settings of each code to write inputs for.
    texts
        Further files, by name, that are to be there as soon as the folder is.

    Returns
    -------
    Path
        The folder. It appears whole or not at all.

    Raises
    ------
    LabelError
        If `out` exists, magnetic elements come without a decision on spin, or pseudopotentials are not to
        be had.
    OutputError
        If `out` cannot be written.
    """
    out = Path(out)
    check_out(out)
    frames = _numbered(proposal)
    for code in codes:
        if isinstance(code, GpawSettings | EspressoSettings):
            check_spin(frames, code.spin)

    def fill(part: Path) -> None:
        ase.io.write(part / FRAMES, frames, format="extxyz")
        (part / RECORD).write_text(_record(proposal), encoding="utf-8")
        digits = len(str(len(frames) - 1))
        for code in codes:
            for k, frame in enumerate(frames):
                folder = part / _name(code) / f"{FRAME}-{k:0{digits}}"
                folder.mkdir(parents=True)
                _write_inputs(folder, frame, code)
        for name, text in texts.items():
            (part / name).write_text(text, encoding="utf-8")

    write_folder_atomically(out, fill)
    return out


def check_out(out: Path) -> None:
    """Refuse a folder that exists; to be asked before long sampling.

    Raises
    ------
    LabelError
        If it exists.
    OutputError
        If it cannot be written.
    """
    if out.exists():
        raise LabelError(f"{out} exists; remove it or choose another --out")
    check_new_folder(out)


def _numbered(proposal: Proposal) -> list[Atoms]:
    """The frames as they stand in the file, each with its number."""
    frames = proposal.structures()
    for k, frame in enumerate(frames):
        frame.info[FRAME] = k
    return frames


def _name(code: CodeSettings) -> str:
    if isinstance(code, VaspSettings):
        return "vasp"
    return "qe" if isinstance(code, EspressoSettings) else "gpaw"


def _write_inputs(folder: Path, frame: Atoms, code: CodeSettings) -> None:
    if isinstance(code, VaspSettings):
        vasp.write_inputs(folder, frame, code)
    elif isinstance(code, EspressoSettings):
        espresso.write_inputs(folder, frame, code)
    else:
        gpaw_script.write_inputs(folder, frame, code)


def _record(proposal: Proposal) -> str:
    content = {"umlip_bench": __version__, **proposal.record()}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
