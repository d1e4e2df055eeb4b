"""Texts that are kept in the user's cache."""

from pathlib import Path

import pytest

from umlip_bench.ground.store.remembered import remembered


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UMLIP_BENCH_CACHE", str(tmp_path))
    return tmp_path


def test_a_text_is_made_once_for_each_key(cache: Path) -> None:
    made: list[str] = []

    def make() -> str:
        made.append("")
        return f"line one\r\nΓ, text {len(made)}"

    assert (
        remembered("texts", "a", make) == remembered("texts", "a", make) == "line one\r\nΓ, text 1"
    )
    assert remembered("texts", "b", make).endswith("text 2")
    assert remembered("others", "a", make).endswith("text 3")
    assert len(list((cache / "texts").iterdir())) == 2


@pytest.mark.parametrize(
    ("first", "last"), [(0, -1), (0, 0), (1, None)], ids=["cut", "empty", "without its first byte"]
)
def test_a_damaged_text_is_made_again(cache: Path, first: int, last: int | None) -> None:
    remembered("texts", "a", lambda: "text")
    (path,) = (cache / "texts").iterdir()
    path.write_bytes(path.read_bytes()[first:last])
    assert remembered("texts", "a", lambda: "another") == "another"
    assert remembered("texts", "a", lambda: "a third") == "another"


def test_a_cache_that_cannot_be_written(cache: Path) -> None:
    (cache / "texts").write_text("a file")
    assert remembered("texts", "a", lambda: "text") == "text"
    assert remembered("texts", "a", lambda: "another") == "another"
