"""Lower bounds of epsilon from one run with many canaries, each included by a fair coin of its own.

The attacker scores the canaries by what the mechanism put out, calls the highest scores included and the lowest
excluded, and abstains on the others. How many guesses to make is fixed beforehand (a twentieth to a tenth of the
canaries on each side do well for mu from .5 to 2); who tries several numbers must divide `1 - confidence` by how
many. No independence of the scores is assumed, which costs half of what `lower_bounds.py` shows, or more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, expit, ndtr, ndtri

from jaxsynth.errors import PrivacyError
from jaxsynth.privacy.lower_bounds import CONFIDENCE, LowerBound, significance
from jaxsynth.privacy.trade_off import gaussian_epsilon


@dataclass(frozen=True, kw_only=True)
class Guesses:
    """What an attacker made of one run.

    Attributes:
        correct: guesses that were right.
        made: guesses in all, fixed before the run.
        canaries: canaries whose coin was thrown, guessed or not.
    """

    correct: int
    made: int
    canaries: int

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.made <= self.canaries or self.made == 0:
            raise PrivacyError(f"guesses need 0 <= correct <= made <= canaries and made > 0, got {self}")

    @classmethod
    def of(cls, scores: NDArray[np.floating], included: NDArray[np.bool_], *, high: int, low: int) -> Guesses:
        """Call the `high` highest scores included and the `low` lowest excluded.

        Ties are broken against the attacker: an order of the canaries that knows the coins would be no attack.

        Args:
            scores: larger where the attacker rather believes that the canary was included. Shape (m,).
            included: what the coins said. Shape (m,).
            high: how many to call included.
            low: how many to call excluded.

        Raises:
            PrivacyError: shapes differ, or there are more guesses than canaries.
        """
        if scores.shape != included.shape or scores.ndim != 1 or included.dtype != np.bool_:
            found = f"{scores.shape} and {included.dtype}{included.shape}"
            raise PrivacyError(f"one run needs a score and a bool for each canary, shapes (m,), got {found}")
        if np.isnan(scores).any():
            raise PrivacyError(
                f"{np.isnan(scores).sum()} of {len(scores)} scores of canaries are NaN; score them 0"
            )
        if min(high, low) < 0 or high + low > len(scores):
            raise PrivacyError(f"{high} + {low} guesses about {len(scores)} canaries; make at most one of each")
        upwards = np.lexsort((included, -scores))[:high]
        downwards = np.lexsort((~included, scores))[:low]
        correct = int(included[upwards].sum() + (~included[downwards]).sum())
        return cls(correct=correct, made=high + low, canaries=len(scores))


def one_run_p_value(guesses: Guesses, epsilon: float, delta: float) -> float:
    """Bound the probability that an attack on an (epsilon, delta)-DP mechanism is right so often.

    Steinke, Nasr and Jagielski (2023), "Privacy auditing with one (1) training run", theorem 5.2.
    """
    v = guesses.correct
    pure = float(_at_least(np.array(v), guesses.made, epsilon))
    if delta == 0 or v == 0:
        return pure
    i = np.arange(1, v + 1)
    approximate = float(np.max((_at_least(v - i, guesses.made, epsilon) - pure) / i))
    return min(1.0, pure + 2 * guesses.canaries * delta * max(0.0, approximate))


def _at_least(correct: NDArray[np.integer], made: int, epsilon: float) -> NDArray[np.float64]:
    """Return the probability that randomized response is right so often: the binomial's upper tail."""
    tail: NDArray[np.float64] = betainc(np.maximum(correct, 1), made - np.maximum(correct, 1) + 1, expit(epsilon))
    return np.where(correct > 0, tail, 1.0)


def epsilon_one_run(guesses: Guesses, *, delta: float, confidence: float = CONFIDENCE) -> LowerBound:
    """Bound epsilon from below by the theorem of `one_run_p_value`, for any mechanism.

    Args:
        guesses: what the attacker made of the run.
        delta: the mechanism's, in [0, 1).
        confidence: probability that the bound lies at or below the mechanism's epsilon.
    """
    alpha = significance(confidence)
    epsilon = _largest(lambda x: one_run_p_value(guesses, x, delta) <= alpha)
    return LowerBound(epsilon=epsilon, delta=delta, confidence=confidence, method="one run", n=guesses.canaries)


def epsilon_one_run_gaussian(guesses: Guesses, *, delta: float, confidence: float = CONFIDENCE) -> LowerBound:
    """Bound epsilon from below for a mechanism whose trade-off is Gaussian: tighter than `epsilon_one_run`.

    Mahloujifar, Melis and Chaudhuri (2024), "Auditing f-differential privacy in one run", algorithm 3, inverted
    for mu. Arguments as in `epsilon_one_run`, with `delta` above 0.
    """
    alpha = significance(confidence)
    mu = _largest(lambda x: _too_often(guesses, x, alpha))
    return LowerBound(
        epsilon=gaussian_epsilon(mu, delta),
        delta=delta,
        confidence=confidence,
        method="one run, Gaussian",
        n=guesses.canaries,
    )


def _too_often(guesses: Guesses, mu: float, alpha: float) -> bool:
    """Whether no mu-GDP mechanism lets an attacker be right so often with probability `alpha`.

    Let p_j be the probability of j correct guesses, right_i the sum of j p_j and wrong_i that of (made - j) p_j
    over j >= i. Were the coin of a canary guessed right the other way, the same guess would be one of the wrong
    among one correct less; so wrong_i is at least what a Gaussian test of level right_(i+1) must miss. Starting
    from probability `alpha` at `correct`, this forces mass on ever lower counts; more than all is impossible.
    """
    right, wrong = alpha * guesses.correct, alpha * (guesses.made - guesses.correct)
    total, n = float(guesses.made), guesses.canaries
    for i in range(guesses.correct - 1, -1, -1):
        forced = n * float(ndtr(ndtri(right / n) - mu))
        if forced <= wrong:
            break
        right += i / (guesses.made - i) * (forced - wrong)
        wrong = forced
        if right + wrong > total:
            return True
    return right + wrong > total


def _largest(rejected: Callable[[float], bool]) -> float:
    """Return the largest rejected x >= 0, or 0, never above it; all that lies below a rejected x is rejected."""
    low, high = 0.0, 1.0
    if not rejected(low):
        return 0.0
    while rejected(high):
        low, high = high, 2 * high
    while high - low > 1e-9 * max(1.0, high):
        middle = (low + high) / 2
        low, high = (middle, high) if rejected(middle) else (low, middle)
    return low
