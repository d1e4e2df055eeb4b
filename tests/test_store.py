import hashlib
import http.server
import io
import json
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from umlip_bench.ground.errors import WeightsError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.model_card import ModelCard, WeightsFile
from umlip_bench.potentials.weights import Origin, Weights, WeightsStore, weights_at

from .support.narrowing import some

HTML = b"<!DOCTYPE html>\n<html><body>Please log in</body></html>\n"


def torch_file(content: bytes) -> bytes:
    """Return bytes of the form that torch.save writes, larger than one chunk of a download."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/data/0", bytes(300_000))
        archive.writestr("archive/version", b"3\n")
    return buffer.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


BODY = torch_file(b"weights")
OTHER = torch_file(b"other weights")


class Server(http.server.ThreadingHTTPServer):
    """A server on loopback whose answers are functions of the request's handler."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Callable[[http.server.BaseHTTPRequestHandler], None]] = {}
        self.requests: list[str] = []
        self.release = threading.Event()

    def serve(self, name: str, body: bytes, content_type: str = "application/octet-stream") -> None:
        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Type", content_type)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)

        self.answers[f"/{name}"] = answer

    def serve_part(self, name: str, body: bytes, n_bytes: int) -> None:
        """Announce the whole body and send its start, then wait for the release and hang up."""

        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body[:n_bytes])
            handler.wfile.flush()
            self.release.wait(60)
            handler.close_connection = True

        self.answers[f"/{name}"] = answer

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        answer = self.server.answers.get(self.path)
        if answer is None:
            self.send_error(404)
        else:
            answer(self)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.release.set()
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UMLIP_BENCH_MODELS", "UMLIP_BENCH_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def store(tmp_path: Path) -> WeightsStore:
    return WeightsStore(tmp_path / "cache")


def card_of(*files: WeightsFile) -> ModelCard:
    return ModelCard(
        name="toy-1",
        family="toy",
        architecture="Toy",
        level_of_theory=LevelOfTheory("PBE"),
        training_set="none",
        elements=("H",),
        licence="MIT",
        citation="nobody",
        folder="toy",
        files=files,
    )


@pytest.fixture
def known(server: Server) -> ModelCard:
    """Return the card of a model whose hash is published."""
    file = WeightsFile("toy.pt", server.url("toy.pt"), sha256(BODY), len(BODY))
    return card_of(file)


@pytest.fixture
def unknown(server: Server) -> ModelCard:
    """Return the card of a model whose hash is not published."""
    return card_of(WeightsFile("toy.model", server.url("toy.model")))


def put(folder: Path, **contents: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name.replace("_", ".")).write_bytes(content)


def listing(store: WeightsStore) -> list[str]:
    folder = store.root / "toy"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def refusal(store: WeightsStore, card: ModelCard) -> str:
    """Return the message of a failing fetch, which must not leave anything behind."""
    before = listing(store)
    with pytest.raises(WeightsError) as caught:
        store.fetch(card)
    assert listing(store) == before
    return str(caught.value)


# ---- downloads that succeed


def test_fetch_downloads_once(server: Server, store: WeightsStore, known: ModelCard) -> None:
    server.serve("toy.pt", BODY)
    assert store.locate(known) is None
    weights = store.fetch(known)
    path = store.root / "toy" / "toy.pt"
    assert weights == Weights(known, (path,), Origin.DOWNLOAD, sha256(BODY))
    assert path.read_bytes() == BODY
    assert listing(store) == ["toy.pt"]
    assert store.fetch(known) == replace(weights, origin=Origin.CACHE)
    assert server.requests == ["/toy.pt"]


def test_several_files_have_one_digest(server: Server, store: WeightsStore) -> None:
    bodies = {"model.json": b'{"a": 1}', "model.pt": BODY, "state.pt": OTHER}
    for name, body in bodies.items():
        server.serve(name, body)
    card = card_of(
        *(WeightsFile(name, server.url(name), sha256(body)) for name, body in bodies.items())
    )
    weights = store.fetch(card)
    assert [path.name for path in weights.paths] == list(bodies)
    assert [path.read_bytes() for path in weights.paths] == list(bodies.values())
    digests = "".join(sha256(body) for body in bodies.values())
    assert weights.sha256 == sha256(digests.encode())
    assert listing(store) == sorted(bodies)


def test_only_the_missing_file_is_downloaded(server: Server, store: WeightsStore) -> None:
    server.serve("b.pt", OTHER)
    put(store.root / "toy", a_pt=BODY)
    card = card_of(
        WeightsFile("a.pt", server.url("a.pt"), sha256(BODY)),
        WeightsFile("b.pt", server.url("b.pt"), sha256(OTHER)),
    )
    assert store.locate(card) is None
    store.fetch(card)
    assert server.requests == ["/b.pt"]
    assert listing(store) == ["a.pt", "b.pt"]


def test_one_bad_file_of_several_keeps_none(server: Server, store: WeightsStore) -> None:
    server.serve("a.pt", BODY)
    server.serve("b.pt", HTML)
    card = card_of(
        WeightsFile("a.pt", server.url("a.pt"), sha256(BODY)),
        WeightsFile("b.pt", server.url("b.pt"), sha256(OTHER)),
    )
    assert "what came for b.pt was refused" in refusal(store, card)
    assert listing(store) == []


def test_a_terminal_gets_a_progress_bar(
    server: Server, store: WeightsStore, known: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    server.serve("toy.pt", BODY)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    store.fetch(known)
    assert "toy.pt" in terminal.getvalue()


def test_without_a_terminal_nothing_is_printed(
    server: Server, store: WeightsStore, known: ModelCard, capfd: pytest.CaptureFixture[str]
) -> None:
    server.serve("toy.pt", BODY)
    store.fetch(known)
    assert capfd.readouterr() == ("", "")


# ---- downloads that fail


def test_server_gone(store: WeightsStore, known: ModelCard, server: Server) -> None:
    gone = WeightsStore(store.root)
    with Server() as closed:
        url = closed.url("toy.pt")
    card = replace(known, files=(replace(known.files[0], url=url),))
    message = refusal(gone, card)
    first_line = message.splitlines()[0]
    assert "toy-1" in first_line
    assert "refused" in first_line
    assert "HTTPConnectionPool" not in message
    assert "file: toy.pt" in message
    assert f"url: {url}" in message
    assert f"sha256: {sha256(BODY)}" in message
    assert str(store.root / "toy") in message
    assert "$UMLIP_BENCH_MODELS/toy/" in message


def test_reason_is_not_taken_from_an_error_handled_before(
    store: WeightsStore, unknown: ModelCard
) -> None:
    with Server() as closed:
        url = closed.url("toy.model")
    card = replace(unknown, files=(WeightsFile("toy.model", url),))
    try:
        raise KeyError("unrelated")
    except KeyError:
        message = refusal(store, card)
    assert "unrelated" not in message
    assert "sha256: not published" in message


def test_not_found(store: WeightsStore, known: ModelCard) -> None:
    assert "404" in refusal(store, known).splitlines()[0]


def test_html_with_known_hash(server: Server, store: WeightsStore, known: ModelCard) -> None:
    server.serve("toy.pt", HTML, "text/html")
    message = refusal(store, known)
    assert "web page" in message
    assert sha256(HTML) in message
    assert listing(store) == []


def test_html_with_unknown_hash(server: Server, store: WeightsStore, unknown: ModelCard) -> None:
    server.serve("toy.model", HTML, "text/html")
    message = refusal(store, unknown)
    assert "web page" in message
    assert listing(store) == []


@pytest.mark.parametrize(
    "body",
    [b'{"message": "Not Found"}', b"", BODY[: len(BODY) // 2], b"\0" * 4096, b"PK\x03\x04" * 99],
    ids=["json", "empty", "half", "zeros", "garbage"],
)
def test_what_is_no_torch_file_with_unknown_hash(
    server: Server, store: WeightsStore, unknown: ModelCard, body: bytes
) -> None:
    server.serve("toy.model", body)
    message = refusal(store, unknown)
    assert "not a whole file as written by torch.save" in message or "it is empty" in message
    assert listing(store) == []


def test_zip_that_torch_did_not_write_with_unknown_hash(
    server: Server, store: WeightsStore, unknown: ModelCard
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "hello")
    server.serve("toy.model", buffer.getvalue())
    assert "torch.save" in refusal(store, unknown)


def test_json_with_unknown_hash(server: Server, store: WeightsStore) -> None:
    card = card_of(WeightsFile("model.json", server.url("model.json")))
    server.serve("model.json", b'{"a": ')
    assert "not readable as JSON" in refusal(store, card)
    server.serve("model.json", b'{"a": 1}')
    assert store.fetch(card).sha256 == sha256(b'{"a": 1}')


def test_wrong_hash(server: Server, store: WeightsStore, known: ModelCard) -> None:
    server.serve("toy.pt", OTHER)
    message = refusal(store, known)
    assert sha256(OTHER) in message
    assert f"expected {sha256(BODY)}" in message
    assert f"it has {len(OTHER)} bytes, expected {len(BODY)}" in message


@pytest.mark.parametrize("kind", ["known", "unknown"])
def test_truncated_body(
    server: Server, store: WeightsStore, kind: str, request: pytest.FixtureRequest
) -> None:
    card = request.getfixturevalue(kind)
    server.release.set()
    server.serve_part(card.files[0].name, BODY, len(BODY) // 2)
    message = refusal(store, card)
    assert "IncompleteRead" in message.splitlines()[0]
    assert listing(store) == []


def test_truncation_shows_where_urllib3_lets_it_pass(
    store: WeightsStore, known: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lax(self: Any, url: str, output_file: str, pooch: object) -> None:
        with open(output_file, "wb") as stream:
            stream.write(BODY[:1000])
        self.progressbar.total = len(BODY)

    monkeypatch.setattr("pooch.HTTPDownloader.__call__", lax)
    assert f"broke off after 1000 of {len(BODY)} bytes" in refusal(store, known)


def test_silent_server(
    server: Server, store: WeightsStore, known: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("umlip_bench.ground.store.download.READ_TIMEOUT", 0.3)
    server.serve_part("toy.pt", BODY, 1000)
    assert "timed out" in refusal(store, known).splitlines()[0]


def test_cache_that_cannot_be_written(tmp_path: Path, known: ModelCard) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WeightsError, match="toy-1") as caught:
        WeightsStore(tmp_path / "file").fetch(known)
    assert str(tmp_path / "file") in str(caught.value)


def test_model_without_files(store: WeightsStore) -> None:
    assert store.locate(card_of()) is None
    with pytest.raises(WeightsError, match="toy-1 has no weights to fetch"):
        store.fetch(card_of())


# ---- pins


def test_first_download_is_pinned(server: Server, store: WeightsStore, unknown: ModelCard) -> None:
    server.serve("toy.model", BODY)
    weights = store.fetch(unknown)
    assert weights.sha256 == sha256(BODY)
    assert listing(store) == ["toy.model", "toy.model.sha256"]
    pin = store.root / "toy" / "toy.model.sha256"
    assert pin.read_text() == f"{sha256(BODY)}  toy.model\n"
    assert some(store.locate(unknown)).origin is Origin.CACHE


def test_cached_file_differs_from_its_pin(
    server: Server, store: WeightsStore, unknown: ModelCard
) -> None:
    server.serve("toy.model", BODY)
    path = store.fetch(unknown).paths[0]
    path.write_bytes(OTHER)
    with pytest.raises(WeightsError, match="was pinned when it was first downloaded") as caught:
        store.locate(unknown)
    message = str(caught.value)
    assert str(path) in message
    assert sha256(BODY) in message
    assert sha256(OTHER) in message
    assert f"delete the pin {path}.sha256" in message


def test_renewed_download_differs_from_the_pin(
    server: Server, store: WeightsStore, unknown: ModelCard
) -> None:
    server.serve("toy.model", BODY)
    path = store.fetch(unknown).paths[0]
    path.unlink()
    server.serve("toy.model", OTHER)
    assert "was pinned when it was first downloaded" in refusal(store, unknown)
    path.with_name("toy.model.sha256").unlink()
    assert store.fetch(unknown).sha256 == sha256(OTHER)


def test_file_put_by_hand_needs_no_pin(store: WeightsStore, unknown: ModelCard) -> None:
    put(store.root / "toy", toy_model=BODY)
    assert store.fetch(unknown).sha256 == sha256(BODY)
    put(store.root / "toy", toy_model=HTML)
    with pytest.raises(WeightsError, match="web page"):
        store.fetch(unknown)


# ---- places


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("UMLIP_BENCH_MODELS", str(folder))
    return folder


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: ModelCard) -> ModelCard:
    """Return the card of a model that an importable package ships; importing it would fail."""
    package = tmp_path / "site" / "toypackage"
    put(package, toy_pt=BODY)
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(package.parent)
    return replace(known, package_path=("toypackage:toy.pt",))


def test_order_of_places(
    store: WeightsStore, models: Path, packaged: ModelCard, tmp_path: Path
) -> None:
    put(models / "toy", toy_pt=BODY)
    put(store.root / "toy", toy_pt=BODY)
    assert store.fetch(packaged).origin is Origin.MODELS
    assert store.fetch(packaged).paths == (models / "toy" / "toy.pt",)
    (models / "toy" / "toy.pt").unlink()
    assert store.fetch(packaged).origin is Origin.PACKAGE
    (tmp_path / "site" / "toypackage" / "toy.pt").unlink()
    assert store.fetch(packaged).origin is Origin.CACHE
    (store.root / "toy" / "toy.pt").unlink()
    assert store.locate(packaged) is None


def test_package_that_is_not_installed(store: WeightsStore, known: ModelCard) -> None:
    assert store.locate(replace(known, package_path=("no_such_package:toy.pt",))) is None


def test_damaged_file_in_a_package(
    store: WeightsStore, packaged: ModelCard, tmp_path: Path
) -> None:
    put(tmp_path / "site" / "toypackage", toy_pt=OTHER)
    with pytest.raises(WeightsError, match="installed package") as caught:
        store.locate(packaged)
    assert "Reinstall" in str(caught.value)


@pytest.mark.parametrize("place", ["models", "cache"])
def test_damaged_file_is_not_passed_over(
    place: str, server: Server, store: WeightsStore, models: Path, known: ModelCard
) -> None:
    server.serve("toy.pt", BODY)
    folder = models if place == "models" else store.root
    put(folder / "toy", toy_pt=BODY[:-1] + b"x")
    with pytest.raises(WeightsError) as caught:
        store.fetch(known)
    message = str(caught.value)
    assert str(folder / "toy" / "toy.pt") in message
    assert sha256(BODY[:-1] + b"x") in message
    assert f"expected {sha256(BODY)}" in message
    assert "Delete the file" in message
    assert known.files[0].url in message
    assert server.requests == []


def test_models_variable_names_no_folder(
    store: WeightsStore, known: ModelCard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UMLIP_BENCH_MODELS", str(tmp_path / "nowhere"))
    with pytest.raises(WeightsError, match=r"UMLIP_BENCH_MODELS is '.*nowhere', which is not a"):
        store.locate(known)


def test_models_folder_with_some_of_the_files(store: WeightsStore, models: Path) -> None:
    card = card_of(
        WeightsFile("a.pt", "http://x/a.pt", sha256(BODY)),
        WeightsFile("b.pt", "http://x/b.pt", sha256(OTHER)),
    )
    put(models / "toy", a_pt=BODY)
    with pytest.raises(WeightsError, match=r"has only some of the files of toy-1: b\.pt is not"):
        store.locate(card)


def test_default_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UMLIP_BENCH_CACHE", str(tmp_path))
    assert WeightsStore().root == tmp_path / "models"
    monkeypatch.delenv("UMLIP_BENCH_CACHE")
    assert WeightsStore().root.parts[-2:] == ("umlip_bench", "models")


# ---- given paths


def test_given_file_and_folder(tmp_path: Path, known: ModelCard) -> None:
    put(tmp_path, toy_pt=BODY, renamed_bin=BODY)
    for path in (tmp_path, tmp_path / "toy.pt"):
        assert weights_at(known, path) == Weights(
            known, (tmp_path / "toy.pt",), Origin.GIVEN, sha256(BODY)
        )
    assert weights_at(known, tmp_path / "renamed.bin").paths == (tmp_path / "renamed.bin",)


def test_given_file_of_a_card_without_files(tmp_path: Path) -> None:
    put(tmp_path, mine_model=BODY, page_model=HTML)
    assert weights_at(card_of(), tmp_path / "mine.model").sha256 == sha256(BODY)
    with pytest.raises(WeightsError, match="web page"):
        weights_at(card_of(), tmp_path / "page.model")
    with pytest.raises(WeightsError, match=r"is a folder\. Give the weights file"):
        weights_at(card_of(), tmp_path)


def test_given_path_that_will_not_do(tmp_path: Path, known: ModelCard) -> None:
    with pytest.raises(WeightsError, match=r"No file .*absent\.pt\. Give the weights file"):
        weights_at(known, tmp_path / "absent.pt")
    with pytest.raises(WeightsError, match=r"No file .*toy\.pt\."):
        weights_at(known, tmp_path)
    put(tmp_path, toy_pt=OTHER)
    with pytest.raises(WeightsError, match=f"expected {sha256(BODY)}"):
        weights_at(known, tmp_path)
    two = card_of(WeightsFile("a.pt", ""), WeightsFile("b.pt", ""))
    with pytest.raises(
        WeightsError, match=r"has 2 files\. Give the folder that holds a\.pt, b\.pt"
    ):
        weights_at(two, tmp_path / "toy.pt")


# ---- several processes

FETCH = """
import json, sys
from pathlib import Path
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.model_card import ModelCard, WeightsFile
from umlip_bench.potentials.weights import WeightsStore
root, file = json.loads(sys.argv[1])
card = ModelCard("toy-1", "toy", "Toy", LevelOfTheory("PBE"), "none", ("H",), "MIT", "nobody",
                 folder="toy", files=(WeightsFile(**file),))
print("ready", flush=True)
print(WeightsStore(Path(root)).fetch(card).origin)
"""


def start_fetch(store: WeightsStore, card: ModelCard) -> subprocess.Popen[str]:
    file = {key: getattr(card.files[0], key) for key in ("name", "url", "sha256", "size")}
    argument = json.dumps([str(store.root), file])
    process = subprocess.Popen(
        [sys.executable, "-c", FETCH, argument], stdout=subprocess.PIPE, text=True
    )
    assert some(process.stdout).readline() == "ready\n"
    return process


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.seconds
@pytest.mark.parametrize("kind", ["known", "unknown"])
def test_two_processes_at_once(
    server: Server, store: WeightsStore, kind: str, request: pytest.FixtureRequest
) -> None:
    card = request.getfixturevalue(kind)
    server.serve(card.files[0].name, BODY)
    answer = server.answers[f"/{card.files[0].name}"]

    def late_answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        server.release.wait(60)
        answer(handler)

    server.answers[f"/{card.files[0].name}"] = late_answer
    processes = [start_fetch(store, card), start_fetch(store, card)]
    wait_until(lambda: server.requests)
    time.sleep(0.5)  # for the second to reach the lock
    assert all(process.poll() is None for process in processes)
    server.release.set()
    outputs = {process.communicate(timeout=30)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert outputs == {"download", "user cache"}
    assert len(server.requests) == 1
    assert some(store.locate(card)).paths[0].read_bytes() == BODY


@pytest.mark.seconds
@pytest.mark.parametrize("kind", ["known", "unknown"])
def test_killed_download_leaves_no_weights(
    server: Server, store: WeightsStore, kind: str, request: pytest.FixtureRequest
) -> None:
    card = request.getfixturevalue(kind)
    name = card.files[0].name
    server.serve_part(name, BODY, len(BODY) - 10_000)
    process = start_fetch(store, card)
    part = store.root / "toy" / f"{name}.part"
    wait_until(lambda: part.exists() and part.stat().st_size > 0)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert listing(store) == [part.name]
    assert store.locate(card) is None

    server.serve(name, BODY)
    put(store.root / "toy", older_part=b"of another killed process")
    assert store.fetch(card).origin is Origin.DOWNLOAD
    assert [each for each in listing(store) if not each.endswith(".sha256")] == [name]
