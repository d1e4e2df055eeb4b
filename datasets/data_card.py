"""The card of a published set, in Markdown with the head that collections of data sets read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import yaml

from umlip_bench.datasets.fingerprint import SAME_BELOW
from umlip_bench.datasets.leakage import VOLUME_WITHIN, Leakage, MaterialLeak
from umlip_bench.datasets.manifests import NOT_STATED
from umlip_bench.datasets.publication import Publication
from umlip_bench.datasets.published_schema import FIELDS
from umlip_bench.ground.outputs import COMMENT
from umlip_bench.ground.version import __version__

NAMED = 40
"""Elements, compositions and materials that are named; the rest are counted."""


def card_text(publication: Publication) -> str:
    """The card."""
    manifest = publication.manifest
    head = yaml.safe_dump(
        {
            "pretty_name": manifest.title,
            "license": manifest.licence,
            "tags": ["materials", "interatomic-potentials", "dft", "chemistry"],
            "size_categories": [_size(len(publication.structures))],
        },
        sort_keys=False,
        allow_unicode=True,
    )
    parts = (
        _use(publication),
        _level(publication),
        _holds(publication),
        _fields(),
        _repeats(publication),
        _leaks(publication),
        _caveats(publication),
    )
    lines = [f"# {manifest.title}", ""]
    for part in parts:
        lines += [*part, ""]
    return f"---\n{head}---\n\n" + "\n".join(lines).rstrip() + f"\n\n{COMMENT}"


def _size(n: int) -> str:
    ends = (
        (1_000, "n<1K"),
        (10_000, "1K<n<10K"),
        (100_000, "10K<n<100K"),
        (1_000_000, "100K<n<1M"),
    )
    return next((name for end, name in ends if n < end), "n>1M")


def _use(publication: Publication) -> Iterator[str]:
    manifest = publication.manifest
    if manifest.teacher is not None:
        teacher = manifest.teacher
        yield f"**Labels of a potential, not of DFT**: {teacher.name}, sha256 {teacher.sha256}."
        yield ""
    n = len(publication.structures)
    yield f"{n} structures in `{publication.file}`. To measure a potential on them:"
    yield ""
    yield "```"
    yield "umlip-bench run --data PATH_OF_THIS_FOLDER --model NAME --out runs/mine"
    yield "```"
    yield ""
    yield f"or `ase.io.read({publication.file!r}, index=':')`; `manifest.yaml` has the sha256 of the file."


def _level(publication: Publication) -> Iterator[str]:
    manifest = publication.manifest
    yield "## Level of theory, source, licence"
    yield ""
    yield from _table(
        ("", ""),
        (
            ("level of theory", manifest.level_of_theory.in_full),
            ("settings", manifest.settings),
            ("source", manifest.source),
            ("licence", manifest.licence),
            ("citation", manifest.citation),
            ("written by", f"umlip_bench {__version__}"),
        ),
    )


def _holds(publication: Publication) -> Iterator[str]:
    overview = publication.overview
    yield "## What is in it"
    yield ""
    left = publication.left_out
    yield from _table(
        ("task", "cases", "of them not in the file"),
        ((task, str(n), str(left.get(task, 0))) for task, n in overview.usable.items()),
    )
    yield ""
    if left:
        yield (
            "What is not in the file the standard form does not hold (force sets of supercells, values "
            "alone)."
        )
    if publication.unusable:
        yield f"{publication.unusable} cases that the source calls unusable are left out."
    yield f"Elements, with the structures that have them: {_counts(overview.elements)}."
    yield ""
    yield f"Compositions, with their structures: {_counts(overview.compositions)}."
    yield ""
    yield from _table(
        ("task", "quantity", "unit", "n", "least", "5 %", "median", "95 %", "largest"),
        (
            (d.task, d.quantity, d.unit, str(d.n), *(f"{q:.4g}" for q in d.quantiles))
            for d in overview.distributions
        ),
    )


def _fields() -> Iterator[str]:
    yield "## Schema"
    yield ""
    yield "Extended XYZ; also in `schema.json`."
    yield ""
    yield from _table(
        ("field", "type", "unit", "of", "is"), ((f"`{f[0]}`", *f[1:]) for f in FIELDS)
    )


def _repeats(publication: Publication) -> Iterator[str]:
    found = publication.repeats
    yield "## Repeated frames"
    yield ""
    yield (
        f"{len(found.removed)} frames with the geometry (to 1e-5 Å) and the labels of an earlier one were "
        f"taken out; {len(found.contradicting)} with the geometry of an earlier one and other labels stay. "
        f"Of {found.compared} pairs of frames of one composition {found.similar} are nearer than "
        f"{SAME_BELOW} in fingerprint: as one crystal with displacements of some 0.025 Å."
    )
    if publication.findings:
        yield ""
        yield "`umlip-bench data check` says of the labels:"
        yield ""
        yield from (f"- {finding.message}" for finding in publication.findings)


def _leaks(publication: Publication) -> Iterator[str]:
    yield "## Was it seen in training?"
    yield ""
    if not publication.leaks:
        yield (
            "Not checked: no training set was named. A material of this set may be in the training set of a "
            "potential that is measured on it."
        )
        return
    for found in publication.leaks:
        yield from _leak(found)
        yield ""
    yield (
        "Checked were structures of the same reduced formula: identifiers of public databases that both "
        f"name, volumes of an atom within {100 * VOLUME_WITHIN:.0f} %, and fingerprints nearer than "
        f"{SAME_BELOW} at any volume (the same crystal with displacements of some 0.025 Å). Not checked: "
        "labels; the same material under another formula (a doped or a defective cell); any other training "
        "set."
    )


def _leak(found: Leakage) -> Iterator[str]:
    refused = f"; {found.n_refused} entries could not be read" if found.n_refused else ""
    yield (
        f"Against {found.against}, {found.n_read} structures{refused}: **{found.n_same} of {found.n} "
        "structures are in it.**"
    )
    known = [each for each in found.materials if each.n_seen]
    unknown = [each.formula for each in found.materials if not each.n_seen]
    yield ""
    if known:
        yield from _table(
            (
                "formula",
                "structures",
                "there, of the formula",
                "volume there",
                "same there",
                "nearest",
                "ids",
                "where",
            ),
            map(_material, known[:NAMED]),
        )
        if len(known) > NAMED:
            yield f"and {len(known) - NAMED} more formulas, in `checks.json`"
        yield ""
    if unknown:
        more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
        yield f"Formulas that are not in it at all: {', '.join(unknown[:NAMED])}{more}."


def _material(each: MaterialLeak) -> tuple[str, ...]:
    nearest = f"{each.nearest:.3f}" if math.isfinite(each.nearest) else "-"
    counts = (str(n) for n in (each.n, each.n_seen, each.n_volume, each.n_same))
    return each.formula, *counts, nearest, " ".join(each.identifiers) or "-", each.example


def _caveats(publication: Publication) -> Iterator[str]:
    yield "## What to know"
    yield ""
    caveats = publication.manifest.caveats
    yield from (f"- {each}" for each in caveats)
    if not caveats:
        yield f"Caveats: {NOT_STATED}."


def _counts(counts: Mapping[str, int]) -> str:
    named = ", ".join(f"{name} {n}" for name, n in list(counts.items())[:NAMED])
    return f"{named} and {len(counts) - NAMED} more" if len(counts) > NAMED else named


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield f"| {' | '.join(_cell(text) for text in row)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
