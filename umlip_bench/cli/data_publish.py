"""``umlip-bench data publish``: a set with all that others need to use it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from umlip_bench.cli.declare import SPREAD, Argument, Folder, Overwriting, TakesLabels, metavar

if TYPE_CHECKING:
    from umlip_bench.datasets import Manifest


@dataclass(frozen=True, kw_only=True)
class DataPublishCommand(Overwriting, TakesLabels):
    """Write a set for others to use: labels in the standard form, card, schema and what was checked.

    Labels are taken in any form, as `data import` takes them. Frames that occur more than once are taken
    out. With --against, structures that a potential was trained on are looked for: by identifier, by
    formula and volume, and by a fingerprint of the structure. The card (README.md) says what was checked
    and what was not. What is published is read back by `run --data DIR`.
    """

    name = "umlip-bench data publish"
    examples = """\
  umlip-bench data publish pbe-mini --out published
  umlip-bench data publish my.xyz --functional PBE --settings "VASP 6.4, 520 eV" --licence CC-BY-4.0
      --citation "Doe et al. (2026)" --out published
  umlip-bench data publish pbe-mini --against my.xyz --out published
      whether its structures are among those of my.xyz
"""
    data: Annotated[str, Argument("ID|FILE|FOLDER")]
    """labels of your own, or a set of `umlip-bench data list`"""
    out: Folder
    """folder to write"""
    against: Annotated[tuple[str, ...], metavar("ID|FILE|FOLDER"), SPREAD] = ()
    """structures that potentials were trained on, in any form, with or without labels (MPtrj's JSON, CIFs)"""
    id: str | None = None
    """short name of the set, without blanks (default: that of its manifest or file)"""
    title: str | None = None
    """what it is, in a line"""
    settings: str | None = None
    """code, cutoff, k-points, smearing, spin"""
    source: str | None = None
    """who computed it"""
    licence: str | None = None
    """e.g. CC-BY-4.0"""
    citation: str | None = None
    """how to cite it"""

    def run(self) -> int:
        from umlip_bench.cli.labels import load_labels
        from umlip_bench.datasets.publication import prepare
        from umlip_bench.datasets.publishing import check_place, publish

        check_place(self.out)
        dataset = load_labels(self.data, self.reading)
        publication = prepare(dataset, self._stated(dataset.manifest), self.against)
        found = publication.repeats
        for leak in publication.leaks:
            print(f"in {leak.against}: {leak.n_same} of {leak.n} structures")
        for task, n in publication.left_out.items():
            print(f"not in the file, as the standard form does not hold them: {n} of {task}")
        if found.removed or found.contradicting:
            print(
                f"repeated frames: {len(found.removed)} taken out, {len(found.contradicting)} with other "
                "labels stay"
            )
        print(publish(publication, self.out, force=self.force))
        return 0

    def _stated(self, manifest: Manifest) -> Manifest:
        """What the set says of itself, and what is given here in its place."""
        from umlip_bench.ground.errors import DataError

        names = ("id", "title", "settings", "source", "licence", "citation")
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        given.setdefault("id", Path(manifest.id).stem)
        if manifest.source == self.data:
            # Where labels lie on this machine is nobody's matter.
            given.setdefault("source", Path(self.data).name)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", given["id"]):
            raise DataError(
                f"--id {given['id']!r}: it names files; up to 100 letters, digits, dots, dashes and "
                "underscores are allowed"
            )
        return replace(manifest, **given)
