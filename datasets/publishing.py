"""A set for others to use, as files: structures, manifest, card, schema and checks."""

from __future__ import annotations

import json
from filecmp import cmp
from functools import partial
from pathlib import Path
from shutil import copyfileobj

from umlip_bench.datasets import manifests
from umlip_bench.datasets.data_card import card_text
from umlip_bench.datasets.extxyz import write_structures
from umlip_bench.datasets.publication import Publication
from umlip_bench.datasets.published_schema import SCHEMA
from umlip_bench.ground.errors import DataError, OutputError
from umlip_bench.ground.files import (
    check_new_folder,
    check_writable,
    temporary_folder,
    write_atomically,
)
from umlip_bench.ground.outputs import make_folder
from umlip_bench.ground.plain import to_plain
from umlip_bench.ground.version import __version__

CARD, SCHEMA_FILE, CHECKS = "README.md", "schema.json", "checks.json"


def check_place(out: Path) -> None:
    """Check that `publish` will be able to write there; to be asked before long work.

    Raises
    ------
    OutputError
        If it will not.
    """
    if out.exists():
        check_writable(out / CARD)
    else:
        check_new_folder(out)


def publish(publication: Publication, out: Path, *, force: bool = False) -> Path:
    """Write the folder.

    Parameters
    ----------
    publication
        As `prepare` gives it.
    out
        Folder, made if it is not there.
    force
        Whether to overwrite what is in it.

    Returns
    -------
    Path
        Of the card.

    Raises
    ------
    OutputError
        If a file cannot be written.
    DataError
        If there is one of its files already with other content, and no `force`.
    """
    make_folder(out)
    try:
        with temporary_folder(out) as part:
            _write(publication, part)
            # The card last: a folder that has it is whole.
            parts = sorted(part.iterdir(), key=lambda each: (each.name == CARD, each.name))
            # What is there already is of the same command, which was killed or given twice.
            others = [each for each in parts if not force and _is_other(out / each.name, each)]
            if others:
                raise DataError(
                    f"{out / others[0].name} exists; give another --out, or --force to overwrite it"
                )
            for each in parts:
                with each.open("rb") as source:
                    write_atomically(out / each.name, partial(copyfileobj, source))
    except OSError as error:
        raise OutputError(
            f"{out} cannot be written ({error.strerror}); choose another place"
        ) from error
    return out / CARD


def _write(publication: Publication, folder: Path) -> None:
    """Write all files into a folder of ours."""
    data = folder / publication.file
    write_structures(data, publication.structures)
    manifests.write(manifests.path_of(folder), publication.manifest, [data])
    schema = json.dumps(SCHEMA, indent=1, ensure_ascii=False)
    (folder / SCHEMA_FILE).write_text(f"{schema}\n", encoding="utf-8")
    (folder / CHECKS).write_text(checks_text(publication), encoding="utf-8")
    (folder / CARD).write_text(card_text(publication), encoding="utf-8")


def _is_other(path: Path, wanted: Path) -> bool:
    """Whether something else than what is wanted is at a path."""
    return path.exists() and not (path.is_file() and cmp(path, wanted, shallow=False))


def checks_text(publication: Publication) -> str:
    """What was checked and found, as JSON."""
    found = {
        "generator": f"umlip_bench {__version__}",
        "repeats": to_plain(publication.repeats),
        "findings": to_plain(publication.findings),
        "leakage": [to_plain(each) for each in publication.leaks],
    }
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"
