"""Every number that an option takes: what is no number of its kind is refused, with the option's name."""

import math
import re
from collections.abc import Iterator
from dataclasses import MISSING
from pathlib import Path

import ase.io
import pytest
from ase.build import bulk

from tests.support.commands import commands_of
from tests.support.narrowing import some
from umlip_bench.cli import PROGRAM as BENCH
from umlip_bench.cli import main
from umlip_bench.cli.declare import Command
from umlip_bench.cli.finetune import PROGRAM as FINETUNE
from umlip_bench.cli.finetune import main as finetune
from umlip_bench.cli.options import Option, options_of
from umlip_bench.ground.limits import Finite, Limits, Share, limits_of

TRIED = ("nan", "inf", "1e999", "-1", "0", "0.5", "1", "ten", "", "1_0")
COUNT = {"1"}
FRACTION = {"0", "0.5"}
POSITIVE = {"0.5", "1"}
NOT_NEGATIVE = {"0", "0.5", "1"}
TRAINING = {
    "--epochs": COUNT,
    "--batch-size": COUNT,
    "--learning-rate": POSITIVE,
    "--final-learning-rate": NOT_NEGATIVE,
    "--energy-weight": NOT_NEGATIVE,
    "--force-weight": POSITIVE,
    "--stress-weight": NOT_NEGATIVE,
    "--curvature-weight": NOT_NEGATIVE,
    "--huber": POSITIVE,
    "--validation-share": FRACTION,
    "--patience": COUNT,
    "--clip": POSITIVE,
    "--ema": {"0.5"},
    "--rank": COUNT,
    "--replay": POSITIVE,
    "--seed": {"0", "1"},
}
DFT = {"--cutoff": POSITIVE, "--kpoint-density": POSITIVE, "--smearing": POSITIVE}
SAMPLING = {
    "--temperature": POSITIVE,
    "--runs": COUNT,
    "--states-per-run": COUNT,
    "--equilibration": NOT_NEGATIVE,
    "--interval": POSITIVE,
    "--timestep": POSITIVE,
    "--strain": {"0"},
    "--enough-atoms": COUNT,
    "--enough-length": NOT_NEGATIVE,
    "--friction": NOT_NEGATIVE,
    "--fmax": POSITIVE,
    "--relax-steps": COUNT,
    "--seed": {"0", "1"},
}
MANY_FITS = {**TRAINING, "--choices": COUNT, "--jobs": COUNT}
ALLOWED: dict[str, dict[str, set[str]]] = {
    "run": {"--max-index": COUNT, "--jobs": COUNT},
    "submit": {"--max-index": COUNT, "--tasks": COUNT},
    "relax": {
        "--fmax": POSITIVE,
        "--steps": COUNT,
        "--pressure": {"-1", "0", "0.5", "1"},
        "--jobs": COUNT,
    },
    "data export": {"--frame": {"0", "1"}},
    "report": {"--dpi": set()},
    "speed": {
        "--in-flight": COUNT,
        "--n-structures": COUNT,
        "--repeats": set(),
        "--threads": COUNT,
    },
    "calibrate": {"--threads": COUNT},
    "finetune fit": TRAINING,
    "finetune ladder": {**TRAINING, "--jobs": COUNT},
    "finetune curve": {**MANY_FITS, "--sizes": COUNT},
    "finetune race": {**MANY_FITS, "--sizes": COUNT},
    "finetune evaluate": {**MANY_FITS, "--max-frames": COUNT, "--sizes": COUNT},
    "finetune estimate": SAMPLING,
    "finetune suggest": {
        **DFT,
        **SAMPLING,
        "--n-frames": COUNT,
        "--max-iterations": COUNT,
        "--ecutwfc": POSITIVE,
        "--ecutrho": POSITIVE,
    },
    "finetune label": {**DFT, "--jobs": COUNT, "--max-iterations": COUNT},
    "finetune collect": {"--tolerance": POSITIVE},
    "finetune speed": {
        "--max-frames": COUNT,
        "--batch-size": COUNT,
        "--repeats": set(),
        "--threads": COUNT,
    },
}
"""By command and option, which of `TRIED` are numbers of its kind."""
WORDS = {"reference", "pseudo", "codes", "slurm", "time-limit"}
"""Options that are read in a way of their own and take no plain number."""


def options() -> Iterator[tuple[str, Option, Iterator[str]]]:
    """Every option that takes a number, by command and name."""
    for program, prefix in ((BENCH, ""), (FINETUNE, "finetune ")):
        for command in commands_of(program):
            name = prefix + command.name.split(" ", 1)[1]
            for option in options_of(command).values():
                if option.reads is not None and option.name not in WORDS:
                    yield name, option, required(command)


def required(command: type[Command]) -> Iterator[str]:
    """Arguments without which a command is refused before it looks at others."""
    given = {"engine": "gpaw"}
    for option in options_of(command).values():
        if option.default is MISSING:
            yield from () if option.argument else (f"--{option.name}",)
            yield given.get(option.name, "x")


OPTIONS = {
    (command, f"--{option.name}"): (option, tuple(more)) for command, option, more in options()
}


def test_the_table_has_every_option_that_takes_a_number() -> None:
    table = {(command, name) for command, names in ALLOWED.items() for name in names}
    assert table == set(OPTIONS)


@pytest.mark.seconds
@pytest.mark.parametrize(("command", "name"), OPTIONS)
def test_only_numbers_of_its_kind_are_taken(
    command: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command.split()
    program = finetune if words[0] == "finetune" else main
    option, more = OPTIONS[command, name]
    reads = some(option.reads)
    for text in TRIED:
        if text in ALLOWED[command][name]:
            reads.parse(text)
            continue
        with pytest.raises(ValueError, match=re.escape(repr(text))):
            reads.parse(text)
        if text not in ("nan", "-1"):
            continue
        # With = a text may start with a minus.
        arguments = [word for word in words if word != "finetune"] + [*more, f"{name}={text}"]
        assert program(arguments) == 2
        said = capsys.readouterr().err
        assert f"{name}: " in said
        assert repr(text) in said


SHARE = limits_of(Share)
WHOLE = Limits(whole=True, least=-5, most=5)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Limits(whole=True, least=0), "+7", 7),
        (WHOLE, "-5", -5),
        (limits_of(Finite), "-1e-3", -1e-3),
        (SHARE, "0", 0.0),
        (Limits(least=1.0, most=2.0), "2", 2.0),
    ],
)
def test_limits_are_where_they_are_said_to_be(kind: Limits | None, text: str, value: float) -> None:
    assert some(kind).read(text) == value
    assert type(some(kind).read(text)) is (int if some(kind).whole else float)


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (WHOLE, "6", "a whole number of at least -5 and of at most 5"),
        (Limits(whole=True, least=1), "99999999999999999999", "a whole number of at least 1"),
        (SHARE, "1", "of at least 0 and below 1"),
        (Limits(above=1.0, most=2.0), "1", "above 1 and of at most 2"),
    ],
)
def test_what_is_beyond_is_refused_with_the_limits(
    kind: Limits | None, text: str, words: str
) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        some(kind).read(text)
    assert repr(text) in str(caught.value)


def test_values_of_settings_are_held_to_the_same_limits() -> None:
    assert some(SHARE).allow(0.5)
    assert not any(map(some(SHARE).allow, (1.0, -0.1, math.nan, math.inf)))
    assert not WHOLE.allow(0.5)


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max-index", "2"], "--max-index 2 goes with --structure"),
        (["surfaces", "--max-index", "1"], "--max-index 1 goes with --structure"),
        (["--ion", "Li"], "--ion Li goes with --structure"),
        (
            ["eos", "--structure", "{cu}", "--max-index", "2"],
            "--max-index 2 is of the suite surfaces",
        ),
        (["eos", "--structure", "{cu}", "--ion", "Cu"], "--ion Cu is of the suite migration"),
        (["surfaces", "--structure", "{cu}", "--ion", "Cu"], "--ion Cu is of the suite migration"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    ase.io.write(tmp_path / "cu.cif", bulk("Cu", "fcc", a=3.61))
    named = [each.format(cu=tmp_path / "cu.cif") for each in arguments]
    assert main(["run", *named, "--out", str(tmp_path / "run")]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
