"""Every number that an option takes: what is no number of its kind is refused, with the option's name."""

import argparse
from pathlib import Path

import ase.io
import pytest
from ase.build import bulk

from umlip_bench.cli import build_parser, main
from umlip_bench.cli.finetune import build_parser as build_finetune
from umlip_bench.cli.finetune import main as finetune
from umlip_bench.cli.options import finite, real, share, whole

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
ALLOWED = {
    "run": {"--max-index": COUNT},
    "relax": {"--fmax": POSITIVE, "--steps": COUNT, "--pressure": {"-1", "0", "0.5", "1"}},
    "data export": {"--frame": {"0", "1"}},
    "report": {"--dpi": set()},
    "speed": {
        "--in-flight": COUNT,
        "--structures": COUNT,
        "--repeats": set(),
        "--threads": COUNT,
    },
    "calibrate": {"--threads": COUNT},
    "finetune fit": TRAINING,
    "finetune ladder": TRAINING,
    "finetune curve": {**TRAINING, "--seeds": COUNT, "--sizes": COUNT},
    "finetune evaluate": {**TRAINING, "--max-frames": COUNT, "--choices": COUNT, "--sizes": COUNT},
    "finetune suggest": {
        **DFT,
        "-n": COUNT,
        "--temperature": POSITIVE,
        "--runs": COUNT,
        "--states": COUNT,
        "--equilibration": NOT_NEGATIVE,
        "--interval": POSITIVE,
        "--timestep": POSITIVE,
        "--strain": {"0"},
        "--enough-atoms": COUNT,
        "--enough-length": POSITIVE,
        "--seed": {"0", "1"},
        "--ecutwfc": POSITIVE,
        "--ecutrho": POSITIVE,
    },
    "finetune label": {**DFT, "--workers": COUNT, "--max-iterations": COUNT},
    "finetune collect": {"--tolerance": POSITIVE},
    "finetune speed": {
        "--frames": COUNT,
        "--batch-size": COUNT,
        "--repeats": set(),
        "--threads": COUNT,
    },
}
"""By command and option, which of `TRIED` are numbers of its kind."""
WORDS = {"--reference", "--pseudo", "--codes"}
"""Options that have a type and take no plain number."""


def parsers(parser: argparse.ArgumentParser, name: str = ""):
    """A parser and those of its commands, by name."""
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command, child in action.choices.items():
                yield from parsers(child, f"{name} {command}".strip())


def options():
    """Every option with a type, by command and name."""
    for program, parser in (("", build_parser()), ("finetune", build_finetune())):
        for command, each in parsers(parser, program):
            for action in each._actions:
                name = action.option_strings[-1] if action.option_strings else ""
                if name and action.type not in (None, Path) and name not in WORDS:
                    yield command, name, action


OPTIONS = {(command, name): action for command, name, action in options()}


def test_the_table_has_every_option_that_takes_a_number():
    table = {(command, name) for command, names in ALLOWED.items() for name in names}
    assert table == set(OPTIONS)


@pytest.mark.parametrize(("command", "name"), OPTIONS)
def test_only_numbers_of_its_kind_are_taken(command, name, capsys):
    words = command.split()
    program = finetune if words[0] == "finetune" else main
    for text in TRIED:
        if text in ALLOWED[command][name]:
            OPTIONS[command, name].type(text)
            continue
        # With = a text may start with a minus.
        given = [name + text] if name == "-n" else [f"{name}={text}"]
        if text == "" and name == "-n":
            continue
        with pytest.raises(SystemExit) as stop:
            program([word for word in words if word != "finetune"] + given)
        assert stop.value.code == 2
        said = capsys.readouterr().err
        assert f"{name}: " in said
        assert repr(text) in said


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (whole(0), "+7", 7),
        (whole(-5, 5), "-5", -5),
        (finite, "-1e-3", -1e-3),
        (share, "0", 0.0),
        (real(least=1.0, most=2.0), "2", 2.0),
    ],
)
def test_limits_are_where_they_are_said_to_be(kind, text, value):
    assert kind(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (whole(-5, 5), "6", "a whole number from -5 to 5"),
        (whole(1), "99999999999999999999", "a whole number of at least 1"),
        (share, "1", "of at least 0 and below 1"),
        (real(above=1.0, most=2.0), "1", "above 1 and of at most 2"),
    ],
)
def test_what_is_beyond_is_refused_with_the_limits(kind, text, words):
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        kind(text)
    assert words in str(caught.value)


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
def test_options_that_would_do_nothing_are_refused(tmp_path, capsys, arguments, words):
    ase.io.write(tmp_path / "cu.cif", bulk("Cu", "fcc", a=3.61))
    named = [each.format(cu=tmp_path / "cu.cif") for each in arguments]
    assert main(["run", *named, "--out", str(tmp_path / "run")]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
