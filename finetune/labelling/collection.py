"""Reading labels back: each result is found the frame that it was computed for, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from umlip_bench.datasets import manifests
from umlip_bench.datasets.dataset import Manifest
from umlip_bench.datasets.labels import ENERGY, FORCES, FREE_ENERGY, STRESS, SYSTEM
from umlip_bench.datasets.levels import common_level, stated_level
from umlip_bench.datasets.readers import (
    EXPECTED,
    Code,
    RefusedResult,
    Result,
    find_labels,
    of_bands,
    read_labels,
)
from umlip_bench.datasets.userfiles import check_stress_key
from umlip_bench.finetune.labelling.geometry import TOLERANCE, Match, Mismatch, compare
from umlip_bench.finetune.labelling.suggested import FRAMES
from umlip_bench.finetune.labelling.writing import simple_info, write_labels
from umlip_bench.ground.errors import LabelError
from umlip_bench.ground.label_reading import AS_FOUND, LabelReading
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.outputs import Output


@dataclass(frozen=True)
class Collected:
    """What was read back.

    Parameters
    ----------
    code
        What wrote the results.
    n_labels
        Frames written.
    n_frames
        Frames that results were looked for; ``None`` where there were none to compare with.
    missing
        Those of them without a label, by their place.
    refused
        Results that became no label, and why.
    told
        What should be known of the labels; also caveats of the manifest.
    """

    code: Code
    n_labels: int
    n_frames: int | None
    missing: tuple[int, ...]
    refused: tuple[RefusedResult, ...]
    told: tuple[str, ...] = ()


def collect(
    paths: Sequence[Path | str],
    out: Path | str,
    *,
    frames: Sequence[Atoms] | None = None,
    tolerance: float = TOLERANCE,
    reading: LabelReading = AS_FOUND,
) -> Collected:
    """Read results of DFT codes into labels in the standard form.

    With frames to compare with, each result must be one of them: of its composition, cell and positions, in
    any order of atoms and up to lattice translations. Labels are written in the order of the frames, with
    their geometry and order of atoms. Without, every result is taken as it is.

    Parameters
    ----------
    paths
        Files and folders, searched with all below them, of the forms of `umlip_bench.datasets.readers`.
    out
        Extended XYZ to write, which must not exist; beside it a manifest with the level of theory, where the
        results say it.
    frames
        What was to be labelled; `frames_beside` finds the file that `suggest` wrote.
    tolerance
        Å.
    reading
        How labels are to be read, where files do not say it.

    Returns
    -------
    Collected
        A result that is refused does not keep the others from being read.

    Raises
    ------
    LabelError
        If `out` or its manifest exists, nothing was found, results are of several codes, whose energies and
        settings differ, or no result became a label.
    DataError
        If `reading` names stresses or virials that no result has.
    """
    out = Path(out)
    if out.exists():
        raise LabelError(f"{out} exists; remove it or choose another --out")
    beside = manifests.path_of(out)
    if beside.exists():
        raise LabelError(f"{beside} exists; remove it or choose another --out")
    found = list(dict.fromkeys(each for path in paths for each in find_labels(Path(path), reading)))
    if not found:
        raise LabelError(f"no results in {', '.join(map(str, paths))}: expected {EXPECTED}")
    read = [result for path, code in found for result in read_labels(path, code, reading)]
    refused = [result for result in read if isinstance(result, RefusedResult)]
    results = [result for result in read if isinstance(result, Result)]
    check_stress_key(", ".join(map(str, paths)), results, reading)
    codes = {result.code: result.where for result in results}
    if len(codes) > 1:
        examples = "; ".join(f"{code}: {where}" for code, where in codes.items())
        raise LabelError(
            f"these are results of several codes ({examples}), whose energies do not go together; collect "
            "those of one, e.g. suggested/vasp"
        )
    stated, said_by = stated_level(LevelOfTheory("unknown"), reading)
    systems = [_system_of(result.atoms) for result in results]
    level = common_level(results, systems, stated, said_by)
    if frames is None:
        labelled = [
            _labelled(result.atoms, result, np.arange(len(result.atoms))) for result in results
        ]
        missing: tuple[int, ...] = ()
    else:
        matched, others = _match(results, frames, tolerance)
        refused += others
        labelled = [_labelled(frames[k], *matched[k]) for k in sorted(matched)]
        missing = tuple(k for k in range(len(frames)) if k not in matched)
    if not labelled:
        reasons = "\n".join(f"{each.where}: {each.reason}" for each in refused)
        raise LabelError(f"no label could be collected:\n{reasons}")
    write_labels(Output(out), labelled)
    (code,) = codes
    told = tuple(of_bands(results))
    if level is not None and level.functional != "unknown":
        manifests.write(beside, _manifest(out, code, level, told))
    return Collected(
        code=code,
        n_labels=len(labelled),
        n_frames=None if frames is None else len(frames),
        missing=missing,
        refused=tuple(refused),
        told=told,
    )


def frames_beside(paths: Sequence[Path | str]) -> Path | None:
    """The frames that `suggest` wrote, if paths lie in one of its folders; else ``None``.

    Raises
    ------
    LabelError
        If they lie in several.
    """
    found = {
        folder / FRAMES
        for path in paths
        for folder in (Path(path).resolve(), *list(Path(path).resolve().parents)[:3])
        if (folder / FRAMES).is_file() and (folder / "suggestion.json").is_file()
    }
    if len(found) > 1:
        raise LabelError(
            f"these results belong to {' and '.join(map(str, sorted(found)))}; collect them one by one"
        )
    return found.pop() if found else None


def _match(
    results: Sequence[Result], frames: Sequence[Atoms], tolerance: float
) -> tuple[dict[int, tuple[Result, np.ndarray]], list[RefusedResult]]:
    """The result of each frame with its order of atoms, and what belongs to none."""
    matched: dict[int, tuple[Result, np.ndarray]] = {}
    refused = []
    for result in results:
        compared = [compare(frame, result.atoms, tolerance) for frame in frames]
        hits = [(k, each) for k, each in enumerate(compared) if isinstance(each, Match)]
        free = [(k, each) for k, each in hits if k not in matched]
        if free:
            k, match = free[0]
            matched[k] = (result, match.order)
        elif hits:
            k = hits[0][0]
            refused.append(
                RefusedResult(
                    result.where, f"frame {k} has its label already, of {matched[k][0].where}"
                )
            )
        else:
            misses = [(k, each) for k, each in enumerate(compared) if isinstance(each, Mismatch)]
            k, nearest = min(misses, key=lambda pair: pair[1].deviation)
            refused.append(
                RefusedResult(
                    result.where,
                    f"its geometry is that of no frame (nearest is frame {k}: {nearest.reason}); was it "
                    "relaxed, or made of other frames?",
                )
            )
    return matched, refused


def _system_of(atoms: Atoms) -> str:
    return str(atoms.info.get(SYSTEM) or atoms.symbols.formula.reduce()[0].format("metal"))


def _manifest(out: Path, code: Code, level: LevelOfTheory, caveats: tuple[str, ...]) -> Manifest:
    return Manifest(
        id=out.name,
        title=f"labels of {code}",
        level_of_theory=level,
        settings=manifests.NOT_STATED,
        source=str(out),
        licence=manifests.NOT_STATED,
        citation=manifests.NOT_STATED,
        caveats=caveats,
    )


def _labelled(frame: Atoms, result: Result, order: np.ndarray) -> Atoms:
    """A frame with a result's labels, in the frame's order of atoms."""
    out = Atoms(numbers=frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.pbc)
    kept = simple_info(frame)
    kept.setdefault(SYSTEM, _system_of(frame))
    out.info = {**kept, ENERGY: result.energy, "code": str(result.code), "source": result.where}
    if result.free_energy is not None:
        out.info[FREE_ENERGY] = result.free_energy
    if result.stress is not None:
        out.info[STRESS] = result.stress.ravel()
    out.arrays[FORCES] = result.forces[order]
    return out
