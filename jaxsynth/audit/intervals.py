"""Confidence intervals and smallest detectable effects: pure functions of counts and sorted samples.

Shares use score intervals, which keep their coverage at 0 and 1 where copies live; quantiles use the
percentile bootstrap. Nothing here knows what the numbers mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
POWER = 0.80
RESAMPLES = 2000


class Interval(NamedTuple):
    """An estimate and its confidence limits, low <= estimate <= high."""

    estimate: float
    low: float
    high: float


def z_two_sided(confidence: float = CONFIDENCE) -> float:
    """Return the standard normal quantile that leaves `1 - confidence` outside both tails together."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def wilson(count: float, n: int, *, z: float | None = None) -> Interval:
    """Wilson's score interval for a share (Wilson 1927; Brown, Cai and DasGupta 2001, eq. 4).

    Args:
        count: successes, 0 <= count <= n; fractions of a success are allowed.
        n: trials, at least 1.
        z: half-width in standard normal units; None: that of a 95 % interval.
    """
    z = z_two_sided() if z is None else z
    share = count / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Interval(share, max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share)))


def newcombe(count_a: float, n_a: int, count_b: float, n_b: int, *, z: float | None = None) -> Interval:
    """Bound the difference of two independent shares, a minus b, from their Wilson limits.

    Newcombe (1998), "Interval estimation for the difference between independent proportions", method 10.
    `z` as in `wilson`.
    """
    a, b = wilson(count_a, n_a, z=z), wilson(count_b, n_b, z=z)
    difference = a.estimate - b.estimate
    low = difference - math.hypot(a.estimate - a.low, b.high - b.estimate)
    high = difference + math.hypot(a.high - a.estimate, b.estimate - b.low)
    return Interval(difference, max(-1.0, low), min(1.0, high))


def detectable_share(
    n_a: int,
    count_b: float,
    n_b: int,
    *,
    found: Callable[[Interval], bool],
    power: float = POWER,
    z: float | None = None,
) -> float:
    """Find the smallest excess of share a over share b that `found` would call with probability `power`.

    The least count that is called is searched for with the baseline as observed; what the true difference
    must then be adds the one-sided `power` limits of both shares in quadrature, as Newcombe's method does.

    Args:
        n_a: trials behind share a.
        count_b: observed successes behind share b.
        n_b: trials behind share b.
        found: whether a Newcombe interval of the difference counts as found; monotone in share a.
        power: the wanted probability.
        z: that of the interval, as in `wilson`.

    Returns:
        A difference of shares; 1.0, the largest there is, where no count would be called.
    """
    if not found(newcombe(n_a, n_a, count_b, n_b, z=z)):
        return 1.0
    lowest, highest = -1, n_a
    while highest - lowest > 1:
        middle = (lowest + highest) // 2
        if found(newcombe(middle, n_a, count_b, n_b, z=z)):
            highest = middle
        else:
            lowest = middle
    one_sided = NormalDist().inv_cdf(power)
    # Half a count less: `count >= c` and `count > c - 1/2` are one event, and the normal limit sits between.
    a, b = wilson(max(highest - 0.5, 0.0), n_a, z=one_sided), wilson(count_b, n_b, z=one_sided)
    difference = a.estimate - b.estimate + math.hypot(a.high - a.estimate, b.estimate - b.low)
    return min(1.0, max(0.0, difference))


def rank(n: int, p: float) -> int:
    """Return the rank, from 1, of the `p` quantile among `n` sorted values: its inverse-CDF definition."""
    # The subtraction undoes rounding in products such as 0.05 * 300, which must not reach the next rank.
    return min(n, max(1, math.ceil(n * p - 1e-9)))


def quantile(ordered: Floats, p: float) -> float:
    """Return the `p` quantile of a sorted sample: always one of its values, so that ties stay ties."""
    return float(ordered[rank(len(ordered), p) - 1])


def percentile(estimate: float, resampled: Floats, confidence: float = CONFIDENCE) -> Interval:
    """Return the percentile bootstrap interval (Efron 1979), widened to hold the estimate itself."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Interval(estimate, min(float(low), estimate), max(float(high), estimate))


def joint_confidence(confidence: float) -> float:
    """Of each of the four questions about distances: near_copies, dcr, nndr and dcr_share (Bonferroni)."""
    return 1 - (1 - confidence) / 4


def unknown(excess: Interval) -> Interval:
    """The limits of an excess of which too few rows say anything."""
    return Interval(excess.estimate, min(-1.0, excess.estimate), max(1.0, excess.estimate))


def shortfall(value: Floats | float, baseline: Floats | float) -> Floats:
    """How far `value` lies below `baseline`, relative to it; 0 where the baseline is 0 and nothing can."""
    out = np.zeros(np.broadcast_shapes(np.shape(value), np.shape(baseline)))
    return np.divide(np.subtract(baseline, value), baseline, out=out, where=np.greater(baseline, 0))


def detectable_effect(drawn: Floats, confidence: float) -> float:
    """Find the smallest effect that a bootstrap interval would have told from none, by its own standard error."""
    return (z_two_sided(confidence) + NormalDist().inv_cdf(POWER)) * float(np.std(drawn))


def detectable_shortfall(ordered: Floats, p: float, drawn: Floats, confidence: float = CONFIDENCE) -> float:
    """Find the smallest relative shortfall of a quantile that the interval could have told from none.

    On a lattice of values the next lower one must be reached as well, however small the standard error is.

    Args:
        ordered: the baseline sample in ascending order. Shape (m,).
        p: which quantile.
        drawn: resampled shortfalls, which have the interval's standard error.
        confidence: that of the interval.

    Returns:
        A relative shortfall in [0, 1]; 1.0 where no lower quantile is possible or known.
    """
    at = quantile(ordered, p)
    below = ordered[: np.searchsorted(ordered, at)]
    if at <= 0 or len(below) == 0:
        return 1.0
    return min(1.0, max(detectable_effect(drawn, confidence), (at - float(below[-1])) / at))
