"""Receiver operating characteristics: areas, rates at a threshold, and their limits. Pure functions of scores."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import stdtrit
from scipy.stats import beta, rankdata

from jaxsynth.audit.intervals import CONFIDENCE, Floats, Interval, z_two_sided


def placements(positives: Floats, negatives: Floats) -> tuple[Floats, Floats]:
    """How each score stands against those of the other class, ties counting one half.

    The structural components of DeLong, DeLong and Clarke-Pearson (1988), by the midranks of Sun and Xu
    (2014): O(n log n). The area under the curve is the mean of either array.

    Args:
        positives: scores of the rows to be found; higher is more suspect. Shape (m,), m >= 1.
        negatives: scores of the others. Shape (n,), n >= 1.

    Returns:
        For each positive the share of negatives below it, for each negative the share of positives above it.
    """
    m, n = len(positives), len(negatives)
    ranks = rankdata(np.concatenate([positives, negatives]))
    below = (ranks[:m] - rankdata(positives)) / n
    above = 1 - (ranks[m:] - rankdata(negatives)) / m
    return below, above


def auc(positives: Floats, negatives: Floats, *, confidence: float = CONFIDENCE) -> Interval:
    """Area under the curve: the Mann-Whitney share of pairs in the right order, ties one half.

    Wilson's interval at the effective number of trials that gives DeLong's variance, with a t quantile. One
    more observation on each side, as far from the mean as any could be, keeps small samples and samples
    without spread from claiming certainty; from 25 rows a side it does not matter.

    Args:
        positives: shape (m,), m >= 1.
        negatives: shape (n,), n >= 1.
        confidence: coverage of the limits.
    """
    area, trials, quantile, _ = _effective(*placements(positives, negatives), confidence)
    shrink = 1 + quantile**2 / trials
    centre = (area + quantile**2 / (2 * trials)) / shrink
    half = quantile * math.sqrt(area * (1 - area) / trials + (quantile / (2 * trials)) ** 2) / shrink
    return Interval(area, max(0.0, min(centre - half, area)), min(1.0, max(centre + half, area)))


def auc_difference(
    positives: tuple[Floats, Floats], negatives: tuple[Floats, Floats], *, confidence: float = CONFIDENCE
) -> Interval:
    """Difference of the areas of two scores of the same rows, first minus second.

    The limits of both areas are joined in quadrature, less what DeLong's covariance says they share: the
    method of variance estimates recovery (Zou and Donner 2008).

    Args:
        positives: both scores of the rows to be found. Shapes (m,).
        negatives: both scores of the others. Shapes (n,).
        confidence: coverage of the limits.
    """
    first, second = zip(positives, negatives, strict=True)
    pairs = [placements(*first), placements(*second)]
    variances = [_effective(*pair, confidence)[3] for pair in pairs]
    shared = sum(_covariance(a, b) for a, b in zip(*pairs, strict=True))
    scale = math.sqrt(variances[0] * variances[1])
    return _difference(
        auc(*first, confidence=confidence), auc(*second, confidence=confidence), shared / scale if scale else 0.0
    )


def clopper_pearson(count: int, n: int, *, confidence: float = CONFIDENCE) -> Interval:
    """Bound a share exactly (Clopper and Pearson 1934).

    Args:
        count: successes, 0 <= count <= n.
        n: trials, at least 1.
        confidence: least coverage of the limits.
    """
    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, count, n - count + 1)) if count > 0 else 0.0
    high = float(beta.isf(tail, count + 1, n - count)) if count < n else 1.0
    return Interval(count / n, low, high)


def threshold_at(negatives: Floats, rate: float) -> float:
    """Return the least of these scores that at most `rate` of them exceed; infinity where there are none."""
    if len(negatives) == 0:
        return math.inf
    # The addition undoes rounding in products such as 0.01 * 300, which must not lose a rank.
    exceed = math.floor(len(negatives) * rate + 1e-9)
    return float(np.sort(negatives)[len(negatives) - 1 - min(exceed, len(negatives) - 1)])


def _effective(below: Floats, above: Floats, confidence: float) -> tuple[float, float, float, float]:
    """Area, effective trials, quantile and variance."""
    area = min(1.0, max(0.0, float(below.mean())))
    widest = area * (1 - area)
    if widest == 0:
        # Complete separation has no spread to learn from: as many trials as the smaller side has rows.
        return area, min(len(below), len(above)), z_two_sided(confidence), 0.0
    sides = [(_covariance(x, x) + widest / len(x) ** 2, len(x)) for x in (below, above)]
    variance = sum(v for v, _ in sides)
    freedom = variance**2 / sum(v**2 / n for v, n in sides)  # Welch-Satterthwaite, as Brunner and Munzel (2000)
    return area, widest / variance, float(stdtrit(freedom, 0.5 + confidence / 2)), variance


def _covariance(a: Floats, b: Floats) -> float:
    """Of the means of two arrays."""
    return float(np.dot(a - a.mean(), b - b.mean())) / len(a) ** 2


def _difference(a: Interval, b: Interval, correlation: float) -> Interval:
    down, up = (a.estimate - a.low, b.high - b.estimate), (a.high - a.estimate, b.estimate - b.low)
    reach = [math.sqrt(max(0.0, x * x + y * y - 2 * correlation * x * y)) for x, y in (down, up)]
    estimate = a.estimate - b.estimate
    return Interval(estimate, max(-1.0, estimate - reach[0]), min(1.0, estimate + reach[1]))
