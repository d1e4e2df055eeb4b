"""The frames, and what runs in Pythons other than ours."""

import ast
import inspect
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from umlip_bench.environments import reference, trainer, worker
from umlip_bench.environments.worker import __main__ as start
from umlip_bench.environments.worker import frames, model, serving
from umlip_bench.environments.worker.frames import LARGEST_FRAME, FrameError, encode, read_frame


def reader(data: bytes) -> Callable[[int], bytes]:
    """Gives bytes piece by piece, as a pipe does."""
    rest = bytearray(data)

    def read(n: int) -> bytes:
        if n > len(rest):
            raise EOFError
        part = bytes(rest[:n])
        del rest[:n]
        return part

    return read


def frame(header: bytes, body: bytes = b"") -> bytes:
    content = struct.pack("<I", len(header)) + header + body
    return struct.pack("<I", len(content)) + content


def test_a_frame_arrives_as_it_was_sent() -> None:
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {
        "positions": rng.normal(size=(5, 3)),
        "single": rng.normal(size=(2, 3, 3)).astype(np.float32),
        "numbers": np.array([1, 118], dtype=np.int32),
        "transposed": rng.normal(size=(3, 4)).T,
        "nothing": np.zeros((0, 3)),
        "scalar": np.array(np.nan),
    }
    text = {"request": "evaluate", "text": "Å and a \n", "list": [1, None, {"a": True}]}
    header, found = read_frame(reader(encode(text, arrays) + b"the next one"))
    assert header == text
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == (np.int64 if array.dtype.kind == "i" else np.float64)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (struct.pack("<I", LARGEST_FRAME + 1), f"{LARGEST_FRAME + 1} bytes, of at most"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "bytes, of at most"),
        (struct.pack("<I", 2) + b"ab", "a frame of 2 bytes"),
        (struct.pack("<II", 8, 2**31) + b"{}  ", "a header of 2147483648 bytes"),
        (frame(b"not json"), "no JSON"),
        (frame(b"[" * 100_000), "no JSON"),
        (frame(b"\xff\xfe"), "no JSON"),
        (frame(b"[]"), "which arrays follow"),
        (frame(b"{}"), "which arrays follow"),
        (frame(pickle.dumps({"arrays": []})), "no JSON"),
        (frame(b'{"arrays": []}', b"more"), "4 bytes beyond the last array"),
    ],
)
def test_bytes_that_are_no_frame(data: bytes, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        read_frame(reader(data))


def test_deep_nesting_does_no_harm_where_recursion_is_allowed() -> None:
    """In a process of its own: read by Python's reader it would end it."""
    code = """
import io, struct, sys
from umlip_bench.environments.worker.frames import FrameError, read_frame
sys.setrecursionlimit(100_000)
header = b'{"text": "[[[", "arrays": [], "more": ' + b"[" * 100_000
body = struct.pack("<I", len(header)) + header
try:
    read_frame(io.BytesIO(struct.pack("<I", len(body)) + body).read)
except FrameError as error:
    assert "no JSON" in str(error)
    sys.exit(3)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 3


@pytest.mark.parametrize(
    "described",
    [
        '{"name": "a", "dtype": "<f8", "shape": [1000000000, 1000000000]}',
        '{"name": "a", "dtype": "<f8", "shape": [-1]}',
        '{"name": "a", "dtype": "<f8", "shape": [1.0]}',
        '{"name": "a", "dtype": "<f8", "shape": [true]}',
        '{"name": "a", "dtype": "<f8", "shape": 1}',
        '{"name": "a", "dtype": "<f8", "shape": [1, 1, 1, 1, 1]}',
        '{"name": "a", "dtype": "O", "shape": [1]}',
        '{"name": "a", "dtype": "|V8", "shape": [1]}',
        '{"name": 1, "dtype": "<f8", "shape": [1]}',
        '"a"',
        "null",
    ],
)
def test_arrays_that_are_none(described: str) -> None:
    """Sizes that are not there, types that would be unpickled, and what is no description at all."""
    with pytest.raises(FrameError, match="an array"):
        read_frame(reader(frame(f'{{"arrays": [{described}]}}'.encode(), bytes(8))))


def test_what_is_too_large_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "LARGEST_FRAME", 1000)
    with pytest.raises(FrameError, match="of at most 1000"):
        encode({}, {"a": np.zeros(200)})


@pytest.mark.parametrize("module", [worker, start, frames, model, serving, reference, trainer])
def test_what_runs_elsewhere_is_python_3_9_and_imports_nothing_of_ours(module: object) -> None:
    tree = ast.parse(inspect.getsource(module), feature_version=(3, 9))  # type: ignore[arg-type]
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else ["." * node.level + (node.module or "")]
            # What stands beside it comes with it.
            if isinstance(node, ast.ImportFrom) and node.level != 1
            else []
        )
    }
    assert imported - sys.stdlib_module_names <= {"numpy", "ase", "torch_sim"}
    assert "pickle" not in imported
