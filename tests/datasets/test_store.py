import hashlib
import http.server
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from subprocess import Popen

import pytest

from tests.support.narrowing import as_a, some
from umlip_bench.datasets.catalogue import DataFile, DatasetCard
from umlip_bench.datasets.store import CheckState, DataStore
from umlip_bench.datasets.tasks import Task
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory

HTML = b"<!DOCTYPE html>\n<html><body>Please log in</body></html>\n"
CHUNK = 1 << 16


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def body_of(seed: int) -> bytes:
    """JSON text of about 400 kB, several chunks of a download, unlike that of another seed."""
    digests = [sha256(f"{seed} {k}".encode()) for k in range(6000)]
    return json.dumps(digests).encode()


BODY, OTHER = body_of(1), body_of(2)


class Server(http.server.ThreadingHTTPServer):
    """A server on loopback that counts what it sends, knows ranges or not, and breaks off if told.

    It waits for `start` before it answers, and for `hold` after it has sent a body or its beginning.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.sent: list[int] = []
        self.ranges = True
        self.break_after: int | None = None
        self.start = threading.Event()
        self.start.set()
        self.hold = threading.Event()
        self.hold.set()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = as_a(Server, self.server)
        range_header = self.headers.get("Range")
        server.requests.append((self.path, range_header))
        server.start.wait(60)
        body = server.bodies.get(self.path[1:])
        if body is None:
            self.send_error(404)
            return
        start = 0
        if range_header and server.ranges:
            start = int(range_header.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        content = body[start:][: server.break_after]
        try:
            self.wfile.write(content)
            self.wfile.flush()
        except OSError:
            return  # a client that asked for a range does not wait for the whole
        server.sent.append(len(content))
        server.hold.wait(60)
        if len(content) < len(body) - start:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.start.set()
        server.hold.set()
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UMLIP_BENCH_DATA", "UMLIP_BENCH_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def store(tmp_path: Path) -> DataStore:
    return DataStore(tmp_path / "cache")


def card_of(*files: DataFile) -> DatasetCard:
    return DatasetCard(
        id="toy",
        title="Toy",
        tasks=(Task.EOS,),
        level_of_theory=LevelOfTheory("PBE"),
        settings="none",
        elements=("H",),
        n_structures=1,
        licence="MIT",
        citation="nobody",
        repository="none",
        files=files,
    )


@pytest.fixture
def known(server: Server) -> DatasetCard:
    """Return the card of a set of one file whose hash is published."""
    server.bodies["toy.json"] = BODY
    return card_of(DataFile("toy.json", server.url("toy.json"), sha256(BODY), len(BODY)))


@pytest.fixture
def unknown(server: Server) -> DatasetCard:
    """Return the card of a set of one file whose hash is not published."""
    server.bodies["toy.json"] = BODY
    return card_of(DataFile("toy.json", server.url("toy.json")))


@pytest.fixture
def three(server: Server) -> DatasetCard:
    """Return the card of a set of three files, one in a folder of its own."""
    contents = {"a.json": BODY, "b/b.json": OTHER, "c.json": b"[1, 2]"}
    server.bodies |= contents
    return card_of(
        *(DataFile(name, server.url(name), sha256(c), len(c)) for name, c in contents.items())
    )


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("UMLIP_BENCH_DATA", str(folder))
    return folder


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def listing(store: DataStore) -> list[str]:
    folder = store.root / "toy"
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def refusal(store: DataStore, card: DatasetCard) -> str:
    with pytest.raises(DataError) as caught:
        store.fetch(card)
    return str(caught.value)


def states(store: DataStore, card: DatasetCard) -> dict[str, str]:
    return {each.path: each.state for each in store.verify(card)}


# ---- downloads that succeed


def test_fetch_downloads_once(server: Server, store: DataStore, three: DatasetCard) -> None:
    assert store.locate(three) is None
    assert set(states(store, three).values()) == {CheckState.MISSING}
    located = store.fetch(three)
    assert located.complete
    assert located.folder == store.root / "toy"
    assert located.path("b/b.json").read_bytes() == OTHER
    assert listing(store) == ["a.json", "b/b.json", "c.json"]
    assert store.fetch(three) == store.locate(three) == located
    assert len(server.requests) == 3
    assert set(states(store, three).values()) == {CheckState.OK}


def test_only_the_files_asked_for(server: Server, store: DataStore, three: DatasetCard) -> None:
    located = store.fetch(three, ["c.json"])
    assert not located.complete
    assert located.missing == ("a.json", "b/b.json")
    assert listing(store) == ["c.json"]
    with pytest.raises(DataError, match=r"toy: a\.json is not on this machine") as caught:
        located.path("a.json")
    assert "umlip-bench data fetch toy --file a.json" in str(caught.value)
    with pytest.raises(DataError, match=r"toy has no file 'd\.json'"):
        store.fetch(three, ["d.json"])
    store.fetch(three)
    assert len(server.requests) == 3


def test_without_a_terminal_nothing_is_printed(
    store: DataStore, three: DatasetCard, capfd: pytest.CaptureFixture[str]
) -> None:
    store.fetch(three)
    assert capfd.readouterr() == ("", "")


# ---- interruption and resumption


def test_a_broken_off_download_is_gone_on_with(
    server: Server, store: DataStore, known: DatasetCard
) -> None:
    server.break_after = 3 * CHUNK
    assert "IncompleteRead" in refusal(store, known).splitlines()[0]
    assert listing(store) == ["toy.json.part"]
    assert store.locate(known) is None
    held = (store.root / "toy" / "toy.json.part").stat().st_size
    assert 0 < held <= 3 * CHUNK

    server.break_after = None
    assert store.fetch(known).path("toy.json").read_bytes() == BODY
    assert server.requests[1] == ("/toy.json", f"bytes={held}-")
    wait_until(
        lambda: len(server.sent) == 2
    )  # the client may be done before the server has counted
    assert server.sent == [3 * CHUNK, len(BODY) - held]
    assert listing(store) == ["toy.json"]


def test_several_interruptions(server: Server, store: DataStore, known: DatasetCard) -> None:
    server.break_after = 2 * CHUNK
    for _ in range(2):
        refusal(store, known)
    assert (store.root / "toy" / "toy.json.part").read_bytes() == BODY[: 4 * CHUNK]
    server.break_after = None
    assert store.fetch(known).path("toy.json").read_bytes() == BODY


def test_a_server_without_ranges_sends_the_whole(
    server: Server, store: DataStore, known: DatasetCard
) -> None:
    server.ranges = False
    server.break_after = 3 * CHUNK
    refusal(store, known)
    server.break_after = None
    assert store.fetch(known).path("toy.json").read_bytes() == BODY
    assert listing(store) == ["toy.json"]
    assert server.requests[1][1] is not None
    assert server.requests[2][1] is None


def test_a_part_that_does_not_fit_is_thrown_away(
    server: Server, store: DataStore, known: DatasetCard
) -> None:
    put(store.root / "toy" / "toy.json.part", OTHER[: 2 * CHUNK])
    assert store.fetch(known).path("toy.json").read_bytes() == BODY
    assert [each for _, each in server.requests] == [f"bytes={2 * CHUNK}-", None]
    assert listing(store) == ["toy.json"]


@pytest.mark.parametrize(
    ("part", "size", "n_requests"),
    [(BODY, True, 0), (BODY, False, 2), (BODY + b"more", True, 1), (OTHER, True, 1)],
    ids=["whole", "whole of unknown size", "too long", "another"],
)
def test_a_part_with_nothing_left_to_fetch(
    server: Server, store: DataStore, known: DatasetCard, part: bytes, size: bool, n_requests: int
) -> None:
    card = known if size else card_of(replace(known.files[0], size=None))
    put(store.root / "toy" / "toy.json.part", part)
    assert store.fetch(card).path("toy.json").read_bytes() == BODY
    assert len(server.requests) == n_requests
    assert listing(store) == ["toy.json"]


def test_a_server_that_sends_another_range(
    server: Server, store: DataStore, known: DatasetCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store.root / "toy" / "toy.json.part", BODY[:1000])
    send_header = Handler.send_header

    def other_range(self: BaseHTTPRequestHandler, name: str, value: str) -> None:
        send_header(self, name, "bytes 0-1/2" if name == "Content-Range" else value)

    monkeypatch.setattr(Handler, "send_header", other_range)
    assert store.fetch(known).path("toy.json").read_bytes() == BODY


def test_without_a_hash_nothing_is_gone_on_with(
    server: Server, store: DataStore, unknown: DatasetCard
) -> None:
    server.break_after = 3 * CHUNK
    refusal(store, unknown)
    assert listing(store) == []
    server.break_after = None
    store.fetch(unknown)
    assert [each for _, each in server.requests] == [None, None]


# ---- downloads that fail


def test_offline(store: DataStore, three: DatasetCard) -> None:
    with Server() as closed:
        files = [replace(file, url=closed.url(file.path)) for file in three.files]
    message = refusal(store, card_of(*files))
    first_line = message.splitlines()[0]
    assert first_line.startswith("toy: 3 files are not on this machine and could not be downloaded")
    assert "refused" in first_line
    assert "HTTPConnectionPool" not in message
    for file in files:
        assert f"file: {file.path}\n" in message
        assert f"url: {file.url}\n" in message
        assert f"sha256: {file.sha256}\n" in message
    assert str(store.root / "toy") in message
    assert "$UMLIP_BENCH_DATA/toy/" in message
    assert listing(store) == []


def test_one_broken_file_does_not_lose_the_others(
    server: Server, store: DataStore, three: DatasetCard
) -> None:
    del server.bodies["a.json"]
    message = refusal(store, three)
    assert "1 file is not on this machine and could not be downloaded: 404" in message
    assert "url: " + three.files[0].url in message
    assert three.files[1].url not in message
    assert listing(store) == ["b/b.json", "c.json"]
    located = store.locate(three)
    assert some(located).missing == ("a.json",)
    assert states(store, three)["a.json"] is CheckState.MISSING


@pytest.mark.parametrize("kind", ["known", "unknown"])
def test_html(server: Server, store: DataStore, kind: str, request: pytest.FixtureRequest) -> None:
    card = request.getfixturevalue(kind)
    server.bodies["toy.json"] = HTML
    assert "web page" in refusal(store, card)
    assert listing(store) == []
    assert len(server.requests) == 1


def test_wrong_hash(server: Server, store: DataStore, known: DatasetCard) -> None:
    server.bodies["toy.json"] = OTHER
    message = refusal(store, known)
    assert f"its sha256 is {sha256(OTHER)}, expected {sha256(BODY)}" in message
    assert known.files[0].url in message
    assert listing(store) == []
    assert len(server.requests) == 1


def test_what_is_no_json_with_unknown_hash(
    server: Server, store: DataStore, unknown: DatasetCard
) -> None:
    server.bodies["toy.json"] = BODY[:-10]
    assert "not readable as JSON" in refusal(store, unknown)
    assert listing(store) == []


def test_silent_server(
    server: Server, store: DataStore, three: DatasetCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("umlip_bench.ground.store.download.READ_TIMEOUT", 0.3)
    server.hold.clear()
    server.break_after = 10
    assert "timed out" in refusal(store, three).splitlines()[0]
    # Waiting once is enough.
    assert len(server.requests) == 1


def test_cache_that_cannot_be_written(tmp_path: Path, known: DatasetCard) -> None:
    (tmp_path / "file").write_text("in the way")
    message = refusal(DataStore(tmp_path / "file"), known)
    assert str(tmp_path / "file") in message
    assert sha256(BODY) in message


# ---- hashes


def test_first_download_is_pinned(server: Server, store: DataStore, unknown: DatasetCard) -> None:
    path = store.fetch(unknown).path("toy.json")
    assert path.with_name("toy.json.sha256").read_text() == f"{sha256(BODY)}  toy.json\n"
    assert states(store, unknown) == {"toy.json": CheckState.OK}
    path.write_bytes(OTHER)
    (state,) = store.verify(unknown)
    assert state.state is CheckState.WRONG
    assert "was pinned when it was first downloaded" in state.detail
    path.unlink()
    server.bodies["toy.json"] = OTHER
    assert "was pinned" in refusal(store, unknown)


def test_git_blob_id(server: Server, store: DataStore) -> None:
    # As `git hash-object` has it.
    content = b'{"a": 1}\n'
    server.bodies["toy.json"] = content
    file = DataFile(
        "toy.json",
        server.url("toy.json"),
        git_blob_sha1="65e0bbf51d04e5bdedb5dce9b02d4bacc44fd3e1",
    )
    blob = hashlib.sha1(b"blob 9\0" + content).hexdigest()
    assert f"its git blob id is {blob}, expected {file.git_blob_sha1}" in refusal(
        store, card_of(file)
    )
    store.fetch(card_of(replace(file, git_blob_sha1=blob)))
    assert listing(store) == ["toy.json", "toy.json.sha256"]


@pytest.mark.parametrize("place", ["users", "cache"])
def test_damaged_file_is_not_passed_over(
    place: str, server: Server, store: DataStore, users: Path, known: DatasetCard
) -> None:
    path = (users if place == "users" else store.root) / "toy" / "toy.json"
    put(path, OTHER)
    message = refusal(store, known)
    assert str(path) in message
    assert f"expected {sha256(BODY)}" in message
    assert "Delete the file" in message
    assert known.files[0].url in message
    assert server.requests == []
    assert path.read_bytes() == OTHER
    assert states(store, known) == {"toy.json": CheckState.WRONG}


def test_damaged_file_beside_missing_ones(
    server: Server, store: DataStore, three: DatasetCard
) -> None:
    put(store.root / "toy" / "a.json", OTHER)
    message = refusal(store, three)
    assert "a.json is not the published file" in message
    assert listing(store) == ["a.json", "b/b.json", "c.json"]
    assert list(states(store, three).values()) == [CheckState.WRONG, CheckState.OK, CheckState.OK]


# ---- optional files and stand-ins


def test_optional_files_are_fetched_by_name(
    server: Server, store: DataStore, known: DatasetCard
) -> None:
    server.bodies["more.json"] = OTHER
    more = DataFile("more.json", server.url("more.json"), sha256(OTHER), optional=True)
    card = card_of(*known.files, more)
    assert store.fetch(card).complete
    assert listing(store) == ["toy.json"]
    assert states(store, card) == {"toy.json": CheckState.OK}
    store.fetch(card, ["more.json"])
    assert listing(store) == ["more.json", "toy.json"]
    assert states(store, card) == {"toy.json": CheckState.OK, "more.json": CheckState.OK}


def test_a_file_that_stands_in_for_another(
    server: Server, store: DataStore, known: DatasetCard
) -> None:
    server.bodies = {"other.json": OTHER}
    other = DataFile(
        *("other.json", server.url("other.json"), sha256(OTHER)),
        optional=True,
        instead_of="toy.json",
    )
    card = card_of(*known.files, other)
    message = refusal(store, card)
    assert "`umlip-bench data fetch toy --file other.json` gets a file to use instead" in message
    assert store.fetch(card, ["other.json"]).complete
    assert store.fetch(card).complete
    assert states(store, card) == {"other.json": CheckState.OK}
    assert listing(store) == ["other.json"]


# ---- places


def test_the_first_complete_place_counts(store: DataStore, users: Path, known: DatasetCard) -> None:
    put(users / "toy" / "toy.json", BODY)
    put(store.root / "toy" / "toy.json", BODY)
    assert some(store.locate(known)).folder == users / "toy"
    (users / "toy" / "toy.json").unlink()
    assert some(store.locate(known)).folder == store.root / "toy"


def test_a_set_that_is_completed_lies_in_one_folder(
    server: Server, store: DataStore, users: Path, three: DatasetCard
) -> None:
    put(users / "toy" / "a.json", BODY)
    put(users / "toy" / "c.json", b"[1, 2]")
    assert some(store.locate(three)).missing == ("b/b.json",)
    located = store.fetch(three)
    assert located.complete
    assert located.folder == store.root / "toy"
    assert listing(store) == ["a.json", "b/b.json", "c.json"]
    assert server.requests == [("/b/b.json", None)]
    assert sorted(path.name for path in (users / "toy").iterdir()) == ["a.json", "c.json"]


def test_data_variable_names_no_folder(
    store: DataStore, known: DatasetCard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UMLIP_BENCH_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"UMLIP_BENCH_DATA is '.*nowhere', which is not a folder"):
        store.locate(known)


def test_default_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UMLIP_BENCH_CACHE", str(tmp_path))
    assert DataStore().root == tmp_path / "data"
    monkeypatch.delenv("UMLIP_BENCH_CACHE")
    assert DataStore().root.parts[-2:] == ("umlip_bench", "data")


# ---- several processes

FETCH = """
import json, sys
from pathlib import Path
from umlip_bench.datasets.catalogue import DataFile, DatasetCard
from umlip_bench.datasets.store import DataStore
from umlip_bench.ground.level_of_theory import LevelOfTheory
root, files = json.loads(sys.argv[1])
card = DatasetCard("toy", "Toy", (), LevelOfTheory("PBE"), "none", (), 1, "MIT", "nobody", "none",
                   files=tuple(DataFile(*file) for file in files))
print("ready", flush=True)
print(DataStore(Path(root)).fetch(card).complete)
"""


def start_fetch(store: DataStore, card: DatasetCard) -> Popen[str]:
    files = [(file.path, file.url, file.sha256, file.size) for file in card.files]
    process = subprocess.Popen(
        [sys.executable, "-c", FETCH, json.dumps([str(store.root), files])],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert some(process.stdout).readline() == "ready\n"
    return process


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.seconds
def test_two_processes_at_once(server: Server, store: DataStore, three: DatasetCard) -> None:
    server.start.clear()
    processes = [start_fetch(store, three), start_fetch(store, three)]
    wait_until(lambda: server.requests)
    time.sleep(0.5)  # for the second to reach the lock
    assert all(process.poll() is None for process in processes)
    server.start.set()
    outputs = [process.communicate(timeout=30)[0].strip() for process in processes]
    assert outputs == ["True", "True"]
    assert len(server.requests) == 3
    assert listing(store) == ["a.json", "b/b.json", "c.json"]
    assert set(states(store, three).values()) == {CheckState.OK}


@pytest.mark.seconds
def test_the_second_process_goes_on_where_the_first_failed(
    server: Server, store: DataStore, three: DatasetCard
) -> None:
    server.break_after = CHUNK
    server.hold.clear()
    processes = [start_fetch(store, three), start_fetch(store, three)]
    wait_until(lambda: server.requests)
    time.sleep(0.5)
    server.break_after = None
    server.hold.set()
    outputs = [process.communicate(timeout=30)[0].strip() for process in processes]
    assert sorted(outputs) == ["", "True"]
    assert listing(store) == ["a.json", "b/b.json", "c.json"]
    assert set(states(store, three).values()) == {CheckState.OK}
    assert sum(server.sent) <= sum(len(body) for body in server.bodies.values()) + CHUNK


@pytest.mark.seconds
def test_a_killed_download_is_gone_on_with(
    server: Server, store: DataStore, known: DatasetCard
) -> None:
    server.break_after = 4 * CHUNK
    server.hold.clear()
    process = start_fetch(store, known)
    part = store.root / "toy" / "toy.json.part"
    wait_until(lambda: part.exists() and part.stat().st_size >= 3 * CHUNK)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert listing(store) == [part.name]
    assert store.locate(known) is None

    held = part.stat().st_size
    server.hold.set()
    server.break_after = None
    assert store.fetch(known).path("toy.json").read_bytes() == BODY
    assert server.requests[-1] == ("/toy.json", f"bytes={held}-")
    assert listing(store) == ["toy.json"]
