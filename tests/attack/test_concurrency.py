"""Two of every command that writes, in one place at once: both right, or one refused with who is in use."""

import re
import time
from pathlib import Path

import pytest

from tests.attack.commands import WRITING, clean, inputs
from tests.attack.shell import Ended, Shell
from tests.attack.test_kills import content

pytestmark = pytest.mark.usefixtures("imported")
LATER = (0.0, 0.1, 0.3, 0.6, 0.9)
"""When the second begins, in shares of what one takes alone."""
REFUSED = re.compile(r"in use by another process \(process \d+\)|exists")
"""What the second may be told: by one who is at it, or who has just ended."""


@pytest.mark.seconds
@pytest.mark.parametrize("name", [name for name, command in WRITING.items() if command.soon])
def test_two_at_once(name: str, tmp_path: Path) -> None:
    both(name, tmp_path, LATER[:2])


@pytest.mark.attack
@pytest.mark.parametrize("name", WRITING)
def test_two_of_any_command_at_once(name: str, tmp_path: Path) -> None:
    both(name, tmp_path, LATER)


def both(name: str, tmp_path: Path, later: tuple[float, ...]) -> None:
    """Give a command twice in one place, some time apart, and hold what is left to what one leaves."""
    command = WRITING[name]
    inputs(tmp_path, command)
    shell, words = Shell(tmp_path), command.words(command.out)
    before = time.monotonic()
    whole = shell.run(*words)
    took = time.monotonic() - before
    assert whole.status == 0, whole.err
    expected = content(tmp_path, command.out)
    n_both = 0
    for share in later:
        clean(tmp_path)
        first = shell.begin(*words)
        time.sleep(share * took)
        ended = (shell.begin(*words), first)
        n_both += right([each.end() for each in ended], f"second after {share * took:.3f} s")
        assert content(tmp_path, command.out) == expected, f"second after {share * took:.3f} s"
        assert not list(tmp_path.rglob(".umlip-bench-*"))
        again = shell.run(*words)
        assert again.status == 0 or "exists" in again.err, again.err
        assert content(tmp_path, command.out) == expected
    print(
        f"{name}: {len(later)} times two at once, {n_both} times both wrote, else one was refused"
    )


def right(ended: list[Ended], where: str) -> bool:
    """Whether both did it; at least one must, and the other may be refused in words."""
    for each in ended:
        assert not each.failed_badly, f"{where}: {each.err}"
        assert each.status in (0, 2), f"{where}: {each.err}"
        assert each.status == 0 or REFUSED.search(" ".join(each.err.split())), (
            f"{where}: {each.err}"
        )
    n_done = sum(each.status == 0 for each in ended)
    assert n_done >= 1, f"{where}: {[each.err for each in ended]}"
    return n_done == 2
