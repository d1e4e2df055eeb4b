import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import yaml

from umlip_bench.analysis.run_files import CaseKey, CaseRecord, RunConfig
from umlip_bench.analysis.summary import Row
from umlip_bench.ground.errors import RunFolderError
from umlip_bench.ground.files import write_atomically
from umlip_bench.running.folder import RunFolder

KEY = CaseKey(
    suite="high-energy",
    suite_version=1,
    settings={"dtype": "float32"},
    case="Si",
    structures="aa",
    model="bb",
    data="cc",
)
ARRAYS = {"forces": np.arange(6.0).reshape(2, 3) / 3, "formula": np.array(["Si", "SiO₂"])}


def config(**changes):
    identity = {
        "data": {"id": "pbe-mini", "sha256": "cc"},
        "settings": {"dtype": "float32"},
    }
    models = {"toy-1": {"sha256": "bb", "licence": "MIT"}}
    return RunConfig(
        identity=identity | changes.get("identity", {}),
        provenance={"python": "3.11"},
        models=changes.get("models", models),
        suites=changes.get("suites", ["high-energy"]),
    )


def record(key=KEY, **changes):
    fields = {
        "key": key.digest,
        "model": "toy-1",
        "data": "pbe-mini",
        "suite": key.suite,
        "case": key.case,
        "elements": ["Si"],
        "status": "done",
        "reason": None,
        "metrics": {"slope": 0.8, "n_frames": 3},
    }
    return CaseRecord(**fields | changes)


def fill(path, *names):
    """A folder in which these cases are done."""
    with RunFolder(path, config()) as folder:
        for name in names:
            key = replace(KEY, case=name)
            folder.add(record(key), ARRAYS)


def done(path, *names):
    with RunFolder(path, config()) as folder:
        return [name for name in names if folder.record(replace(KEY, case=name)) is not None]


# ---- keys and records


@pytest.mark.parametrize(
    "change",
    [
        {"suite": "phonons"},
        {"suite_version": 2},
        {"settings": {"dtype": "float64"}},
        {"settings": {}},
        {"settings": {"dtype": "float32", "fmax": "0.1"}},
        {"case": "Ge"},
        {"structures": "ab"},
        {"model": "bc"},
        {"data": "cd"},
    ],
)
def test_every_field_of_a_key_counts(change):
    assert replace(KEY, **change).digest != KEY.digest


def test_fields_do_not_run_into_each_other():
    one = replace(KEY, structures="ab", model="c")
    other = replace(KEY, structures="a", model="bc")
    assert one.digest != other.digest


def test_the_order_of_settings_does_not_count():
    one = replace(KEY, settings={"a": "1", "b": "2"})
    other = replace(KEY, settings={"b": "2", "a": "1"})
    assert one.digest == other.digest


def test_records_round_trip():
    for original in (
        record(metrics={"slope": 0.1 + 0.2, "n": 3}),
        record(status="failed", reason='said "no"\nand more', metrics={}),
        record(case="Fe₂O₃ (α)"),
    ):
        line = original.to_json()
        assert "\n" not in line
        assert CaseRecord.from_json(line) == original


@pytest.mark.parametrize("value", [math.nan, np.float64("nan"), math.inf])
def test_not_a_number_is_null_on_disk(value):
    line = record(metrics={"slope": value, "n": 0}).to_json()
    assert json.loads(line, parse_constant=pytest.fail)["metrics"] == {"slope": None, "n": 0}
    metrics = CaseRecord.from_json(line).metrics
    assert math.isnan(metrics["slope"])
    assert metrics["n"] == 0


# ---- going on


def test_what_was_added_is_there_again(tmp_path):
    fill(tmp_path / "run", "Si", "Ge")
    with RunFolder(tmp_path / "run", config()) as folder:
        assert folder.record(KEY) == record()
        assert folder.record(replace(KEY, case="C")) is None
        stored = folder.arrays(folder.record(KEY))
    assert stored.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(stored[name], array)
        assert stored[name].dtype == array.dtype


def test_a_case_counts_as_soon_as_it_is_added(tmp_path):
    with RunFolder(tmp_path, config()) as folder:
        folder.add(record(), ARRAYS)
        (line,) = (tmp_path / "cases.jsonl").read_text().splitlines()
        assert CaseRecord.from_json(line) == record()
        assert (tmp_path / "predictions" / f"{KEY.digest}.npz").exists()


@pytest.mark.parametrize("keep", [1, 20, -1])
def test_a_line_cut_short_is_removed_and_its_case_done_again(tmp_path, keep):
    fill(tmp_path, "Si", "Ge")
    cases = tmp_path / "cases.jsonl"
    first, second = cases.read_text().splitlines(keepends=True)
    cases.write_text(first + second[:keep])
    assert done(tmp_path, "Si", "Ge") == ["Si"]
    assert cases.read_text() == first

    fill(tmp_path, "Ge")
    assert cases.read_text() == first + second
    assert done(tmp_path, "Si", "Ge") == ["Si", "Ge"]


def test_a_first_line_cut_within_a_character(tmp_path):
    fill(tmp_path, "Fe₂O₃")
    cases = tmp_path / "cases.jsonl"
    content = cases.read_bytes()
    cases.write_bytes(content[: content.index("₂".encode()) + 1])
    assert done(tmp_path, "Fe₂O₃") == []
    assert cases.read_bytes() == b""


@pytest.mark.parametrize(
    "damage",
    [
        b"garbage\n",
        b"\n",
        b"{}\n",
        b"null\n",
        b"\xff\xfe\x00binary\n",
        b'{"metrics": []}\n',
        b'{"metrics": {}}\n',
        b'{"key": "a", "model": "toy-1", "da\n',
    ],
)
def test_a_damaged_line_in_the_middle_is_named(tmp_path, damage):
    fill(tmp_path, "Si", "Ge")
    cases = tmp_path / "cases.jsonl"
    first, second = cases.read_bytes().splitlines(keepends=True)
    cases.write_bytes(first + damage + second)
    with pytest.raises(RunFolderError, match=r"cases\.jsonl, line 2 is damaged"):
        RunFolder(tmp_path, config())
    # The remedy of the message, and the lock is not kept.
    cases.write_bytes(first + second)
    assert done(tmp_path, "Si", "Ge") == ["Si", "Ge"]


@pytest.mark.parametrize("character", ["\u2028", "\x85", "\x0b", "\r"])
def test_line_breaks_of_other_kinds_within_a_line(tmp_path, character):
    name = f"a{character}b"
    fill(tmp_path, name, "Si")
    assert done(tmp_path, name, "Si") == [name, "Si"]


def test_predictions_that_were_removed_are_made_again(tmp_path):
    fill(tmp_path, "Si", "Ge")
    (tmp_path / "predictions" / f"{KEY.digest}.npz").unlink()
    assert done(tmp_path, "Si", "Ge") == ["Ge"]
    fill(tmp_path, "Si")
    assert done(tmp_path, "Si", "Ge") == ["Si", "Ge"]


def test_a_failed_case_has_no_predictions_and_is_kept(tmp_path):
    failed = record(status="failed", reason="atoms coincide", metrics={})
    with RunFolder(tmp_path, config()) as folder:
        folder.add(failed)
    with RunFolder(tmp_path, config()) as folder:
        assert folder.record(KEY) == failed


# ---- which folders are refused


@pytest.mark.seconds
def test_another_process_is_refused(tmp_path):
    code = f"""
import sys
from pathlib import Path
from umlip_bench.ground.errors import RunFolderError
from umlip_bench.analysis.run_files import RunConfig
from umlip_bench.running.folder import RunFolder
try:
    RunFolder(Path({str(tmp_path)!r}), RunConfig({config().identity!r}, {{}}, {{}}, []))
except RunFolderError as error:
    sys.exit(str(error))
"""
    with RunFolder(tmp_path, config()) as folder:
        folder.add(record(), ARRAYS)
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert other.returncode == 1
        assert other.stderr.strip().startswith(f"{tmp_path} is in use by another process")
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (other.returncode, other.stderr) == (0, "")
    assert done(tmp_path, "Si") == ["Si"]


@pytest.mark.parametrize(
    "identity",
    [
        {"data": {"id": "pbe-mini", "sha256": "other"}},
        {"data": {"id": "mine.xyz", "sha256": "cc"}},
        {"settings": {"dtype": "float64"}},
    ],
)
def test_another_run_is_refused(tmp_path, identity):
    fill(tmp_path, "Si")
    before = (tmp_path / "run.yaml").read_text()
    (name,) = identity
    with pytest.raises(RunFolderError, match=f"{name} = .*--out"):
        RunFolder(tmp_path, config(identity=identity))
    assert (tmp_path / "run.yaml").read_text() == before
    assert done(tmp_path, "Si") == ["Si"]


def test_other_weights_of_the_same_name_are_refused(tmp_path):
    fill(tmp_path, "Si")
    with pytest.raises(RunFolderError, match="other weights of toy-1"):
        RunFolder(tmp_path, config(models={"toy-1": {"sha256": "other"}}))


def test_a_model_more_keeps_the_card_of_the_first(tmp_path):
    fill(tmp_path, "Si")
    with RunFolder(tmp_path, config(models={"toy-2": {"sha256": "dd"}})):
        pass
    models = yaml.safe_load((tmp_path / "run.yaml").read_text())["models"]
    assert models == {"toy-1": {"sha256": "bb", "licence": "MIT"}, "toy-2": {"sha256": "dd"}}
    with pytest.raises(RunFolderError, match="other weights of toy-1"):
        RunFolder(tmp_path, config(models={"toy-1": {"sha256": "other"}}))


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunFolderError, match="not empty and not a run folder; choose another"):
        RunFolder(tmp_path, config())
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_empty_folder_will_do(tmp_path):
    fill(tmp_path, "Si")
    assert done(tmp_path, "Si") == ["Si"]


def test_a_run_killed_before_its_first_file_can_be_started_again(tmp_path):
    # What a kill leaves when it comes while run.yaml is being written.
    (tmp_path / ".lock").touch()
    (tmp_path / ".run.yaml.abc").write_text("half of")
    fill(tmp_path, "Si")
    assert done(tmp_path, "Si") == ["Si"]


def test_a_file_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(RunFolderError, match="is a file; --out must name a folder"):
        RunFolder(file, config())
    with pytest.raises(RunFolderError, match=r"file/run.* cannot be created"):
        RunFolder(file / "run", config())
    assert file.read_text() == "mine"


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "identity: {", "identity: 1\n", "\x00"])
def test_a_damaged_run_yaml_is_named(tmp_path, text):
    fill(tmp_path, "Si")
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(RunFolderError, match=r"run\.yaml is damaged"):
        RunFolder(tmp_path, config())


# ---- files


def test_a_folder_gathers_the_rows_of_several_suites(tmp_path):
    def rows(suite, *values):
        return [
            Row("toy-1", "pbe-mini", suite, "v", "slope", value, "", None, None, 1, 0)
            for value in values
        ]

    with RunFolder(tmp_path, config()) as folder:
        folder.write_summary(
            {"high-energy": rows("high-energy", 0.8, 0.9)}, {"high-energy": ["Si"]}
        )
    with RunFolder(tmp_path, config(suites=["eos", "phonons"])) as folder:
        folder.write_summary(
            {"eos": rows("eos", 1.0), "phonons": rows("phonons", 0.7)}, {"eos": ["Si"]}
        )
        folder.write_summary({"eos": rows("eos", 1.1)}, {"eos": ["MgO"]})
    content = json.loads((tmp_path / "summary.json").read_text())
    assert content["cases"] == {"high-energy": ["Si"], "eos": ["MgO"]}
    found = [(row["suite"], row["value"]) for row in content["rows"]]
    assert found == [("high-energy", 0.8), ("high-energy", 0.9), ("eos", 1.1), ("phonons", 0.7)]
    assert yaml.safe_load((tmp_path / "run.yaml").read_text())["suites"] == [
        *("high-energy", "eos", "phonons")
    ]


def test_the_summary_is_json_without_not_a_number(tmp_path):
    row = Row("toy-1", "pbe-mini", "s", "v", "slope", math.nan, "", None, math.inf, 0, 1)
    with RunFolder(tmp_path, config(suites=["s"])) as folder:
        folder.write_summary({"s": [row]}, {"s": ["Si"]})
        folder.write_summary({"s": [row, row]}, {"s": ["Si"]})
    content = json.loads((tmp_path / "summary.json").read_text(), parse_constant=pytest.fail)
    assert (content["schema"], content["cases"]) == (2, {"s": ["Si"]})
    assert len(content["rows"]) == 2
    assert content["rows"][0]["value"] is None


def test_a_write_that_fails_leaves_nothing_behind(tmp_path):
    path = tmp_path / "file"

    def half(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, half)
    assert list(tmp_path.iterdir()) == []

    write_atomically(path, lambda file: file.write(b"whole"))
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, half)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"whole"


def test_a_case_whose_predictions_cannot_be_written_is_not_done(tmp_path):
    with RunFolder(tmp_path, config()) as folder:
        with pytest.raises(TypeError, match="pickle"):
            folder.add(record(), {"forces": (x for x in "no array")})
        assert folder.record(KEY) is None
    assert done(tmp_path, "Si") == []
    assert list((tmp_path / "predictions").iterdir()) == []
