"""Commands overwrite what they wrote, and nothing else unless they are told to."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.report_runs import SOFT, write
from umlip_bench import datasets
from umlip_bench.analysis.report import figures
from umlip_bench.analysis.report.chart_parts import Figure
from umlip_bench.analysis.report.content import DataNote
from umlip_bench.analysis.report.gather import gather
from umlip_bench.analysis.runs import read_run
from umlip_bench.cli import main
from umlip_bench.cli.finetune import main as finetune
from umlip_bench.ground.errors import OutputError
from umlip_bench.ground.outputs import Output, json_text

FOREIGN = {
    ".md": "# My thesis\n",
    ".html": "<!doctype html><title>mine</title>\n",
    ".csv": "first_run,first_model,notes\n1,2,3\n",
    ".parquet": "not even a table",
    ".json": '{"theirs": 1}\n',
    ".png": "no picture",
    ".pdf": "%PDF-1.4 of others\n%%EOF\n",
    ".svg": "<svg></svg>\n",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write(tmp_path_factory.mktemp("outputs") / "run", hostile=False).path)


def commands(run: str, folder: Path) -> dict[str, tuple[list[str], Path]]:
    """By name, a command and a file that it writes."""
    return {
        "card.md": (["card", run, "--model", SOFT, "--out"], folder / "card.md"),
        "card.html": (["card", run, "--model", SOFT, "--out"], folder / "card.html"),
        "report": (["report", run, "--out"], folder / "report.html"),
        "compare.csv": (["compare", run, "--out"], folder / "table.csv"),
        "compare.parquet": (["compare", run, "--out"], folder / "table.parquet"),
        "summary.csv": (["export", run, "--out"], folder / "tables" / "summary.csv"),
        "predictions.csv": (["export", run, "--out"], folder / "tables" / "predictions.csv"),
        "cases.parquet": (
            ["export", run, "--format", "parquet", "--out"],
            folder / "tables" / "cases-eos.parquet",
        ),
        "picture": (["pictures", run, "--out"], folder / "tables" / "phonons-material-10.png"),
    }


NAMES = list(commands("", Path()))


def call(name: str, run: str, folder: Path, *more: str) -> int:
    arguments, path = commands(run, folder)[name]
    out = path.parent if path.parent.name == "tables" else path
    return main([*arguments, str(out), *more])


@pytest.mark.seconds
@pytest.mark.parametrize("name", NAMES)
def test_a_foreign_file_is_refused_by_name_and_forced(
    name: str, run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = commands(run, tmp_path)[name][1]
    path.parent.mkdir(exist_ok=True)
    path.write_text(FOREIGN[path.suffix])
    assert call(name, run, tmp_path) == 2
    said = capsys.readouterr().err
    assert f"{path} exists" in said
    assert "--force" in said
    assert path.read_text() == FOREIGN[path.suffix]
    assert call(name, run, tmp_path, "--force") == 0
    assert path.read_bytes() != FOREIGN[path.suffix].encode()
    if path.suffix != ".csv":  # which has no mark but its columns
        Output(path).check()


# The dear ones are drawn once above.
@pytest.mark.seconds
@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("report", "picture")])
def test_ones_own_file_is_overwritten(name: str, run: str, tmp_path: Path) -> None:
    path = commands(run, tmp_path)[name][1]
    assert call(name, run, tmp_path) == 0
    os.utime(path, (1, 1))
    assert call(name, run, tmp_path) == 0
    assert path.stat().st_mtime > 1
    assert not [p for p in path.parent.iterdir() if p.name.startswith(".")]


@pytest.fixture(scope="module")
def drawn(run: str) -> list[Figure]:
    """All figures of the run's page."""
    read = read_run(run)
    return list(figures.figures(gather([read], {read.data: DataNote(read.data, read.level)})))


@pytest.mark.seconds
@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_figures_overwrite_their_own_alone(
    drawn: list[Figure], tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"scales.{ending}"

    def draw(**options: bool) -> list[Path]:
        return list(figures.write(drawn, tmp_path, ["scales"], [ending], 72, **options))

    path.write_text(FOREIGN[path.suffix])
    with pytest.raises(OutputError, match=f"scales.{ending} exists"):
        draw()
    assert path.read_text() == FOREIGN[path.suffix]
    assert draw(force=True) == [path]
    Output(path).check()
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.seconds
@pytest.mark.parametrize("name", ["card.md", "card.html", "compare.csv"])
def test_an_empty_file_and_a_link_to_ones_own_are_written(
    name: str, run: str, tmp_path: Path
) -> None:
    path = commands(run, tmp_path)[name][1]
    path.touch()
    assert call(name, run, tmp_path) == 0
    kept = tmp_path / "elsewhere"
    path.rename(kept)
    path.symlink_to(kept)
    os.utime(kept, (1, 1))
    assert call(name, run, tmp_path) == 0
    assert path.is_symlink()
    assert kept.stat().st_mtime > 1


@pytest.mark.seconds
@pytest.mark.parametrize("name", ["card.md", "report", "compare.csv", "summary.csv"])
def test_a_folder_that_is_missing_or_in_the_way_is_said(
    name: str, run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, path = commands(run, tmp_path)[name]
    if arguments[0] == "export":  # which makes its folder
        (tmp_path / "tables").mkdir()
    else:
        assert main([*arguments, str(tmp_path / "no" / path.name)]) == 2
        assert "no does not exist" in capsys.readouterr().err
    path.mkdir()
    out = path.parent if arguments[0] == "export" else path
    assert main([*arguments, str(out)]) == 2
    assert "is a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "ours"),
    [
        ("a.json", json_text({"x": 1}), True),
        ("a.json", '{"x": 1, "generator": "umlip_bench 1"}', False),
        ("a.json", '[{"generator": "umlip_bench 1"}]', False),
        ("a.md", "# Notes\n\n<!-- written by umlip_bench 0.1.0 -->\n", True),
        ("a.md", "<!-- written by umlip_bench 0.1.0 -->\n\nand what I think of it\n", False),
        ("a.html", '<head><meta name="generator" content="umlip_bench 0.1.0">', True),
        ("a.html", '<head><meta name="generator" content="umlip_benchmarks">', False),
        ("a.csv", "suite,n\n1,2\n", True),
        ("a.csv", "n,suite\n1,2\n", False),
        ("a.csv", '"suite",n,mine\n', True),
        ("a.txt", "written by umlip_bench", False),
        ("data.json", "\0\xff", False),
    ],
)
def test_what_is_ours(tmp_path: Path, name: str, content: str, ours: bool) -> None:
    path = tmp_path / name
    path.write_text(content)
    output = Output(path, columns=("suite", "n"))
    if ours:
        output.write_text("new")
        assert path.read_text() == "new"
    else:
        with pytest.raises(OutputError, match="was not written by umlip_bench"):
            output.write_text("new")
        assert path.read_text() == content


def test_a_foreign_file_is_refused_before_any_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "numbers.json"
    out.write_text(FOREIGN[".json"])
    for command in (["evaluate"], ["ladder", "--labels", "pbe-mini"]):
        start = time.monotonic()
        assert finetune([*command, "--model", "no-such-model", "--out", str(out)]) == 2
        assert f"{out} exists" in capsys.readouterr().err
        assert time.monotonic() - start < 10
    assert json.loads(out.read_text()) == {"theirs": 1}


# ---- data export


def export(out: Path, *more: str) -> list[str]:
    return ["data", "export", "pbe-mini", str(out), "--material", "Si", *more]


@pytest.mark.seconds
@pytest.mark.parametrize("there", ["out.xyz", "out.manifest.yaml"])
def test_export_refuses_what_exists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], there: str
) -> None:
    (tmp_path / there).write_text("mine\n")
    assert main(export(tmp_path / "out.xyz")) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / there} exists" in said
    assert "--force" in said
    assert os.listdir(tmp_path) == [there]
    assert (tmp_path / there).read_text() == "mine\n"
    assert main(export(tmp_path / "out.xyz", "--force")) == 0
    assert datasets.load(str(tmp_path / "out.xyz")).frames


@pytest.mark.seconds
def test_export_that_was_killed_between_its_files_is_finished(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, manifest = tmp_path / "out.xyz", tmp_path / "out.manifest.yaml"
    assert main(export(out)) == 0
    content, said = out.read_bytes(), manifest.read_bytes()
    manifest.unlink()
    assert main(export(out)) == 0
    assert (out.read_bytes(), manifest.read_bytes()) == (content, said)
    # Other frames, fewer or more, are somebody's.
    for changed in (content[:-1], content + b"\n", content.replace(b"Si ", b"Ge ", 1)):
        manifest.unlink(missing_ok=True)
        out.write_bytes(changed)
        assert main(export(out)) == 2
        assert "exists" in capsys.readouterr().err
        assert out.read_bytes() == changed


KILLED = """
import os, signal
import umlip_bench.datasets.extxyz as extxyz
from umlip_bench.cli import main

real, written = extxyz._text, []

def one_then_die(frame):
    if written:
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(frame)
    return real(frame)

extxyz._text = one_then_die
main(["data", "export", "pbe-mini", "out.xyz"])
"""


@pytest.mark.seconds
def test_export_that_was_killed_while_writing_is_simply_done_again(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, check=False)
    assert done.returncode < 0
    (left,) = os.listdir(tmp_path)
    assert left.startswith(".umlip-bench-")
    assert main(export(tmp_path / "out.xyz")) == 0
    assert sorted(os.listdir(tmp_path)) == ["out.manifest.yaml", "out.xyz"]
