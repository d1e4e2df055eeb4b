import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import yaml

from umlip_bench.analysis.run_files import CaseRecord, RunConfig, open_journal
from umlip_bench.analysis.summary import Row
from umlip_bench.ground.errors import RunFolderError
from umlip_bench.ground.files import write_atomically
from umlip_bench.running.folder import RunFolder

from .support.narrowing import some

SUITE = "high-energy"


def key_of(case: str = "Si") -> str:
    return f"key-of-{case}"


KEY = key_of()
ARRAYS = {"forces": np.arange(6.0).reshape(2, 3) / 3, "formula": np.array(["Si", "SiO₂"])}


IDENTITY = {"data": {"id": "pbe-mini", "sha256": "cc"}, "settings": {"dtype": "float32"}}
MODELS = {"toy-1": {"sha256": "bb", "licence": "MIT"}}


def config(
    identity: Mapping[str, Mapping[str, str]] = IDENTITY,
    models: Mapping[str, Mapping[str, str]] = MODELS,
    suites: Sequence[str] = (SUITE,),
) -> RunConfig:
    """Of a run that differs in some of its identity, in its models or in its suites."""
    return RunConfig({**IDENTITY, **identity}, {"python": "3.11"}, models, list(suites))


def record(case: str = "Si", **changes: Any) -> CaseRecord:
    fields = {
        "key": key_of(case),
        "model": "toy-1",
        "data": "pbe-mini",
        "suite": SUITE,
        "case": case,
        "elements": ("Si",),
        "status": "done",
        "reason": None,
        "metrics": {"slope": 0.8, "n_frames": 3},
    }
    return CaseRecord(**fields | changes)


def fill(path: Path, *names: str) -> None:
    """A folder in which these cases are done."""
    with RunFolder(path, config()) as folder:
        folder.set_plan(SUITE, {"toy-1": {name: key_of(name) for name in names}})
        for name in names:
            folder.add(record(name), ARRAYS)


def done(path: Path, *names: str) -> list[str]:
    with RunFolder(path, config()) as folder:
        return [name for name in names if folder.record(key_of(name)) is not None]


# ---- records


@pytest.mark.parametrize("value", [math.nan, np.float64("nan"), math.inf])
def test_not_a_number_is_null_on_disk(value: float) -> None:
    line = record(metrics={"slope": value, "n": 0}).to_json()
    assert json.loads(line, parse_constant=pytest.fail)["metrics"] == {"slope": None, "n": 0}


# ---- going on


def test_what_was_added_is_there_again(tmp_path: Path) -> None:
    fill(tmp_path / "run", "Si", "Ge")
    with RunFolder(tmp_path / "run", config()) as folder:
        assert folder.record(KEY) == record()
        assert folder.record(key_of("C")) is None
        stored = folder.arrays(some(folder.record(KEY)))
    assert stored.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(stored[name], array)
        assert stored[name].dtype == array.dtype


def test_a_case_counts_as_soon_as_it_is_added(tmp_path: Path) -> None:
    with RunFolder(tmp_path, config()) as folder:
        folder.add(record(), ARRAYS)
        assert open_journal(tmp_path).get(KEY) == record()
        assert (tmp_path / "predictions" / f"{KEY}.npz").exists()


def test_a_damaged_line_is_done_again_and_told(tmp_path: Path) -> None:
    fill(tmp_path, "Si", "Ge")
    (path,) = (tmp_path / "journal").glob("*.jsonl")
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first.replace(b"0.8", b"0.9") + second)
    with RunFolder(tmp_path, config()) as folder:
        assert folder.record(KEY) is None
        (said,) = folder.damaged
    assert f"{path}, line 1 cannot be read" in said
    fill(tmp_path, "Si", "Ge")
    assert done(tmp_path, "Si", "Ge") == ["Si", "Ge"]


def test_predictions_that_were_removed_are_made_again(tmp_path: Path) -> None:
    fill(tmp_path, "Si", "Ge")
    (tmp_path / "predictions" / f"{KEY}.npz").unlink()
    assert done(tmp_path, "Si", "Ge") == ["Ge"]
    fill(tmp_path, "Si")
    assert done(tmp_path, "Si", "Ge") == ["Si", "Ge"]


def test_a_failed_case_has_no_predictions_and_is_kept(tmp_path: Path) -> None:
    failed = record(status="failed", reason="atoms coincide", metrics={})
    with RunFolder(tmp_path, config()) as folder:
        folder.add(failed)
    with RunFolder(tmp_path, config()) as folder:
        assert folder.record(KEY) == failed


# ---- which folders are refused


@pytest.mark.seconds
def test_another_process_is_refused(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from umlip_bench.analysis.run_files import RunConfig
from umlip_bench.ground.errors import RunFolderError
from umlip_bench.running.folder import RunFolder
def attempt():
    RunFolder(Path({str(tmp_path)!r}), RunConfig({config().identity!r}, {{}}, {{}}, []))
try:
    attempt()
    print("not refused", flush=True)
except RunFolderError as error:
    print(error, flush=True)
sys.stdin.readline()
attempt()
"""
    other = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with RunFolder(tmp_path, config()) as folder:
        folder.add(record(), ARRAYS)
        said = some(other.stdout).readline()
        assert said.startswith(f"{tmp_path} is in use by another process (process {os.getpid()})")
    _, errors = other.communicate("now\n", timeout=60)
    assert (other.returncode, errors) == (0, "")
    assert done(tmp_path, "Si") == ["Si"]


@pytest.mark.parametrize(
    "identity",
    [
        {"data": {"id": "pbe-mini", "sha256": "other"}},
        {"data": {"id": "mine.xyz", "sha256": "cc"}},
        {"settings": {"dtype": "float64"}},
    ],
)
def test_another_run_is_refused(tmp_path: Path, identity: dict[str, dict[str, str]]) -> None:
    fill(tmp_path, "Si")
    before = (tmp_path / "run.yaml").read_text()
    (name,) = identity
    with pytest.raises(RunFolderError, match=f"{name} = .*--out"):
        RunFolder(tmp_path, config(identity=identity))
    assert (tmp_path / "run.yaml").read_text() == before
    assert done(tmp_path, "Si") == ["Si"]


def test_other_weights_of_the_same_name_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, "Si")
    with pytest.raises(RunFolderError, match="another model of the name toy-1"):
        RunFolder(tmp_path, config(models={"toy-1": {"sha256": "other"}}))


def test_a_model_more_keeps_the_card_of_the_first(tmp_path: Path) -> None:
    fill(tmp_path, "Si")
    with RunFolder(tmp_path, config(models={"toy-2": {"sha256": "dd"}})):
        pass
    models = yaml.safe_load((tmp_path / "run.yaml").read_text())["models"]
    assert models == {"toy-1": {"sha256": "bb", "licence": "MIT"}, "toy-2": {"sha256": "dd"}}
    with pytest.raises(RunFolderError, match="another model of the name toy-1"):
        RunFolder(tmp_path, config(models={"toy-1": {"sha256": "other"}}))


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunFolderError, match="not empty and not a run folder; choose another"):
        RunFolder(tmp_path, config())
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    fill(tmp_path, "Si")
    assert done(tmp_path, "Si") == ["Si"]


def test_a_run_killed_before_its_first_file_can_be_started_again(tmp_path: Path) -> None:
    # What a kill leaves when it comes while run.yaml is being written.
    (tmp_path / ".lock").touch()
    (tmp_path / ".run.yaml.abc").write_text("half of")
    fill(tmp_path, "Si")
    assert done(tmp_path, "Si") == ["Si"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(RunFolderError, match="is a file; --out must name a folder"):
        RunFolder(file, config())
    with pytest.raises(RunFolderError, match=r"file/run cannot be written"):
        RunFolder(file / "run", config())
    assert file.read_text() == "mine"


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "identity: {", "identity: 1\n", "\x00"])
def test_a_damaged_run_yaml_is_named(tmp_path: Path, text: str) -> None:
    fill(tmp_path, "Si")
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(RunFolderError, match=r"run\.yaml is damaged"):
        RunFolder(tmp_path, config())


# ---- files


def test_a_folder_gathers_the_rows_of_several_suites(tmp_path: Path) -> None:
    def rows(suite: str, *values: float) -> list[Row]:
        return [
            Row("toy-1", "pbe-mini", suite, "v", "slope", value, "", None, None, 1, 0)
            for value in values
        ]

    with RunFolder(tmp_path, config()) as folder:
        folder.write_summary({"high-energy": rows("high-energy", 0.8, 0.9)})
    with RunFolder(tmp_path, config(suites=["eos", "phonons"])) as folder:
        folder.write_summary({"eos": rows("eos", 1.0), "phonons": rows("phonons", 0.7)})
        folder.write_summary({"eos": rows("eos", 1.1)})
    content = json.loads((tmp_path / "summary.json").read_text())
    assert content["of"].keys() == {"high-energy", "eos", "phonons"}
    found = [(row["suite"], row["value"]) for row in content["rows"]]
    assert found == [("high-energy", 0.8), ("high-energy", 0.9), ("eos", 1.1), ("phonons", 0.7)]
    assert yaml.safe_load((tmp_path / "run.yaml").read_text())["suites"] == [
        *("high-energy", "eos", "phonons")
    ]


def test_the_summary_is_json_without_not_a_number(tmp_path: Path) -> None:
    row = Row("toy-1", "pbe-mini", "s", "v", "slope", math.nan, "", None, math.inf, 0, 1)
    with RunFolder(tmp_path, config(suites=["s"])) as folder:
        folder.write_summary({"s": [row]})
        folder.write_summary({"s": [row, row]})
    content = json.loads((tmp_path / "summary.json").read_text(), parse_constant=pytest.fail)
    assert (content["schema"], list(content["of"])) == (4, ["s"])
    assert len(content["rows"]) == 2
    assert content["rows"][0]["value"] is None


@pytest.mark.parametrize(
    "row",
    [
        Row("m", "d", "s", "v", "x", 0.4, "", 0.1, 0.7, 9, 1, "strain 0.5 %", 1, 0),
        Row("m", "d", "s", "v", "x", 0.4, "", -math.inf, 0.7, 9, 1, "", 3, 0),
        Row("m", "d", "s", "v", "x", 0.4, "", 0.1, math.inf, 9, 1, "", 0, 3),
        Row("m", "d", "s", "v", "x", -math.inf, "", -math.inf, 0.2, 9, 1, "", 6, 0),
        Row("m", "d", "s", "v", "x", math.inf, "", None, None, 4, 1, "", 0, 2),
        Row("m", "d", "s", "v", "x", 0.4, "", None, None, 4, 1),
    ],
)
def test_rows_come_back_from_json(row: Row) -> None:
    """What has but a rank too, which JSON has no number for."""
    assert Row.from_json(json.loads(json.dumps(row.to_json(), allow_nan=False))) == row


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def half(file: IO[bytes]) -> None:
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


def test_a_case_whose_predictions_cannot_be_written_is_not_done(tmp_path: Path) -> None:
    no_array: Any = (x for x in "no array")
    with RunFolder(tmp_path, config()) as folder:
        with pytest.raises(TypeError, match="pickle"):
            folder.add(record(), {"forces": no_array})
        assert folder.record(KEY) is None
    assert done(tmp_path, "Si") == []
    assert list((tmp_path / "predictions").glob("*")) == []
