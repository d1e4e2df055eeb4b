"""A set for others to use, as files: structures, manifest, card, schema and checks."""

from __future__ import annotations

import json
from pathlib import Path

from umlip_bench.datasets import manifests
from umlip_bench.datasets.data_card import card_text
from umlip_bench.datasets.extxyz import write_structures
from umlip_bench.datasets.publication import Publication
from umlip_bench.datasets.published_schema import SCHEMA
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.outputs import Output, make_folder
from umlip_bench.ground.plain import to_plain
from umlip_bench.ground.version import __version__

CARD, SCHEMA_FILE, CHECKS = "README.md", "schema.json", "checks.json"


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
        If there is one of its files already, and no `force`.
    """
    make_folder(out)
    data, manifest = out / publication.file, manifests.path_of(out)
    names = (data, manifest, out / CARD, out / SCHEMA_FILE, out / CHECKS)
    there = [path for path in names if path.exists()]
    if there and not force:
        raise DataError(f"{there[0]} exists; give another --out, or --force to overwrite it")
    write_structures(data, publication.structures)
    manifests.write(manifest, publication.manifest, [data])
    schema = json.dumps(SCHEMA, indent=1, ensure_ascii=False)
    Output(out / SCHEMA_FILE, force=True).write_text(f"{schema}\n")
    Output(out / CHECKS, force=True).write_text(checks_text(publication))
    Output(out / CARD, force=True).write_text(card_text(publication))
    return out / CARD


def checks_text(publication: Publication) -> str:
    """What was checked and found, as JSON."""
    found = {
        "generator": f"umlip_bench {__version__}",
        "repeats": to_plain(publication.repeats),
        "findings": to_plain(publication.findings),
        "leakage": [to_plain(each) for each in publication.leaks],
    }
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"
