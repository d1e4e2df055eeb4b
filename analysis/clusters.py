"""95 % intervals of medians and shares where cases come in clusters.

Such are entries of one formula, and the phases and oxides of one element.

Cases of one cluster are alike, so that n of them are worth fewer. How many follows from the scatter of the
clusters themselves: the variance of a share between clusters over that of n independent cases is the design
effect, and the interval is that of n over it, widened for the number of clusters. Sources: E. L. Korn and
B. I. Graubard, Survey Methodology 24, 193 (1998), for shares; R. S. Woodruff, J. Am. Stat. Assoc. 47, 635
(1952), for medians, whose interval is read off at the ends of that of the share below them. Both hold
whatever the distribution, and for cases that have but a rank.

Where each case is a cluster of its own the intervals are those of `umlip_bench.analysis.intervals`. Coverage
measured with 6 to 70 clusters of 1 to 3 or 1 to 6 cases whose values are normal, with correlations within a
cluster of 0, 0.36 and 0.8: medians 0.948 to 0.986, a share of 0.8 0.947 to 0.997, the highest for the fewest
clusters. ``tests/analysis/test_clusters.py`` repeats some.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from umlip_bench.analysis.intervals import (
    CONFIDENCE,
    MEDIAN_FROM,
    Estimate,
    median_estimate,
    middle,
    per_material,
    share_estimate,
)

FloatArray = NDArray[np.float64]

TAIL = (1.0 - CONFIDENCE) / 2.0
MEDIAN_OF_CLUSTERED = "Woodruff's interval of a median, cases clustered by material"
SHARE_OF_CLUSTERED = "Korn and Graubard's interval of a share, cases clustered by material"


def effective_cases(deviations: ArrayLike, clusters: Sequence[str]) -> float:
    """How many independent cases the cases of clusters are worth for a share.

    Parameters
    ----------
    deviations
        Of what is true of a case, 0 or 1, from the share, shape (n,).
    clusters
        Of each case, at least two different ones.

    Returns
    -------
    float
        At most n, at least the number of clusters over the largest design effect there can be; widened for
        the degrees of freedom that are one less than the number of clusters.
    """
    d = np.asarray(deviations, dtype=np.float64)
    _, which = np.unique(np.array(clusters, dtype=str), return_inverse=True)
    sums, sizes = np.bincount(which, d), np.bincount(which)
    n, m = len(d), len(sizes)
    independent = float(d @ d)
    # A share of 0 or 1 has no scatter to tell: then cases of a cluster count as one.
    design = (
        m / (m - 1) * float(sums @ sums) / independent
        if independent > 0.0
        else float(sizes @ sizes) / n
    )
    widened = scipy.stats.t.ppf(1.0 - TAIL, m - 1) / scipy.stats.t.ppf(1.0 - TAIL, n - 1)
    return n / max(1.0, design) / float(widened) ** 2


def median_over_clusters(values: ArrayLike, clusters: Sequence[str]) -> Estimate:
    """Median over cases, its interval over clusters.

    Parameters
    ----------
    values
        One per case, shape (n,); infinite for cases that have but a rank, never nan.
    clusters
        Of each case.

    Returns
    -------
    Estimate
        Of n cases. No interval below six clusters.

    Raises
    ------
    DataError
        If a value is nan.
    """
    array = per_material(values)
    ordered = np.sort(array)
    below, above = int(np.sum(array == -np.inf)), int(np.sum(array == np.inf))
    n_clusters = len(set(clusters))
    if n_clusters == len(array):
        return median_estimate(array[np.isfinite(array)], below=below, above=above)
    value, n = middle(ordered), len(array)
    if n_clusters < MEDIAN_FROM or np.isnan(value):
        return Estimate(value, None, None, n, MEDIAN_OF_CLUSTERED, below, above)
    worth = effective_cases(0.5 * np.sign(array - value if np.isfinite(value) else array), clusters)
    share = float(scipy.stats.beta.ppf(TAIL, worth / 2.0, worth / 2.0 + 1.0))
    k = int(np.floor(share * n))
    low, high = float(ordered[k]), float(ordered[n - 1 - k])
    return Estimate(value, low, high, n, MEDIAN_OF_CLUSTERED, below, above)


def share_over_clusters(holds: ArrayLike, clusters: Sequence[str]) -> Estimate:
    """Share of the cases that something is true of, its interval over clusters.

    Parameters
    ----------
    holds
        Whether it is, shape (n,).
    clusters
        Of each case.

    Returns
    -------
    Estimate
        Of n cases. No interval below six clusters, unless each case is one.
    """
    array = np.asarray(holds, dtype=bool)
    n_clusters = len(set(clusters))
    if n_clusters == len(array):  # Also of none.
        return share_estimate(int(array.sum()), len(array))
    n, share = len(array), float(array.mean())
    if n_clusters < MEDIAN_FROM:
        return Estimate(share, None, None, n, SHARE_OF_CLUSTERED)
    worth = effective_cases(array - share, clusters)
    x = share * worth
    low = float(scipy.stats.beta.ppf(TAIL, x, worth - x + 1.0)) if share > 0.0 else 0.0
    high = float(scipy.stats.beta.ppf(1.0 - TAIL, x + 1.0, worth - x)) if share < 1.0 else 1.0
    return Estimate(share, low, high, n, SHARE_OF_CLUSTERED)


def sign_test(differences: ArrayLike, clusters: Sequence[str]) -> float | None:
    """Two-sided p value of a median difference of zero, which goes with `median_over_clusters`.

    Differences of exactly zero count against either sign.

    Returns
    -------
    float or None
        ``None`` below six clusters: there is no interval either.
    """
    d = np.asarray(differences, dtype=np.float64)
    m, n = len(set(clusters)), len(d)
    if m < MEDIAN_FROM:
        return None
    fewer = min(int(np.sum(d <= 0.0)), int(np.sum(d >= 0.0)))
    worth = float(n) if m == n else effective_cases(0.5 * np.sign(d - middle(np.sort(d))), clusters)
    x = fewer / n * worth
    # P(Binomial(worth, 1/2) <= x), continued to numbers that are not whole.
    return min(1.0, 2.0 * float(scipy.stats.beta.sf(0.5, x + 1.0, worth - x))) if x < worth else 1.0
