"""Argument lists that are wrong: each refused in words that name what is wrong, and nothing is begun."""

import shutil
import signal
from pathlib import Path

import ase.io
import pytest

from tests.attack.argument_lists import BASES, EXCLUSIVE, FILE, FOLDER, LONG, Wrong, all_lists
from tests.attack.commands import FRAMES, ONE, WRITING, inputs, write_frames
from tests.attack.shell import Shell

pytestmark = [pytest.mark.seconds, pytest.mark.usefixtures("imported")]
LISTS = all_lists()
EVERY = 5
"""One of so many of each command in ``make attack``; in ``make test`` one alone."""
SECONDS = 5.0
"""Of the processor."""
BEGUN = frozenset(
    ("umlip-bench run", "umlip-bench relax", "umlip-finetune curve", "umlip-finetune race")
)
"""Commands that leave a folder with their plan or journal where no model can be loaded."""
PATIENCE = 120
"""Seconds, on a machine that has other things to do."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With all inputs."""
    folder = tmp_path_factory.mktemp("lists")
    inputs(folder, WRITING["compare"])
    write_frames(folder / FRAMES)
    ase.io.write(folder / ONE, ase.io.read(folder / FRAMES, 0))
    (folder / FOLDER).mkdir()
    (folder / FOLDER / "notes.txt").write_text("of no use")
    (folder / FILE).write_text("neither: [this nor that\n")
    return folder


def test_every_command_has_a_base() -> None:
    assert set(LISTS) == set(BASES)
    assert sum(len(lists[::EVERY]) for lists in LISTS.values()) >= 400


@pytest.mark.parametrize("name", LISTS)
def test_a_list(name: str, folder: Path) -> None:
    # Not the same ones of every command.
    start = list(LISTS).index(name) % len(LISTS[name])
    refuse(name, LISTS[name][start : start + 1], folder)


@pytest.mark.attack
@pytest.mark.parametrize("name", EXCLUSIVE)
def test_options_that_do_not_go_together(name: str, folder: Path) -> None:
    wanted = set(EXCLUSIVE[name])
    lists = [each for each in LISTS[name] if any(each.words[-len(w) :] == w for w in wanted)]
    assert len(lists) == len(wanted)
    refuse(name, lists, folder)


@pytest.mark.attack
@pytest.mark.parametrize("name", LISTS)
def test_many_lists(name: str, folder: Path) -> None:
    refuse(name, LISTS[name][::EVERY], folder)


def refuse(name: str, lists: list[Wrong], folder: Path) -> None:
    """Give all lists of a command."""
    own = {
        f"UMLIP_BENCH_{place}": str(folder / "kept" / place) for place in ("CACHE", "ENVIRONMENTS")
    }
    shell, slowest, faults = Shell(folder, own), 0.0, []
    for wrong in lists:
        before = set(folder.iterdir())
        ended = shell.run(*wrong.words, prepare=ended_in_time)
        slowest = max(slowest, ended.seconds)
        said = ended.out + ended.err
        left = sorted(path for path in {*folder.iterdir()} - before if path.name != "kept")
        found = {
            f"status {ended.status}": ended.status not in (1, 2),
            "a traceback": ended.failed_badly,
            f"{ended.seconds:.1f} s": ended.seconds > SECONDS,
            "what is wrong is not named": not any(text in said for text in wrong.named),
            f"left {[path.name for path in left]}": bool(left) and name not in BEGUN,
        }
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if any(found.values()):
            what = ", ".join(text for text, is_so in found.items() if is_so)
            words = " ".join(wrong.words).replace(LONG, "LONG")
            faults.append(f"{words}: {what}: {said[-2000:].replace(LONG, 'LONG')}")
    print(f"{name}: {len(lists)} wrong argument lists, the slowest in {slowest:.1f} s")
    assert not faults, "\n".join(faults)


def ended_in_time() -> None:
    """The system ends the process if it does not."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(PATIENCE)
