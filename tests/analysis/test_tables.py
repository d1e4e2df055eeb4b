import io

import pytest
from rich.console import Console

from umlip_bench.analysis.summary import Row
from umlip_bench.analysis.tables import CaseTable, print_cases, print_table
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.high_energy.words import caption, verdict
from umlip_bench.ground.errors import DataError

HIGH_ENERGY = load_suite("high-energy").presentation


def rows(
    model: str,
    slope: tuple[float, float | None, float | None] = (0.81, 0.78, 0.87),
    inverse: tuple[float, float | None, float | None] = (1.22, 1.14, 1.26),
    r2: float = 0.985,
    n: int = 15,
    softened: float = 1.0,
) -> list[Row]:
    def row(metric: str, unit: str, value: float, low: float | None, high: float | None) -> Row:
        suite, variant = "high-energy", "fixed-geometry"
        return Row(model, "pbe", suite, variant, metric, value, unit, low, high, n, 2)

    return [
        row("slope_median", "", *slope),
        row("slope_pooled", "", 0.7777, None, None),
        row("inverse_median", "", *inverse),
        row("r2_median", "", r2, 0.98, 0.99),
        row("mae", "eV/Å", 0.21, 0.2, 0.3),
        row("cmae_rotate", "eV/Å", 0.1, None, None),
        row("cmae_mse", "eV/Å", 0.09, 0.08, 0.1),
        row("share_soft", "", softened, 0.78, 1.0),
    ]


def printed(given: list[Row], width: int = 120) -> str:
    stream = io.StringIO()
    print_table(given, HIGH_ENERGY, Console(file=stream, width=width))
    return stream.getvalue()


def test_table() -> None:
    text = printed(rows("chgnet-0.3.0") + rows("mace-mp-0b3-medium", (0.95, 0.94, 0.96)))
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 120
    header = next(line for line in text.splitlines() if "mace-mp" in line)
    assert "chgnet-0.3.0" in header
    slope = next(line for line in text.splitlines() if "slope " in line)
    assert "0.810 [0.780, 0.870]" in slope
    assert "0.950 [0.940, 0.960]" in slope
    assert "cMAE, rotate (eV/Å)" in text
    assert "0.778" not in text
    assert "95 % intervals" in text
    assert "15 materials" in text
    failed = next(line for line in text.splitlines() if "failed" in line)
    assert failed.split().count("2") == 2


def test_fewer_materials_are_stated() -> None:
    given = rows("m")
    energy = ("energy_slope_median", 0.875, "", 0.614, 1.012, 13, 2)
    given.append(Row("m", "pbe", "high-energy", "fixed-geometry", *energy))
    lines = printed(given).splitlines()
    at = next(k for k, line in enumerate(lines) if "energy slope" in line)
    assert "0.875 [0.614, 1.012]" in lines[at]
    assert "of 13 materials" in lines[at + 1]
    assert "stress slope" not in printed(given)


def test_many_models_go_below_each_other() -> None:
    names = [f"model-with-a-long-name-{i}" for i in range(6)]
    for width in (80, 120):
        text = printed([row for name in names for row in rows(name)], width)
        assert max(len(line.rstrip()) for line in text.splitlines()) <= width
        assert text.count("0.810 [0.780, 0.870]") == 6
        assert text.count("high-energy (fixed-geometry), pbe") == {80: 3, 120: 2}[width]


def test_other_suites_are_left_out() -> None:
    other = Row("m", "d", "phonons", "relaxed", "omega_max", 1.0, "THz", None, None, 3, 0)
    assert printed([other]) == ""
    assert "THz" not in printed([other, *rows("m")])


def test_repeated_rows_are_refused() -> None:
    with pytest.raises(DataError, match="two rows of slope_median for m"):
        printed(rows("m") + rows("m"))


def test_empty_evaluation() -> None:
    nan = float("nan")
    row = Row("m", "d", "high-energy", "fixed-geometry", "slope_median", nan, "", None, None, 0, 9)
    text = printed([row])
    assert "no verdict" in text
    assert "nan" not in text


def test_verdict_soft() -> None:
    assert verdict(rows("chgnet-0.3.0"), "chgnet-0.3.0") == (
        "chgnet-0.3.0: soft: forces are 0.81 of DFT [0.78, 0.87] in the median of 15 materials, "
        "r2 0.985; 15/15 softened"
    )


def test_verdict_noise() -> None:
    text = verdict(rows("m", (0.9, 0.88, 0.92), (1.0, 0.99, 1.01), 0.9), "m")
    assert text.startswith(
        "m: no correctable softening resolved: forces are 0.90 of DFT [0.88, 0.92]"
    )
    assert text.endswith(
        "; not a correctable softening: slope is about r2, the best factor on the model is "
        "1.00 [0.99, 1.01]"
    )
    mostly = verdict(rows("m", (0.9, 0.88, 0.92), (1.02, 1.01, 1.03), 0.92), "m")
    assert mostly.startswith("m: soft: ")
    assert "much of it is noise" in mostly


def test_verdict_others() -> None:
    assert verdict(rows("m", (1.1, 1.05, 1.2), (0.9, 0.85, 0.95)), "m").startswith("m: stiff: ")
    open_slope = verdict(rows("m", (0.97, 0.9, 1.02), (1.02, 0.97, 1.1)), "m")
    assert open_slope.startswith("m: no softening resolved: ")
    wide = verdict(rows("m", (0.8, 0.7, 0.95), (1.2, 0.98, 1.4)), "m")
    assert wide.startswith("m: no correctable softening resolved: ")
    assert wide.endswith("the best factor on the model is 1.20 [0.98, 1.40], not resolved from 1")
    few = verdict(rows("m", (0.8, None, None), (1.2, None, None), n=4, softened=0.75), "m")
    assert few.startswith("m: undecided (too few materials for an interval): forces are 0.80 of")
    assert few.endswith("3/4 softened")
    assert verdict([], "m") == "m: no verdict: no material with forces"


def test_caption_names_the_method_in_use() -> None:
    assert "by order statistics of the materials; share" in caption(rows("m"))
    assert "by hierarchical bootstrap" in caption(rows("m", n=16))
    both = caption(rows("m", n=12) + rows("k", n=40))
    assert "12 to 40 materials" in both
    assert "from 16 materials on" in both


def test_cases_one_by_one() -> None:
    stream = io.StringIO()
    table = CaseTable("surfaces", ("case", "γ (J/m²)"), [("Mo [110]", "2.80")], ["one left out"])
    print_cases(table, Console(file=stream, width=80))
    # A bracket is text, not markup.
    for text in ("surfaces", "γ (J/m²)", "Mo [110]", "2.80", "one left out"):
        assert text in stream.getvalue()


def test_names_of_models_are_not_cut() -> None:
    """At 80 columns, however many there are and however long they are."""
    names = [
        "m3gnet-matpes-pbe-2025.1",
        "tensornet-matpes-pbe-2025.1",
        "chgnet-0.3.0",
        "TensorNet-v2025.1-PES",
    ]
    text = printed([row for name in names for row in rows(name)], 80)
    heads = [line for line in text.splitlines() if line.startswith("┃")]
    assert max(len(line.rstrip()) for line in text.splitlines() if line[:1] in "┃│┏└") <= 80
    for name in names:
        assert sum(name in line for line in heads) == 1


def test_numbers_of_cases_are_not_cut() -> None:
    heads = ("", "geometry", *(f"column {k}" for k in range(12)))
    rows = [
        ("my", kind, *(f"{1000 * k + 0.123:.3f}" for k in range(12)))
        for kind in ("fixed", "relaxed")
    ]
    stream = io.StringIO()
    print_cases(CaseTable("Moduli", heads, rows), Console(file=stream, width=80))
    text = stream.getvalue()
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text
    for row in rows:
        for number in row[2:]:
            assert f" {number} " in text
    # Every part says which case it is.
    assert text.count(" relaxed ") == text.count("Moduli") > 1
