"""``umlip-bench data``: what reference sets there are, where their files are, fetching and checking them."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umlip_bench.cli.data_user import add_check, add_export
from umlip_bench.cli.options import Subparsers, add_command

if TYPE_CHECKING:
    from umlip_bench.datasets.cases import ReferenceCase
    from umlip_bench.datasets.catalogue import DatasetCard
    from umlip_bench.datasets.store import LocatedData

EXAMPLES = """\
  umlip-bench data list                         list all sets
  umlip-bench data show mlearn                  everything about one
  umlip-bench data fetch mlearn                 download its files, hash-checked
  umlip-bench data verify                       check all files that are here
  umlip-bench data check my.xyz                 look for mistakes in one's own labels
  umlip-bench data export mlearn out.xyz        write labelled frames in the standard form
"""

ALWAYS_HERE = "comes with an installed package"

WRONG = 1
"""Exit status of ``verify`` where a file is missing or not the published one."""


def add_parser(commands: Subparsers) -> None:
    """Add the command and its own."""
    parser = add_command(
        commands,
        "data",
        help="list reference data, fetch and check it",
        description=(
            "Published DFT data sets, known by id: what they are for, at which level of theory, under\n"
            "which licence, and whether their files are here. Files are looked for in\n"
            "$UMLIP_BENCH_DATA/<id>/ and in the user's cache, where downloads go."
        ),
        examples=EXAMPLES,
    )
    parser.set_defaults(run=_list, json=False)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    listing = add_command(
        actions,
        "list",
        help="list all sets",
        description="List every set with tasks, number of structures, functional, licence and size.",
        examples="  umlip-bench data list\n  umlip-bench data list --json\n",
    )
    listing.add_argument("--json", action="store_true", help="print JSON instead of a table")
    listing.set_defaults(run=_list)
    fetch = add_command(
        actions,
        "fetch",
        help="download files",
        description=(
            "Download the files of sets into the user's cache; each is checked. What is here is not\n"
            "fetched again, and a download that broke off is gone on with."
        ),
        examples=(
            "  umlip-bench data fetch mlearn monbtaw\n"
            "  umlip-bench data fetch --task surfaces\n"
            "  umlip-bench data fetch mlearn --file Cu/training.json\n"
        ),
    )
    fetch.add_argument("ids", metavar="ID", nargs="*")
    fetch.add_argument(
        "--task", metavar="TASK", help="all sets for a task, as `data list` has them"
    )
    fetch.add_argument("--all", action="store_true", help="all sets")
    fetch.add_argument(
        "--file", metavar="PATH", action="append", help="only this file of one set; repeatable"
    )
    fetch.set_defaults(run=_fetch)
    verify = add_command(
        actions,
        "verify",
        help="check files against their hashes",
        description=(
            "Check the files of sets, by default of all that are here; the network is not touched.\n"
            f"Exit status {WRONG} if a file is missing or is not the published one."
        ),
        examples="  umlip-bench data verify\n  umlip-bench data verify mlearn\n",
    )
    verify.add_argument("ids", metavar="ID", nargs="*")
    verify.set_defaults(run=_verify)
    show = add_command(
        actions,
        "show",
        help="everything about one set",
        description="Print the card of one set, its caveats, its files and their state.",
        examples="  umlip-bench data show mlearn\n",
    )
    show.add_argument("id", metavar="ID")
    show.set_defaults(run=_show)
    add_check(actions)
    add_export(actions)


def _embedded_cards() -> Iterator[DatasetCard]:
    """Cards of the sets that ship with the package."""
    from umlip_bench.datasets import embedded
    from umlip_bench.datasets.catalogue import DatasetCard
    from umlip_bench.datasets.tasks import Task
    from umlip_bench.elements import SYMBOLS

    for name in embedded.names():
        dataset = embedded.read(name)
        manifest, frames = dataset.manifest, dataset.frames
        symbols = {symbol for frame in frames for symbol in frame.atoms.symbols}
        yield DatasetCard(
            id=manifest.id,
            title=manifest.title,
            tasks=tuple(map(Task, dataset.tasks)),
            level_of_theory=manifest.level_of_theory,
            settings=manifest.settings,
            elements=tuple(sorted(symbols, key=SYMBOLS.index)),
            n_structures=len(frames),
            licence=manifest.licence,
            citation=manifest.citation,
            repository=manifest.source,
            caveats=manifest.caveats,
        )


def _all_cards() -> list[DatasetCard]:
    from umlip_bench.datasets.catalogue import catalogue

    return [*_embedded_cards(), *catalogue().values()]


def _cards(ids: Sequence[str]) -> list[DatasetCard]:
    from umlip_bench.datasets.catalogue import card

    embedded = {each.id: each for each in _embedded_cards()}
    return [embedded.get(id.lower()) or card(id) for id in ids]


def _list(options: argparse.Namespace) -> int:
    from umlip_bench.datasets.store import DataStore

    store = DataStore()
    states = [(card, store.locate(card)) for card in _all_cards()]
    if options.json:
        print(json.dumps([_entry(card, located) for card, located in states], indent=1))
        return 0
    _print_table(states)
    return 0


def _entry(card: DatasetCard, located: LocatedData | None) -> dict[str, Any]:
    missing = [file.path for file in card.files if not file.optional]
    if located is not None:
        missing = list(located.missing)
    return {
        "id": card.id,
        "title": card.title,
        "tasks": [str(task) for task in card.tasks],
        "n_structures": card.n_structures,
        "level_of_theory": str(card.level_of_theory),
        "settings": card.settings,
        "elements": list(card.elements),
        "licence": card.licence,
        "citation": card.citation,
        "source": card.source,
        "size": card.size if card.files else None,
        "here": not missing,
        "folder": str(located.folder) if located else None,
        "missing": missing,
    }


def _print_table(states: Sequence[tuple[DatasetCard, LocatedData | None]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from umlip_bench.cli.console import output

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("id", no_wrap=True)
    table.add_column("tasks")
    table.add_column("structures", justify="right", no_wrap=True)
    table.add_column("functional", no_wrap=True)
    table.add_column("licence")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("files", no_wrap=True)
    for card, located in states:
        table.add_row(
            card.id,
            ", ".join(card.tasks),
            f"{card.n_structures:,}",
            str(card.level_of_theory),
            card.licence.split(" (")[0].split(":")[0],
            _size(card),
            _whereabouts(card, located),
        )
    console = output()
    console.print(table)
    console.print(
        "Files that are not here: umlip-bench data fetch ID. Everything about one set: umlip-bench "
        "data show ID.",
        soft_wrap=True,
        highlight=False,
    )


def _size(card: DatasetCard) -> str:
    if not card.files:
        return ""
    return f"{card.size / 1e6:.1f} MB" if card.size else "unknown"


def _whereabouts(card: DatasetCard, located: LocatedData | None) -> str:
    if not card.files or (located is not None and located.complete):
        return "[green]here[/]"
    if located is None:
        return "[yellow]not here[/]"
    return f"[yellow]{len(located.missing)} missing[/]"


def _fetch(options: argparse.Namespace) -> int:
    from umlip_bench.datasets.store import DataStore
    from umlip_bench.errors import DataError

    store = DataStore()
    faults = []
    for card in _chosen(options):
        if not card.files:
            print(f"{card.id}: {ALWAYS_HERE}")
            continue
        # A set that cannot be had does not take the others with it.
        try:
            located = store.fetch(card, options.file)
        except DataError as error:
            faults.append(str(error))
        else:
            print(f"{card.id}: here and checked, {located.folder}")
    if faults:
        raise DataError("\n".join(faults))
    return 0


def _chosen(options: argparse.Namespace) -> list[DatasetCard]:
    from umlip_bench.datasets.tasks import Task
    from umlip_bench.errors import DataError

    if sum([bool(options.ids), options.task is not None, options.all]) != 1:
        raise DataError(
            "say which sets to fetch: ids, or --task TASK, or --all, and only one of them"
        )
    if options.file and len(options.ids) != 1:
        raise DataError(f"--file {options.file[0]} needs exactly one ID, that of the file's set")
    if options.ids:
        # All ids first: a typing error in the last should not come after the first's download.
        return _cards(options.ids)
    tasks = [str(task) for task in Task]
    if options.task is not None and options.task not in tasks:
        raise DataError(f"{options.task!r} is no task; allowed: {', '.join(tasks)}")
    return [card for card in _all_cards() if options.all or options.task in card.tasks]


def _verify(options: argparse.Namespace) -> int:
    from umlip_bench.datasets.store import DataStore, State

    store = DataStore()
    status = 0
    for card in _cards(options.ids) if options.ids else _all_cards():
        if not card.files:
            print(f"{card.id}: ok, {ALWAYS_HERE}")  # reading it has checked it
            continue
        if not options.ids and store.locate(card) is None:
            continue
        states = store.verify(card)
        counts = Counter(str(each.state) for each in states)
        print(f"{card.id}: {', '.join(f'{count} {state}' for state, count in counts.items())}")
        for each in states:
            if each.state is not State.OK:
                status = WRONG
                print(f"  {each.path}: {each.state}" + (f", {each.detail}" if each.detail else ""))
    return status


def _show(options: argparse.Namespace) -> int:
    from rich.table import Table
    from rich.text import Text

    from umlip_bench.cli.console import output
    from umlip_bench.datasets.store import DataStore

    (card,) = _cards([options.id])
    store = DataStore()
    located = store.locate(card)
    entry = _entry(card, located)
    entry |= {
        "tasks": ", ".join(entry["tasks"]),
        "pseudopotentials": card.level_of_theory.pseudopotentials,
        "elements": f"{len(card.elements)}: {' '.join(card.elements)}" if card.elements else "",
        "size": _size(card),
        "here": "yes" if entry["here"] else "no",
        "missing": "",  # the files below say so
        "caveats": "\n".join(f"- {caveat}" for caveat in card.caveats),
    }
    if not card.files or (located is not None and located.complete):
        entry["cases"] = _case_counts(card, located)
    states = {each.path: each for each in store.verify(card)}
    for file in card.files:
        state = str(states[file.path].state) if file.path in states else "not here, optional"
        entry[f"file {file.path}"] = "\n".join(
            [state, file.url, f"sha256 {file.sha256 or 'not published'}"]
        )
    table = Table(show_header=False, title=card.id, title_justify="left")
    table.add_column()
    table.add_column(overflow="fold")
    for key, value in entry.items():
        if value not in ("", None):
            name = key if key.startswith("file ") else key.replace("_", " ")
            table.add_row(name, Text(str(value)))
    output().print(table)
    return 0


def _case_counts(card: DatasetCard, located: LocatedData | None) -> str:
    """Return usable and unusable cases per task; nothing where there is no reader for the set."""
    from umlip_bench.errors import DataError

    try:
        cases = list(_cases(card, located))
    except DataError as error:
        return f"not readable: {error}"
    usable = Counter(str(case.task) for case in cases if case.unusable is None)
    unusable = Counter(str(case.task) for case in cases if case.unusable is not None)
    return "\n".join(
        f"{task}: {usable[task]}" + (f", and {unusable[task]} unusable" if unusable[task] else "")
        for task in dict.fromkeys([*usable, *unusable])
    )


def _cases(card: DatasetCard, located: LocatedData | None) -> Iterable[ReferenceCase]:
    from umlip_bench.datasets import embedded
    from umlip_bench.datasets.importers import IMPORTERS, importer

    if card.id in embedded.names():
        return embedded.read(card.id).cases
    if card.id not in IMPORTERS:
        return ()
    # A set that an installed package carries has no folder.
    folder = Path() if located is None else located.folder
    return importer(card.id)(folder, card.level_of_theory)
