"""Files appear whole, keep what was set for them, and leave nothing behind."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from umlip_bench.ground import files
from umlip_bench.ground.errors import OutputError
from umlip_bench.ground.files import (
    check_new_folder,
    check_writable,
    files_below,
    write_atomically,
    write_folder_atomically,
)

OLD, NEW = b"what was there\n", b"what is new\n"
HALF = """
import os, signal, sys
from pathlib import Path
from umlip_bench.ground.files import write_atomically

def write(file):
    file.write(b"half of it" * 10000)
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

write_atomically(Path(sys.argv[1]), write)
"""


def put(path: Path, content: bytes = NEW) -> None:
    write_atomically(path, lambda file: file.write(content))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def kill_while_writing(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", HALF, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize(("umask", "expected"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664)])
def test_a_new_file_has_what_the_umask_leaves(tmp_path: Path, umask: int, expected: int) -> None:
    before = os.umask(umask)
    try:
        put(tmp_path / "new")
    finally:
        os.umask(before)
    assert mode(tmp_path / "new") == expected
    assert os.listdir(tmp_path) == ["new"]


@pytest.mark.parametrize("kept", [0o600, 0o640, 0o666])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    path.chmod(kept)
    put(path)
    assert (path.read_bytes(), mode(path)) == (NEW, kept)


@pytest.mark.parametrize("kind", ["absolute", "relative", "chain", "dangling"])
def test_a_link_stays_and_its_file_is_written(tmp_path: Path, kind: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    target, link = elsewhere / "target", tmp_path / "link"
    target.write_bytes(OLD)
    if kind == "relative":
        link.symlink_to(Path("elsewhere") / "target")
    elif kind == "chain":
        (elsewhere / "between").symlink_to("target")
        link.symlink_to(elsewhere / "between")
    else:
        link.symlink_to(target)
    if kind == "dangling":
        target.unlink()
    put(link)
    assert link.is_symlink()
    assert not target.is_symlink()
    assert target.read_bytes() == NEW


def test_links_at_temporary_names_are_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Somebody who knew the random part could lay a link there; creation must fail, not follow.
    victim = tmp_path / "victim"
    victim.write_bytes(OLD)
    monkeypatch.setattr(files.secrets, "token_hex", lambda n: "known")
    name = f"{files.PREFIX}{files._host()}-{os.getpid()}-known{files.SUFFIX}"
    for to in (victim, tmp_path / "nothing", tmp_path):
        (tmp_path / name).symlink_to(to)
        with pytest.raises(OutputError, match="exists"):
            put(tmp_path / "out")
        assert (tmp_path / name).is_symlink()
        (tmp_path / name).unlink()
    assert victim.read_bytes() == OLD
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("there", [True, False])
def test_a_killed_write_leaves_the_old_and_the_next_cleans_up(tmp_path: Path, there: bool) -> None:
    path = tmp_path / "out.json"
    if there:
        path.write_bytes(OLD)
    kill_while_writing(path)
    assert path.exists() == there
    if there:
        assert path.read_bytes() == OLD
    (left,) = (p for p in tmp_path.iterdir() if p != path)
    assert left.stat().st_size > 0
    # Another file of the folder will do.
    put(tmp_path / "other")
    assert not left.exists()


def test_only_what_is_left_over_is_removed(tmp_path: Path) -> None:
    host, dead = files._host(), _dead_process()
    hour = time.time() - 1.1 * files.LEFT_AFTER
    kept = [
        f"{files.PREFIX}{host}-{os.getpid()}-aa{files.SUFFIX}",  # being written
        f"{files.PREFIX}{host}-1-aa{files.SUFFIX}",  # of a process that lives
        f"{files.PREFIX}00000000-{dead}-aa{files.SUFFIX}",  # of another machine
        f".out.json.{dead}.part",  # not ours
        "notes.part",
    ]
    gone = [
        f"{files.PREFIX}{host}-{dead}-aa{files.SUFFIX}",
        f"{files.PREFIX}00000000-1-aa{files.SUFFIX}",
        f"{files.PREFIX}{host}-{os.getpid()}-bb{files.SUFFIX}",
    ]
    for name in kept + gone:
        (tmp_path / name).write_bytes(OLD)
    for name in gone[1:]:
        os.utime(tmp_path / name, (hour, hour))
    os.utime(tmp_path / "notes.part", (hour, hour))
    put(tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, "out"])


def _dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(1)])
def test_a_write_that_fails_changes_nothing(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)

    def write(file: IO[bytes]) -> None:
        file.write(b"half")
        raise error

    with pytest.raises(type(error)):
        write_atomically(path, write)
    assert path.read_bytes() == OLD
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.seconds
def test_no_reader_sees_half(tmp_path: Path) -> None:
    path = tmp_path / "file"
    versions = [bytes([65 + k]) * 200_000 for k in range(2)]
    put(path, versions[0])
    seen, stop = set(), threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for k in range(60):
        put(path, versions[k % 2])
    stop.set()
    reader.join()
    assert seen <= set(versions)


@pytest.mark.parametrize("act", [put, check_writable])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("folder", "it is a folder"),
        ("missing/file", "missing does not exist"),
        ("taken/file", "taken is a file, not a folder"),
        ("circle", "link"),
        ("pipe", "not a regular file"),
        ("x" * 300, "too long"),
        ("/proc/sys/umlip", "cannot be written"),
        ("/sys/kernel/umlip", "cannot be written"),
    ],
)
def test_what_cannot_be_written_is_named_with_the_reason(
    tmp_path: Path, act: Callable[[Path], object], name: str, reason: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "taken").write_bytes(OLD)
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(OutputError) as caught:
        act(tmp_path / name)
    assert reason in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == before


BOUND = """
import os, resource, sys, tempfile
from pathlib import Path
from umlip_bench.ground.errors import OutputError
from umlip_bench.ground.files import check_writable, write_atomically

kind, folder = sys.argv[1], Path(sys.argv[2])
if kind == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
elif os.geteuid() == 0:
    os.setgid(65534); os.setuid(65534)
try:
    if kind != "full":
        check_writable(folder / "file")
    write_atomically(folder / "file", lambda file: file.write(b"x" * 100_000))
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("full", "too large"),
        ("read-only file", "read-only"),
        ("read-only folder", "Permission denied"),
    ],
)
def test_of_a_full_disk_and_of_what_is_read_only(kind: str, reason: str) -> None:
    # Not pytest's folder, which another user cannot enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "file").write_bytes(OLD)
        folder.chmod(0o555 if kind == "read-only folder" else 0o777)
        (folder / "file").chmod(0o444 if kind == "read-only file" else 0o666)
        done = subprocess.run(
            [sys.executable, "-c", BOUND, kind, name], capture_output=True, text=True, check=True
        )
        assert f"{folder / 'file'} cannot be written" in done.stdout
        assert reason in done.stdout
        assert (folder / "file").read_bytes() == OLD
        assert os.listdir(folder) == ["file"]
        folder.chmod(0o777)


def test_asking_whether_it_can_be_written_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    check_writable(path)
    assert not path.exists()
    path.write_bytes(OLD)
    os.utime(path, (1, 1))
    check_writable(path)
    assert (path.read_bytes(), path.stat().st_mtime) == (OLD, 1)


HALF_A_FOLDER = """
import os, signal, sys
from pathlib import Path
from umlip_bench.ground.files import write_folder_atomically

def build(folder):
    (folder / "inner").mkdir()
    (folder / "inner" / "first").write_text("one of two")
    os.kill(os.getpid(), signal.SIGKILL)

write_folder_atomically(Path(sys.argv[1]), build)
"""


def fill(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "file").write_bytes(NEW)


@pytest.mark.parametrize(("umask", "expected"), [(0o022, 0o755), (0o077, 0o700), (0o002, 0o775)])
def test_a_folder_appears_with_what_the_umask_leaves(
    tmp_path: Path, umask: int, expected: int
) -> None:
    out = tmp_path / "a" / "b"
    before = os.umask(umask)
    try:
        check_new_folder(out)
        write_folder_atomically(out, fill)
    finally:
        os.umask(before)
    assert mode(out) == expected
    assert (out / "inner" / "file").read_bytes() == NEW
    assert os.listdir(tmp_path / "a") == ["b"]


def test_of_a_folder_that_was_killed_nothing_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = subprocess.run([sys.executable, "-c", HALF_A_FOLDER, str(out)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not out.exists()
    assert len(os.listdir(tmp_path)) == 1
    write_folder_atomically(out, fill)
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(1)])
def test_of_a_folder_that_fails_nothing_stays(tmp_path: Path, error: BaseException) -> None:
    def build(folder: Path) -> None:
        fill(folder)
        raise error

    with pytest.raises(type(error)):
        write_folder_atomically(tmp_path / "out", build)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "act", [check_new_folder, lambda path: write_folder_atomically(path, fill)]
)
@pytest.mark.parametrize("name", ["folder", "taken", "link", "taken/out", "/proc/sys/umlip/out"])
def test_a_folder_that_cannot_be_made_is_named(
    tmp_path: Path, act: Callable[[Path], object], name: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "taken").write_bytes(OLD)
    (tmp_path / "link").symlink_to("nothing")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(OutputError) as caught:
        act(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == before


def test_files_below_a_folder_in_which_work_goes_on(tmp_path: Path) -> None:
    for name in ("b/2", "a/1", "a/c/0"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    names = [str(path.relative_to(tmp_path)) for path in files_below(tmp_path)]
    assert names == ["a/1", "a/c/0", "b/2"]
    assert files_below(tmp_path / "nowhere") == []
