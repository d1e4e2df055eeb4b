"""How frames of one's own trajectory are best chosen for a factor: the table of docs/howto/labels.md.

    python -m umlip_bench.finetune.pool_study --model m3gnet-mp-2021.2.8 --model chgnet-0.3.0

Pools are the frames of a material of ``mlearn``, from 300 K to the melt, and each quarter of them by the size
of the model's forces, as dynamics at one temperature has them. Each rule chooses 1, 2 and 4 frames without
looking at their labels; the factor that follows from these is judged by the pool's other frames, which are
told as the states of use. Random choice is the geometric mean over `CHOICES` choices. Materials of fewer than
`FEWEST` frames are left out. Some minutes of a core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
from ase import Atoms

import umlip_bench
from umlip_bench import datasets
from umlip_bench.analysis.frames import FrameComparison
from umlip_bench.analysis.softening import N_COMPONENTS, SUM_YY
from umlip_bench.datasets import Frame
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.comparison import MIN_RMS_FORCE, beside
from umlip_bench.finetune.estimators import Estimator
from umlip_bench.finetune.evaluation import choices, evenly
from umlip_bench.finetune.factor_method import FactorFrom
from umlip_bench.finetune.judged_frames import JudgedFrames
from umlip_bench.finetune.labelling.descriptors import describe_states
from umlip_bench.finetune.labelling.pool import middles, shares
from umlip_bench.finetune.labelling.selection import farthest_points
from umlip_bench.finetune.methods.scalar import Scalar
from umlip_bench.finetune.scalar import reference_materials
from umlip_bench.potentials.protocol import Potential

SET = "mlearn"
FEWEST, MOST_FRAMES = 30, 60
CHOICES = 60
SIZES = (1, 2, 4)
QUARTERS = 4
ESTIMATORS = (Estimator.MSE, Estimator.SHRUNK)

Rule = Callable[["Pool", int], Sequence[tuple[int, ...]]]
"""Choices of so many frames of a pool; their geometric mean is what the rule is worth."""


class Pool:
    """Frames to choose from, as the model has them.

    Parameters
    ----------
    frames
        DFT beside the model.
    features
        Of each frame, shape (n, d).
    """

    def __init__(self, frames: Sequence[FrameComparison], features: np.ndarray) -> None:
        self.judged = JudgedFrames(frames)
        self.features = features

    @property
    def rms(self) -> np.ndarray:
        """Root mean square force of each frame in the model, eV/Å, shape (n,)."""
        sums = self.judged.sums
        return np.asarray(np.sqrt(sums[:, SUM_YY] / sums[:, N_COMPONENTS]))

    def ratio(self, labels: tuple[int, ...], factor: FactorFrom) -> float:
        """Force error of the other frames after over before; nan where there is no factor."""
        trial = self.judged.scaled_trial(labels, factor)
        return float("nan") if trial is None else trial[7] / trial[6]


def randomly(pool: Pool, n: int) -> Sequence[tuple[int, ...]]:
    """Any frames."""
    return choices(len(pool.rms), n, CHOICES)


def largest(pool: Pool, n: int) -> Sequence[tuple[int, ...]]:
    """The largest forces."""
    return [tuple(np.argsort(-pool.rms, kind="stable")[:n].tolist())]


def farthest(pool: Pool, n: int) -> Sequence[tuple[int, ...]]:
    """As ``suggest --structure`` chooses, away from the frame with the smallest forces."""
    known = pool.features[[int(pool.rms.argmin())]]
    picks = farthest_points(pool.features, n, known=known, weights=pool.rms)
    return [tuple(pick.index for pick in picks)]


def middle(pool: Pool, n: int) -> Sequence[tuple[int, ...]]:
    """As ``suggest --pool`` chooses."""
    return [tuple(middles(shares(pool.rms), n))]


RULES: dict[str, Rule] = {
    "random": randomly,
    "largest force": largest,
    "farthest x force": farthest,
    "this rule": middle,
}


def pools(potential: Potential, frames: Sequence[Frame]) -> Iterator[tuple[str, Pool]]:
    """The whole of a material's frames, and quarters by force."""
    (found,) = beside(frames, predict(potential, [frame.atoms for frame in frames]))
    structures: list[Atoms] = [frame.atoms for frame in frames]
    features = describe_states(potential, structures).values
    whole = Pool(found.frames, features)
    yield "mixed temperatures", whole
    for part in np.array_split(np.argsort(whole.rms, kind="stable"), QUARTERS):
        yield "one amplitude", Pool([found.frames[k] for k in part], features[part])


def table(models: Sequence[str], group: str) -> pd.DataFrame:
    """A line for each pool, estimator and number of labels; logarithms of the ratios by rule."""
    rows = []
    for name in models:
        potential = umlip_bench.potential(name, device="cpu")
        reference = reference_materials(potential)
        for material, own in datasets.load(SET).by_system().items():
            if not material.endswith(group):
                continue
            moving = [frame for frame in own if np.sqrt(np.mean(frame.forces**2)) >= MIN_RMS_FORCE]
            frames = evenly(moving, MOST_FRAMES)
            if len(frames) < FEWEST:
                continue
            ways = Scalar().factors(reference, {frame.composition for frame in frames})
            for kind, pool in pools(potential, frames):
                for estimator in ESTIMATORS:
                    for n in SIZES:
                        logs = {
                            rule: np.nanmean(
                                [np.log(pool.ratio(c, ways[estimator])) for c in chosen(pool, n)]
                            )
                            for rule, chosen in RULES.items()
                        }
                        about = {"model": name, "material": material, "pool": kind}
                        rows.append(about | {"estimator": estimator, "labels": n} | logs)
    return pd.DataFrame(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print geometric means over pools, and how often this rule is worse than random choice."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", action="append", required=True, metavar="NAME")
    parser.add_argument("--group", default="AIMD-NVT", help="materials whose name ends so")
    asked = parser.parse_args(arguments)
    rows = table(asked.model, asked.group)
    for by in (["estimator", "pool", "labels"], ["model", "estimator", "pool", "labels"]):
        groups = rows.groupby(by, sort=False)
        means = np.exp(groups[list(RULES)].mean()).round(3)
        worse = (rows["this rule"] > rows["random"]).groupby([rows[key] for key in by], sort=False)
        print(means.assign(n=groups.size(), worse=worse.sum()).to_string(), flush=True)


if __name__ == "__main__":
    main()
