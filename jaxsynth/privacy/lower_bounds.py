"""Lower bounds of epsilon from attacks on many runs: statistics of scores, and nothing of models.

Half of the runs, more or less, had the target in their table and half had not. An attack gives each run a score,
larger where it rather believes that the target was there. Runs (or canaries of one run that cannot influence one
another's scores) must be independent. `one_run.py` has the bounds that need no independence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainccinv, ndtri

from jaxsynth.errors import PrivacyError
from jaxsynth.privacy.trade_off import gaussian_epsilon

CONFIDENCE = 0.95

Scores = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class LowerBound:
    """What attacks have shown of a mechanism: with probability `confidence`, its epsilon is at least this.

    Attributes:
        epsilon: the bound, at least 0.
        delta: the delta that it is for.
        confidence: probability that the bound lies at or below the mechanism's epsilon.
        method: how it was computed, in words.
        n: scores that it rests on.
    """

    epsilon: float
    delta: float
    confidence: float
    method: str
    n: int

    def __post_init__(self) -> None:
        if not 0 <= self.delta < 1:
            raise PrivacyError(
                f"delta must be at least 0 and below 1, got {self.delta!r}; give the mechanism's own"
            )


@dataclass(frozen=True, kw_only=True)
class AttackCounts:
    """How often a test said "present".

    Attributes:
        true_positives: in how many runs with the target.
        n_present: of how many.
        false_positives: in how many runs without it.
        n_absent: of how many.
    """

    true_positives: int
    n_present: int
    false_positives: int
    n_absent: int

    def __post_init__(self) -> None:
        if not (0 <= self.true_positives <= self.n_present and 0 <= self.false_positives <= self.n_absent):
            raise PrivacyError(f"a count of positives must lie between 0 and its number of runs, got {self}")
        if min(self.n_present, self.n_absent) == 0:
            raise PrivacyError(f"a lower bound needs runs with and without the target, got {self}")

    @classmethod
    def at(cls, present: Scores, absent: Scores, threshold: float) -> AttackCounts:
        """Count the scores above a threshold that was fixed without them. Shapes (n,) and (m,)."""
        return cls(
            true_positives=int((present > threshold).sum()),
            n_present=len(present),
            false_positives=int((absent > threshold).sum()),
            n_absent=len(absent),
        )


def significance(confidence: float) -> float:
    """Return `1 - confidence`, the probability with which a bound may be wrong."""
    if not 0 < confidence < 1:
        raise PrivacyError(f"confidence must lie between 0 and 1, got {confidence!r}; 0.95 is usual")
    return 1 - confidence


def epsilon_from_counts(counts: AttackCounts, *, delta: float, confidence: float = CONFIDENCE) -> LowerBound:
    """Bound epsilon from below by the error rates of a test, for any mechanism.

    Both rates are at most their Clopper-Pearson limits together with probability `confidence`. Under
    (epsilon, delta)-DP a test and its negation both obey TPR <= exp(epsilon) FPR + delta (Kairouz, Oh and
    Viswanath 2015); Jagielski, Ullman and Oprea (2020) made it a lower bound.

    Args:
        counts: of a test that was fixed without these runs.
        delta: the mechanism's, in [0, 1).
        confidence: probability that the bound lies at or below the mechanism's epsilon.
    """
    fpr, fnr = _error_limits(counts, confidence)
    epsilon = max(0.0, _log_ratio(1 - fnr - delta, fpr), _log_ratio(1 - fpr - delta, fnr))
    return LowerBound(
        epsilon=epsilon,
        delta=delta,
        confidence=confidence,
        method="error rates",
        n=counts.n_present + counts.n_absent,
    )


def epsilon_from_trade_off(counts: AttackCounts, *, delta: float, confidence: float = CONFIDENCE) -> LowerBound:
    """Bound epsilon from below by the error rates of a test, for a mechanism whose trade-off is Gaussian.

    Under mu-GDP, mu >= Phi^-1(1 - FPR) - Phi^-1(FNR) (Dong, Roth and Su 2022); Nasr et al. (2023), "Tight
    auditing of differentially private machine learning", made it a lower bound. It falls in both rates, so upper
    limits of them give a lower limit of mu; a negative one says nothing. A test that is worse than chance is not
    turned round. Arguments as in `epsilon_from_counts`, with `delta` above 0.
    """
    fpr, fnr = _error_limits(counts, confidence)
    mu = max(0.0, float(-ndtri(fpr) - ndtri(fnr)))
    return LowerBound(
        epsilon=gaussian_epsilon(mu, delta),
        delta=delta,
        confidence=confidence,
        method="Gaussian trade-off",
        n=counts.n_present + counts.n_absent,
    )


class CountsBound(Protocol):
    """`epsilon_from_counts`, `epsilon_from_trade_off`, or another of their kind."""

    def __call__(self, counts: AttackCounts, /, *, delta: float, confidence: float) -> LowerBound: ...


def epsilon_from_runs(
    present: Scores,
    absent: Scores,
    *,
    delta: float,
    confidence: float = CONFIDENCE,
    bound: CountsBound = epsilon_from_trade_off,
) -> LowerBound:
    """Bound epsilon from below by scores alone: every fourth run chooses the threshold, the others are counted.

    Args:
        present: scores of runs with the target, in no particular order. Shape (n,), n >= 2.
        absent: scores of runs without it. Shape (m,), m >= 2.
        delta: the mechanism's.
        confidence: probability that the bound lies at or below the mechanism's epsilon.
        bound: what is made of the counts.

    Raises:
        PrivacyError: fewer than two scores on a side.
    """
    if min(len(present), len(absent)) < 2:
        raise PrivacyError(f"choosing a threshold takes two runs a side, got {len(present)} and {len(absent)}")
    threshold = _best_threshold(present[::4], absent[::4], bound, delta, confidence)
    counts = AttackCounts.at(np.delete(present, np.s_[::4]), np.delete(absent, np.s_[::4]), threshold)
    return bound(counts, delta=delta, confidence=confidence)


def _best_threshold(present: Scores, absent: Scores, bound: CountsBound, delta: float, confidence: float) -> float:
    """Return that of 200 quantiles with the highest bound; where bounds are equal, as at 0, the fewest errors."""

    def merit(threshold: float) -> tuple[float, float]:
        counts = AttackCounts.at(present, absent, threshold)
        gain = counts.true_positives / counts.n_present - counts.false_positives / counts.n_absent
        return bound(counts, delta=delta, confidence=confidence).epsilon, gain

    quantiles = np.quantile(np.concatenate([present, absent]), np.linspace(0, 1, 200))
    return max(map(float, np.unique(quantiles)), key=merit)


def _error_limits(counts: AttackCounts, confidence: float) -> tuple[float, float]:
    """Return upper limits of the false positive and false negative rates that hold together (Bonferroni)."""
    tail = significance(confidence) / 2
    missed = counts.n_present - counts.true_positives
    return _upper(counts.false_positives, counts.n_absent, tail), _upper(missed, counts.n_present, tail)


def _upper(count: int, n: int, tail: float) -> float:
    """Clopper and Pearson's (1934) upper limit of a share, which leaves out `tail`."""
    return 1.0 if count == n else float(betainccinv(count + 1, n - count, tail))


def _log_ratio(above: float, below: float) -> float:
    return math.log(above / below) if above > 0 else -math.inf
