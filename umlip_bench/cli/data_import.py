"""``umlip-bench data import``: labels of any form, as they were understood, in the standard form."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from umlip_bench.cli.declare import Argument, File, Overwriting, TakesLabels

if TYPE_CHECKING:
    from umlip_bench.datasets import Dataset


@dataclass(frozen=True, kw_only=True)
class DataImportCommand(Overwriting, TakesLabels):
    """Read labels of any form, say how they were understood, and write them in the standard form.

    What is left out is named with the reason. Beside the file, OUT.manifest.yaml has the level of theory and
    what should be known of the labels. `run --data` and `umlip-finetune fit --labels` take any form as it is.
    """

    name = "umlip-bench data import"
    examples = """\
  umlip-bench data import folder_of_vaspruns --out my.xyz
  umlip-bench data import my.db --functional PBE --out imported.xyz
  umlip-bench data import train.xyz --virial-key virial --out imported.xyz
  umlip-bench data import input.data --units atomic --out imported.xyz
"""
    data: Annotated[Path, Argument("FILE|FOLDER")]
    """labels of your own"""
    out: File
    """extended XYZ to write"""

    def run(self) -> int:
        from umlip_bench import datasets
        from umlip_bench.datasets import manifests
        from umlip_bench.datasets.extxyz import holds_structures, write_structures
        from umlip_bench.datasets.standard_form import is_held, structures_of
        from umlip_bench.ground.errors import DataError
        from umlip_bench.ground.files import check_writable

        manifest = manifests.path_of(self.out)
        for path in (self.out, manifest):
            check_writable(path)
            if path.resolve() == self.data.resolve():
                raise DataError(f"{path} is what is to be imported; give another --out")
        dataset = datasets.load(str(self.data), reading=self.reading)
        _say(dataset)
        structures = list(structures_of(dataset))
        if not structures:
            tasks = ", ".join(dataset.tasks)
            raise DataError(
                f"{self.data} has nothing that the standard form holds; run takes it as it is, for {tasks}"
            )
        # Files that are no import's own are not overwritten; a killed import is finished by the same command.
        if not self.force:
            if self.out.exists() and not holds_structures(self.out, structures):
                raise DataError(f"{self.out} exists; give another name, or --force to overwrite it")
            if manifest.exists() and not self.out.exists():
                raise DataError(f"{manifest} exists; give another name, or --force to overwrite it")
        n = write_structures(self.out, structures)
        made = replace(
            dataset.manifest,
            id=self.out.name,
            title=f"labels imported from {self.data.name}",
        )
        manifests.write(manifest, made, [self.out])
        left = Counter(str(c.task) for c in dataset.cases if c.unusable is None and not is_held(c))
        for task, number in left.items():
            print(f"not written, as the standard form does not hold them: {number} of {task}.")
        print(f"{self.out}: {n} structure{'' if n == 1 else 's'}; beside it {manifest.name}")
        return 0


def _say(dataset: Dataset) -> None:
    """How a user's files were understood, and what was left out."""
    for each in dataset.understood:
        print(each.text)
    systems = dataset.by_system()
    if systems:
        counted = ", ".join(f"{name} {len(frames)}" for name, frames in systems.items())
        print(f"materials, with their frames: {counted}.")
    for caveat in dataset.manifest.caveats:
        print(f"- {caveat}")
