"""Phonons: a model's frequencies, force constants and thermodynamics against DFT's.

Both sides have the same supercell, primitive cell and symmetrisation of force constants, no non-analytical
term, and are compared at the same q-points.

The measure of softness is that of curvatures: the slope through the origin of the model's <e|D|e> along DFT's
eigenvectors e against DFT's signed ω² (`umlip_bench.benchmarks.phonons.modes`). Beside it stands that of the
model's own ω², sorted, which forgets whose modes they are. Frequencies go with the root of either. The ratio
of the highest frequencies is that of Fig. 4 of B. Deng et al., npj Comput. Mater. 11, 9 (2025).
"""

from __future__ import annotations

import numpy as np

from umlip_bench.analysis.metric import Metric, Spread
from umlip_bench.analysis.over import Median, Quantiles, Share, below_one
from umlip_bench.analysis.parity import Quantity
from umlip_bench.analysis.suite import Variant
from umlip_bench.benchmarks.amplitudes import scan_metrics
from umlip_bench.benchmarks.phonons.drawing import drawings
from umlip_bench.benchmarks.phonons.properties import properties
from umlip_bench.benchmarks.phonons.result import (
    AMPLITUDES,
    FIXED,
    NAN,
    RELAXED,
    RIPPLE,
    JudgedPhonons,
    PhononComparison,
    amplitude,
    faults,
    is_lost,
    judged,
    scan,
)
from umlip_bench.benchmarks.phonons.values import force_constants, highest, modes, squares
from umlip_bench.benchmarks.phonons.words import caption, case_table, verdict
from umlip_bench.benchmarks.suite import Suite


def max_ratio(seen: JudgedPhonons) -> float:
    """Highest frequency over DFT's."""
    return seen.against_dft(lambda dft, model: model.highest / dft.highest)


SUITE = Suite(
    name="phonons",
    version=7,
    title="Phonons",
    place=7,
    measured_by=f"{__name__}.measure",
    result=PhononComparison,
    variants=(Variant(FIXED, "fixed_"), Variant(RELAXED, "relaxed_")),
    view=judged,
    compared=lambda result: (
        result.reference is not None or result.reference_heat_capacity is not None
    ),
    lost=is_lost,
    faults=faults,
    properties=properties,
    amplitude=amplitude,
    metrics=(
        Metric(
            "mode_scale",
            lambda s: NAN if s.along_modes is None else s.along_modes.slope,
            over=(
                Median(
                    "curvature / DFT",
                    headline="curvature along DFT's modes",
                    inverse="mode_inverse_median",
                    paired=True,
                ),
            ),
        ),
        Metric(
            "mode_inverse",
            lambda s: NAN if s.along_modes is None else s.along_modes.inverse,
            over=(Median("its inverse", paired=True),),
        ),
        Metric(
            "mode_r2",
            lambda s: NAN if s.along_modes is None else s.along_modes.r2,
            over=(Median("its r2", paired=True),),
        ),
        Metric(
            "curvature_scale",
            lambda s: NAN if s.curvature is None else s.curvature.slope,
            over=(
                Median(
                    "sorted ω² / DFT",
                    headline="sorted squared frequencies",
                    inverse="curvature_inverse_median",
                    paired=True,
                    always=True,
                ),
            ),
        ),
        Metric(
            "curvature_inverse",
            lambda s: NAN if s.curvature is None else s.curvature.inverse,
            over=(Median("sorted inverse", paired=True),),
        ),
        Metric(
            "curvature_r2",
            lambda s: NAN if s.curvature is None else s.curvature.r2,
            over=(Median("sorted r2", paired=True),),
        ),
        Metric(
            "max_ratio",
            max_ratio,
            over=(Median("highest / DFT", paired=True), Quantiles(percents=(10, 25, 75, 90))),
            spread=Spread("highest frequency, model over DFT", 1.0),
        ),
        Metric("mean_ratio", JudgedPhonons.mean_ratio, over=(Median("mean / DFT", paired=True),)),
        Metric(
            "softened",
            max_ratio,
            over=(Share("share softened", name="share_softened", holds=below_one),),
            column=False,
        ),
        Metric("frequency_mae", JudgedPhonons.frequency_mae, "THz", (Median(),)),
        Metric(
            "band_mae",
            lambda s: s.against_dft(lambda dft, own: np.abs(own.bands - dft.bands).mean()),
            "THz",
            (Median("band MAE", paired=True),),
        ),
        Metric(
            "dos_overlap",
            JudgedPhonons.dos_overlap,
            over=(Median("DOS overlap", paired=True),),
        ),
        Metric(
            "force_constant_slope",
            lambda s: NAN if s.constants is None else s.constants.slope,
            over=(Median("FC slope", paired=True),),
        ),
        Metric(
            "force_constant_inverse",
            lambda s: NAN if s.constants is None else s.constants.inverse,
            over=(Median(),),
        ),
        Metric(
            "force_constant_r2",
            lambda s: NAN if s.constants is None else s.constants.r2,
            over=(Median("FC r2", paired=True),),
        ),
        Metric(
            "heat_capacity",
            lambda s: NAN if s.own is None else s.own.heat_capacity,
            "J/(mol K)",
        ),
        Metric("entropy", lambda s: NAN if s.own is None else s.own.entropy, "J/(mol K)"),
        Metric("free_energy", lambda s: NAN if s.own is None else s.own.free_energy, "meV/atom"),
        Metric(
            "heat_capacity_error",
            JudgedPhonons.heat_capacity_error,
            "J/(mol K)",
            (Median("C - DFT"), Median(name="heat_capacity_mae", absolute=True)),
            ranked=JudgedPhonons.above_all,
        ),
        Metric(
            "entropy_error",
            lambda s: (
                NAN if s.own is None or s.theirs is None else s.own.entropy - s.theirs.entropy
            ),
            "J/(mol K)",
            (Median(), Median("|S error|", name="entropy_mae", absolute=True, paired=True)),
            ranked=JudgedPhonons.above_all_of_cells,
        ),
        Metric(
            "free_energy_error",
            lambda s: (
                NAN
                if s.own is None or s.theirs is None
                else s.own.free_energy - s.theirs.free_energy
            ),
            "meV/atom",
            (Median(), Median("|F error|", name="free_energy_mae", absolute=True, paired=True)),
            ranked=JudgedPhonons.below_all_of_cells,
        ),
        Metric("too_soft", JudgedPhonons.too_soft),
        Metric("imaginary", lambda s: s.model.imaginary),
        Metric(
            "is_stable",
            lambda s: float(s.model.is_stable),
            over=(
                Share("share imaginary", name="share_imaginary", holds=lambda stable: not stable),
            ),
        ),
        Metric(
            "reference_is_stable",
            lambda s: NAN if s.dft is None else float(s.dft.is_stable),
            over=(
                Share(
                    "the same in DFT",
                    name="share_imaginary_reference",
                    holds=lambda stable: not stable,
                ),
            ),
        ),
        Metric(
            "dips",
            lambda s: float(s.model.dips),
            over=(Share("only interpolated", name="share_imaginary_interpolated"),),
        ),
        Metric(
            "stability_right",
            lambda s: s.against_dft(lambda dft, own: dft.is_stable == own.is_stable),
            over=(Share("stability right", name="share_stability_right"),),
        ),
        Metric(
            "false_alarm",
            lambda s: s.against_dft(lambda dft, own: not own.is_stable if dft.is_stable else NAN),
            over=(Share(name="share_imaginary_false", fault="imaginary modes where DFT has none"),),
            column=False,
        ),
        Metric(
            "missed",
            lambda s: s.against_dft(lambda dft, own: NAN if dft.is_stable else own.is_stable),
            over=(Share(name="share_imaginary_missed"),),
            column=False,
        ),
        *scan_metrics(scan, AMPLITUDES, RIPPLE, "THz²", only=(FIXED,)),
        Metric(
            "anharmonicity",
            lambda s: s.changes(lambda found: found.of_model),
            over=(Median("anharmonic"),),
            only=(FIXED,),
        ),
        Metric(
            "reference_anharmonicity",
            lambda s: s.changes(lambda found: found.of_dft),
            over=(Median("the same in DFT"),),
            only=(FIXED,),
        ),
        Metric("lowest", lambda s: s.model.lowest, "THz"),
        Metric("reference_lowest", lambda s: NAN if s.dft is None else s.dft.lowest, "THz"),
        Metric("highest", lambda s: s.model.highest, "THz"),
        Metric("reference_highest", lambda s: NAN if s.dft is None else s.dft.highest, "THz"),
    ),
    quantities=(
        Quantity("curvature along DFT's modes", "THz²", "mode_scale_median", modes),
        Quantity("sorted signed squared frequency", "THz²", "curvature_scale_median", squares),
        Quantity("highest frequency", "THz", "max_ratio_median", highest),
        Quantity("force constant", "eV/Å²", "force_constant_slope_median", force_constants),
    ),
    count="share_imaginary",
    verdict=verdict,
    caption=caption,
    case_table=case_table,
    drawing_title="Bands and density of states",
    drawings=drawings,
)
