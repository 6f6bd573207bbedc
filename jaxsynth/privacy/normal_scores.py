"""A lower bound of epsilon from scores that are exactly normal: what an attacker who sees the noisy sums has."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.stats import nct

from jaxsynth.errors import PrivacyError
from jaxsynth.privacy.lower_bounds import CONFIDENCE, LowerBound, Scores, significance
from jaxsynth.privacy.trade_off import gaussian_epsilon


def epsilon_from_normal_scores(
    present: Scores, absent: Scores, *, delta: float, confidence: float = CONFIDENCE
) -> LowerBound:
    """Bound epsilon from below where scores are independent and exactly normal with one variance, unknown.

    They are so where a score is linear in sums with Gaussian noise and nothing else in it is random: no
    subsampling, nothing cut after the noise, and canaries of one run that share neither signal nor noise. mu is
    then at least the distance of the two means in standard deviations. With m and n scores, Student's statistic
    has a noncentral t distribution with parameter mu sqrt(n m / (n + m)), so the limit is exact (Hedges and Olkin
    1985, "Statistical methods for meta-analysis", chapter 5). On other scores it bounds nothing.

    Args:
        present: scores with the target. Shape (n,).
        absent: scores without it. Shape (m,).
        delta: the mechanism's, in (0, 1).
        confidence: probability that the bound lies at or below the mechanism's epsilon.

    Raises:
        PrivacyError: fewer than two scores on a side, or scores that do not vary.
    """
    n, m = len(present), len(absent)
    spread = (
        float(np.sum((present - present.mean()) ** 2) + np.sum((absent - absent.mean()) ** 2)) if n and m else 0.0
    )
    if min(n, m) < 2 or not spread > 0:
        raise PrivacyError(f"normal scores need two a side that differ, got {n} and {m} with variation {spread}")
    scale, freedom = math.sqrt(n * m / (n + m)), n + m - 2
    t = scale * float(present.mean() - absent.mean()) / math.sqrt(spread / freedom)
    mu = _noncentrality(t, freedom, significance(confidence)) / scale
    return LowerBound(
        epsilon=gaussian_epsilon(mu, delta), delta=delta, confidence=confidence, method="normal scores", n=n + m
    )


def _noncentrality(t: float, freedom: int, tail: float) -> float:
    """Return the parameter at which a noncentral t exceeds `t` with probability `tail`; 0 if it would be below."""
    if nct.sf(t, freedom, 0.0) >= tail:
        return 0.0
    return float(brentq(lambda x: nct.sf(t, freedom, x) - tail, 0.0, 2 * t + 10, xtol=1e-9))
