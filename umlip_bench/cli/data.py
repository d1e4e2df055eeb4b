"""``umlip-bench data``: what reference sets there are, where their files are, fetching and checking them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from json import dumps
from typing import TYPE_CHECKING, Annotated, ClassVar

from umlip_bench.cli.data_import import DataImportCommand
from umlip_bench.cli.data_publish import DataPublishCommand
from umlip_bench.cli.data_show import DataShowCommand
from umlip_bench.cli.data_user import DataCheckCommand, DataExportCommand
from umlip_bench.cli.declare import Argument, Command, metavar

if TYPE_CHECKING:
    from umlip_bench.datasets.catalogue import DatasetCard

WRONG = 1
"""Exit status of ``verify`` where a file is missing or not the published one."""


@dataclass(frozen=True, kw_only=True)
class DataCommand(Command):
    """List published DFT data sets, known by id.

    What they are for, at which level of theory, under which licence, and whether their files are here. Files
    are looked for in $UMLIP_BENCH_DATA/<id>/ and in the user's cache, where downloads go.
    """

    name = "umlip-bench data"
    examples = """\
  umlip-bench data list                         list all sets
  umlip-bench data show mlearn                  everything about one
  umlip-bench data fetch mlearn                 download its files, hash-checked
  umlip-bench data verify                       check all files that are here
  umlip-bench data check my.xyz                 look for mistakes in one's own labels
  umlip-bench data export mlearn out.xyz        write labelled frames in the standard form
  umlip-bench data import my.db --out new.xyz   the same from labels of your own, of any form
  umlip-bench data publish pbe-mini --out new   a set for others: labels, card, schema, checks
"""
    json: bool = False
    """print JSON instead of a table"""

    def run(self) -> int:
        from umlip_bench.cli.console import output
        from umlip_bench.datasets.card_tables import listing
        from umlip_bench.datasets.cards import all_cards, entry_of
        from umlip_bench.datasets.store import DataStore

        store = DataStore()
        states = [(card, store.locate(card)) for card in all_cards()]
        if self.json:
            print(dumps([entry_of(card, located) for card, located in states], indent=1))
            return 0
        console = output()
        console.print(listing(states))
        console.print(
            "Files that are not here: umlip-bench data fetch ID. Everything about one set: "
            "umlip-bench data show ID.",
            soft_wrap=True,
            highlight=False,
        )
        return 0


class DataListCommand(DataCommand):
    """List every set with tasks, structures, functional, licence, citation and size."""

    name = "umlip-bench data list"
    actions: ClassVar = {}
    examples = """\
  umlip-bench data list
  umlip-bench data list --json
"""


@dataclass(frozen=True, kw_only=True)
class DataFetchCommand(Command):
    """Download the files of sets into the user's cache; each is checked.

    What is here is not fetched again, and a download that broke off is gone on with.
    """

    name = "umlip-bench data fetch"
    examples = """\
  umlip-bench data fetch mlearn monbtaw
  umlip-bench data fetch --task surfaces
  umlip-bench data fetch mlearn --file Cu/training.json
"""
    ids: Annotated[tuple[str, ...], Argument("ID")] = ()
    """sets of `umlip-bench data list`"""
    task: Annotated[str | None, metavar("TASK")] = None
    """all sets for a task, as `data list` has them"""
    all: bool = False
    """all sets"""
    file: Annotated[tuple[str, ...], metavar("PATH")] = ()
    """only this file of one set; repeatable"""

    def run(self) -> int:
        from umlip_bench.datasets.cards import ALWAYS_HERE
        from umlip_bench.datasets.store import DataStore
        from umlip_bench.ground.errors import DataError

        store = DataStore()
        faults = []
        for card in _chosen(self):
            if not card.files:
                print(f"{card.id}: {ALWAYS_HERE}")
                continue
            # A set that cannot be had does not take the others with it.
            try:
                located = store.fetch(card, self.file or None)
            except DataError as error:
                faults.append(str(error))
            else:
                print(f"{card.id}: here and checked, {located.folder}")
        if faults:
            raise DataError("\n".join(faults))
        return 0


@dataclass(frozen=True, kw_only=True)
class DataVerifyCommand(Command):
    """Check the files of sets, by default of all that are here; the network is not touched.

    Exit status 1 if a file is missing or is not the published one.
    """

    name = "umlip-bench data verify"
    examples = """\
  umlip-bench data verify
  umlip-bench data verify mlearn
"""
    ids: Annotated[tuple[str, ...], Argument("ID")] = ()
    """sets of `umlip-bench data list`"""

    def run(self) -> int:
        from umlip_bench.datasets.cards import ALWAYS_HERE, all_cards, cards_of
        from umlip_bench.datasets.store import CheckState, DataStore

        store = DataStore()
        status = 0
        for card in cards_of(self.ids) if self.ids else all_cards():
            if not card.files:
                print(f"{card.id}: ok, {ALWAYS_HERE}")  # reading it has checked it
                continue
            if not self.ids and store.locate(card) is None:
                continue
            states = store.verify(card)
            counts = Counter(str(each.state) for each in states)
            print(f"{card.id}: {', '.join(f'{count} {state}' for state, count in counts.items())}")
            for each in states:
                if each.state is not CheckState.OK:
                    status = WRONG
                    print(
                        f"  {each.path}: {each.state}" + (f", {each.detail}" if each.detail else "")
                    )
        return status


def _chosen(options: DataFetchCommand) -> list[DatasetCard]:
    from umlip_bench.datasets.cards import all_cards, cards_of
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


DataCommand.actions = {
    "list": DataListCommand,
    "show": DataShowCommand,
    "fetch": DataFetchCommand,
    "verify": DataVerifyCommand,
    "check": DataCheckCommand,
    "export": DataExportCommand,
    "import": DataImportCommand,
    "publish": DataPublishCommand,
}
COMMAND = DataCommand
