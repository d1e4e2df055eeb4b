"""The journal: whole or not there, whoever writes, wherever it is cut, whatever is exchanged."""

import json
import math
import multiprocessing
import shutil
import subprocess
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from umlip_bench.ground.errors import JournalError
from umlip_bench.ground.journal import Journal, _check_sum
from umlip_bench.ground.packed import pack, unpack
from umlip_bench.ground.plain import from_plain, load_as, load_json, to_plain

from ..support.narrowing import some


@dataclass(frozen=True)
class Entry:
    value: float
    names: tuple[str, ...] = ()
    metrics: Mapping[str, int | float] | None = None


ARRAYS = {"forces": np.arange(6.0).reshape(2, 3) / 3, "formula": np.array(["Si", "SiO₂"])}


def filled(folder: Path, *keys: str) -> Journal[Entry]:
    journal = Journal(folder, Entry)
    for k, key in enumerate(keys):
        journal.append(key, Entry(k / 7, (key,)), {**ARRAYS, "k": np.array(k)})
    journal.close()
    return journal


def line_of(entry: object, arrays: object) -> bytes:
    """A line with the right check sum and the wrong content."""
    content = {"key": "a", "entry": entry, "arrays": arrays, "version": "", "at": ""}
    return json.dumps({**content, "crc32": _check_sum(content)}).encode() + b"\n"


def lines_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl"))


def test_entries_come_back(tmp_path: Path) -> None:
    metrics = {"n": 3, "nan": math.nan, "inf": -math.inf, "x": 0.1 + 0.2}
    journal = Journal(tmp_path, Entry)
    entry = Entry(1 / 3, ("Fe₂O₃ (α)", "a\u2028b\x85\r"), metrics)
    journal.append("one", entry, ARRAYS)
    journal.append("two", Entry(math.nan))
    for found in (journal, Journal(tmp_path, Entry)):
        again = some(found.get("one"))
        assert again.value == entry.value
        assert again.names == entry.names
        assert repr(again.metrics) == repr(metrics)
        assert isinstance(some(again.metrics)["n"], int)
        assert math.isnan(some(found.get("two")).value)
        assert found.keys() == ("one", "two")
        assert found.get("three") is None
        assert "three" not in found
        assert found.damaged == ()
        assert dict(found.arrays("two")) == {}
        arrays = found.arrays("one")
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(arrays[name], array)
            assert arrays[name].dtype == array.dtype
            with pytest.raises(ValueError, match="read-only"):
                arrays[name][0] = array[0]
    line = some(found.line("one"))
    assert line.version
    assert line.at.endswith("+00:00")


def test_an_entry_is_on_disk_when_append_returns(tmp_path: Path) -> None:
    journal = Journal(tmp_path, Entry)
    journal.append("one", Entry(1.0), ARRAYS)
    assert Journal(tmp_path, Entry).get("one") == Entry(1.0)


def test_cut_at_every_byte_it_holds_the_entries_before(tmp_path: Path) -> None:
    """A kill can leave any part of the last line; what was whole stays, the rest is done again."""
    whole = tmp_path / "whole"
    filled(whole, "a", "b", "c")
    (path,) = lines_of(whole)
    content = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(content) if byte == 10]
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        journal = Journal(whole, Entry)
        n_whole = sum(end <= cut for end in ends)
        assert journal.keys() == ("a", "b", "c")[:n_whole]
        assert journal.damaged == ()
    path.write_bytes(content[: ends[1] + 5])
    journal = Journal(whole, Entry)
    journal.append("c", Entry(2 / 7, ("c",)))
    journal = Journal(whole, Entry)
    assert dict(journal.items()) == {k: Entry(i / 7, (k,)) for i, k in enumerate("abc")}


@pytest.mark.parametrize("offset", range(0, 400, 23))
def test_a_flipped_bit_costs_at_most_its_entry(tmp_path: Path, offset: int) -> None:
    filled(tmp_path, "a", "b", "c")
    (path,) = lines_of(tmp_path)
    content = bytearray(path.read_bytes())
    # Without the break between them two lines are one.
    lost = 2 if content[offset] == ord("\n") else 1
    content[offset] ^= 1 << (offset % 7)
    path.write_bytes(content)
    journal = Journal(tmp_path, Entry)
    whole = {k: Entry(i / 7, (k,)) for i, k in enumerate("abc")}
    found = [journal.get(k) for k in "abc"]
    assert all(f in (None, w) for f, w in zip(found, whole.values(), strict=True))
    assert sum(f is not None for f in found) == 3 - lost
    assert len(journal.damaged) == 1


@pytest.mark.parametrize(
    "damage",
    [
        *(b"garbage\n", b"\n", b"{}\n", b"null\n", b"[]\n", b"\xff\xfe\x00\n", b'{"key": 1}\n'),
        line_of({"value": []}, None),
        line_of({"value": 1}, 3),
        line_of({"value": 1}, None).replace(b"1", b"2", 1),
        b"[" * 100_000 + b"\n",
    ],
)
def test_a_line_that_cannot_be_read_is_told_once_and_done_again(
    tmp_path: Path, damage: bytes
) -> None:
    filled(tmp_path, "b", "c")
    (path,) = lines_of(tmp_path)
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + damage + second)
    journal = Journal(tmp_path, Entry)
    assert journal.keys() == ("b", "c")
    (said,) = journal.damaged
    assert f"{path}, line 2" in said


def test_arrays_of_another_entry_do_not_count(tmp_path: Path) -> None:
    journal = filled(tmp_path, "a", "b", "c")
    shutil.copy(journal.path_of("a"), journal.path_of("b"))
    found = Journal(tmp_path, Entry)
    assert [found.get(k) is not None for k in "abc"] == [True, False, True]
    (said,) = found.damaged
    assert "is not the file that was written with its entry" in said
    with pytest.raises(JournalError, match="no whole entry b"):
        found.arrays("b")
    found.append("b", Entry(5.0), ARRAYS)
    assert Journal(tmp_path, Entry).get("b") == Entry(5.0)


@pytest.mark.parametrize("harm", ["remove", "truncate", "flip", "empty", "folder"])
def test_damaged_arrays_do_not_count(tmp_path: Path, harm: str) -> None:
    path = filled(tmp_path, "a", "b").path_of("a")
    content = bytearray(path.read_bytes())
    path.unlink()
    if harm == "truncate":
        path.write_bytes(content[:-30])
    elif harm == "flip":
        content[len(content) // 2] ^= 4
        path.write_bytes(content)
    elif harm == "empty":
        path.touch()
    elif harm == "folder":
        path.mkdir()
    journal = Journal(tmp_path, Entry)
    assert journal.keys() == ("b",)
    assert len(journal.damaged) == 1


def test_forty_damaged_array_files_none_used(tmp_path: Path) -> None:
    """Bits flipped and blocks zeroed anywhere in the file."""
    journal = filled(tmp_path, "a")
    path = journal.path_of("a")
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for k in range(40):
        damaged = bytearray(content)
        at = int(rng.integers(len(content)))
        if k % 2:
            damaged[at] ^= 1 << int(rng.integers(8))
        else:
            damaged[at : at + 16] = bytes(len(damaged[at : at + 16]))
        path.write_bytes(damaged)
        used = Journal(tmp_path, Entry).get("a") is not None
        assert used == (bytes(damaged) == content)


def write_many(folder: Path, who: int) -> None:
    journal = Journal(folder, Entry)
    for k in range(25):
        journal.append(f"{who}-{k}", Entry(k), {"who": np.array(who)})
        journal.append(f"both-{k}", Entry(k), {"k": np.array(k)})


@pytest.mark.seconds
def test_several_processes_write_at_the_same_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=write_many, args=(tmp_path, k)) for k in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert len(lines_of(tmp_path)) == 3
    journal = Journal(tmp_path, Entry)
    assert len(journal) == 4 * 25
    assert journal.damaged == ()
    assert all(journal.arrays(f"{who}-24")["who"] == who for who in range(3))


def test_of_two_entries_the_later_counts(tmp_path: Path) -> None:
    filled(tmp_path, "a")
    Journal(tmp_path, Entry).append("a", Entry(9.0))
    assert Journal(tmp_path, Entry).get("a") == Entry(9.0)


def test_what_cannot_be_written_is_said_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(JournalError, match="file is a file"):
        Journal(tmp_path / "file", Entry)
    with pytest.raises(JournalError, match=r"file.* cannot be written"):
        Journal(tmp_path / "file" / "below", Entry).append("a", Entry(1.0))
    with pytest.raises(TypeError, match="pickle"):
        Journal(tmp_path / "j", Entry).append("a", Entry(1.0), {"x": np.array([object()])})
    assert Journal(tmp_path / "j", Entry).keys() == ()


def test_a_folder_that_may_not_be_written() -> None:
    """Nobody, root included, can make a folder there."""
    with pytest.raises(JournalError, match="/proc/self/journal cannot be written"):
        Journal(Path("/proc/self/journal"), Entry).append("a", Entry(1.0))


def test_a_full_disk(tmp_path: Path) -> None:
    """/dev/full refuses every write, as a full disk does."""
    journal = Journal(tmp_path, Entry)
    journal.append("a", Entry(1.0))
    some(journal._writer._file).close()
    journal._writer._file = open("/dev/full", "wb")  # noqa: SIM115
    with pytest.raises(JournalError, match="No space left"):
        journal.append("b", Entry(2.0))
    assert Journal(tmp_path, Entry).keys() == ("a",)


def test_arrays_pack_to_the_same_bytes() -> None:
    assert pack(ARRAYS) == pack(dict(ARRAYS))
    assert unpack(pack(ARRAYS))["formula"].tolist() == ["Si", "SiO₂"]
    with pytest.raises(JournalError, match="arrays cannot be read"):
        unpack(b"no zip")


def test_lines_are_json_that_others_can_read(tmp_path: Path) -> None:
    filled(tmp_path, "a")
    (path,) = lines_of(tmp_path)
    content = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert content["key"] == "a"
    assert content["entry"] == {"value": 0.0, "names": ["a"], "metrics": None}


def test_lines_as_older_versions_wrote_them(tmp_path: Path) -> None:
    """Their check sum is of the content, sorted; a changed number is found in them too."""
    content = {
        "key": "a",
        "entry": {"value": 1.5, "names": ["b"], "metrics": {"x": "inf"}},
        "arrays": None,
        "version": "0.1.0",
        "at": "2025-01-01T00:00:00+00:00",
    }
    check = zlib.crc32(json.dumps(content, sort_keys=True).encode())
    line = json.dumps({"crc32": check, **content})
    (tmp_path / "old.jsonl").write_text(f"{line}\n{line.replace('1.5', '2.5')}\n")
    journal = Journal(tmp_path, Entry)
    assert journal.get("a") == Entry(1.5, ("b",), {"x": math.inf})
    assert len(journal.damaged) == 1
    assert "line 2 cannot be read" in journal.damaged[0]
    assert "check sum" in journal.damaged[0]


def test_read_in_one_pass_is_what_two_give() -> None:
    for entry in (Entry(-0.0, ("a", "[{"), {"x": math.nan, "y": 1e-300}), Entry(1 / 3, (), None)):
        text = json.dumps(to_plain(entry)).encode()
        assert repr(load_as(Entry, text)) == repr(from_plain(Entry, load_json(text)))
    for wrong, said in (
        (b'{"names": []}', "value"),
        (b'{"value": "a"}', "value"),
        (b"[", "Invalid JSON"),
        (b"\xff", "Invalid JSON"),
    ):
        with pytest.raises(ValueError, match=said):
            load_as(Entry, wrong)
    with pytest.raises(ValueError, match="nested deeper"):
        load_as(Entry, b'{"other": ' + b"[" * 60 + b"]" * 60 + b"}")


def test_deep_nesting_is_refused_whatever_the_limit_of_recursion() -> None:
    """In a process of its own: where the limit was raised, Python's reader would end it."""
    code = (
        "import sys; sys.setrecursionlimit(10**6)\n"
        "from umlip_bench.ground.plain import load_json\n"
        "for text in ('[' * 10**6, '{\"a\": ' * 10**5, '[' * 51 + ']' * 51):\n"
        "    try:\n"
        "        load_json(text)\n"
        "    except ValueError as error:\n"
        "        assert 'nested deeper' in str(error)\n"
        "    else:\n"
        "        raise SystemExit('accepted')\n"
        "assert load_json('[' * 50 + ']' * 50) and load_json('\"' + '[' * 99 + '\"') == '[' * 99\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
