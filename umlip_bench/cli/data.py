"""``umlip-bench data``: what reference sets there are, where their files are, fetching and checking them."""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from umlip_bench.cli.data_cards import ALWAYS_HERE, all_cards, cards_of, entry_of, size_of
from umlip_bench.cli.data_show import add_show
from umlip_bench.cli.data_user import add_check, add_export
from umlip_bench.cli.options import Subparsers, add_command

if TYPE_CHECKING:
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
        description="List every set with tasks, structures, functional, licence, citation and size.",
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
    add_show(actions)
    add_check(actions)
    add_export(actions)


def _list(options: argparse.Namespace) -> int:
    from umlip_bench.datasets.store import DataStore

    store = DataStore()
    states = [(card, store.locate(card)) for card in all_cards()]
    if options.json:
        print(json.dumps([entry_of(card, located) for card, located in states], indent=1))
        return 0
    _print_table(states)
    return 0


def _print_table(states: Sequence[tuple[DatasetCard, LocatedData | None]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from umlip_bench.cli.console import output

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("id", no_wrap=True)
    table.add_column("tasks", no_wrap=True)
    table.add_column("cells", justify="right", no_wrap=True)
    table.add_column("functional", no_wrap=True)
    table.add_column("licence")
    table.add_column("citation", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("files", no_wrap=True)
    for card, located in states:
        table.add_row(
            card.id,
            "\n".join(card.tasks),
            f"{card.n_structures:,}",
            str(card.level_of_theory),
            card.licence.split(" (")[0].split(":")[0],
            _first_author(card.citation),
            size_of(card),
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


def _first_author(citation: str) -> str:
    """First author and year; `data show` has all of it."""
    author = re.split(", | et al", citation)[0]
    year = re.search(r"\((\d{4})\)", citation)
    return f"{author} {year[1]}" if year else citation


def _whereabouts(card: DatasetCard, located: LocatedData | None) -> str:
    if not card.files or (located is not None and located.complete):
        return "[green]here[/]"
    if located is None:
        return "[yellow]not here[/]"
    return f"[yellow]{len(located.missing)} missing[/]"


def _fetch(options: argparse.Namespace) -> int:
    from umlip_bench.datasets.store import DataStore
    from umlip_bench.ground.errors import DataError

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
    from umlip_bench.ground.errors import DataError

    if sum([bool(options.ids), options.task is not None, options.all]) != 1:
        raise DataError(
            "say which sets to fetch: ids, or --task TASK, or --all, and only one of them"
        )
    if options.file and len(options.ids) != 1:
        raise DataError(f"--file {options.file[0]} needs exactly one ID, that of the file's set")
    if options.ids:
        # All ids first: a typing error in the last should not come after the first's download.
        return cards_of(options.ids)
    tasks = [str(task) for task in Task]
    if options.task is not None and options.task not in tasks:
        raise DataError(f"{options.task!r} is no task; allowed: {', '.join(tasks)}")
    return [card for card in all_cards() if options.all or options.task in card.tasks]


def _verify(options: argparse.Namespace) -> int:
    from umlip_bench.datasets.store import CheckState, DataStore

    store = DataStore()
    status = 0
    for card in cards_of(options.ids) if options.ids else all_cards():
        if not card.files:
            print(f"{card.id}: ok, {ALWAYS_HERE}")  # reading it has checked it
            continue
        if not options.ids and store.locate(card) is None:
            continue
        states = store.verify(card)
        counts = Counter(str(each.state) for each in states)
        print(f"{card.id}: {', '.join(f'{count} {state}' for state, count in counts.items())}")
        for each in states:
            if each.state is not CheckState.OK:
                status = WRONG
                print(f"  {each.path}: {each.state}" + (f", {each.detail}" if each.detail else ""))
    return status
