"""Bounds from one run: against jax_privacy, against exact probabilities, and against simulated canaries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jax_privacy.auditing import CanaryScoreAuditor, Explicit
from scipy import stats
from scipy.special import expit

from jaxsynth.errors import PrivacyError
from jaxsynth.privacy.one_run import Guesses, epsilon_one_run, epsilon_one_run_gaussian, one_run_p_value
from jaxsynth.privacy.trade_off import gaussian_epsilon, gaussian_mu

DELTA = 1e-5


def canaries(mu: float, m: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    included = rng.random(m) < 0.5
    return rng.normal(size=m) + mu * included, included


@pytest.mark.parametrize("mu", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("high", [5, 40, 200])
def test_what_jax_privacy_gets(mu: float, high: int) -> None:
    scores, included = canaries(mu, 400, np.random.default_rng(0))
    auditor = CanaryScoreAuditor(scores[included], scores[~included])
    at = Explicit(float(np.sort(scores)[-high]))
    guesses = Guesses.of(scores, included, high=high, low=0)
    expected = auditor.epsilon_one_run(0.05, DELTA, threshold_strategy=at)
    assert epsilon_one_run(guesses, delta=DELTA).epsilon == pytest.approx(expected, abs=2e-6)
    expected = auditor.epsilon_one_run_fdp(0.05, DELTA, threshold_strategy=at)
    assert epsilon_one_run_gaussian(guesses, delta=DELTA).epsilon == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("mu", "least"), [(0.0, 0.0), (0.5, 0.9), (1.0, 2.2), (2.0, 5.0)])
def test_seldom_above_the_truth_and_tighter_with_the_trade_off(mu: float, least: float) -> None:
    rng = np.random.default_rng(1)
    guesses = [Guesses.of(*canaries(mu, 2000, rng), high=200, low=200) for _ in range(200)]
    general = np.array([epsilon_one_run(g, delta=DELTA).epsilon for g in guesses[:50]])
    gaussian = np.array([epsilon_one_run_gaussian(g, delta=DELTA).epsilon for g in guesses])
    assert np.mean(gaussian > gaussian_epsilon(mu, DELTA)) <= 0.05
    assert np.median(gaussian) >= least
    assert (general <= gaussian[:50] + 1e-6).all()


def quantile(share: float, made: int, truth: float, idle: int) -> tuple[Guesses, float]:
    """The count of right guesses at a quantile of what chance gives, and the probability of so many or more."""
    correct = max(1, int(stats.binom.ppf(share, made, truth)))
    return Guesses(correct=correct, made=made, canaries=made + idle), float(
        stats.binom.sf(correct - 1, made, truth)
    )


guessing = {"made": st.integers(1, 300), "share": st.floats(0.01, 0.9999), "idle": st.integers(0, 300)}


@given(epsilon=st.floats(0, 6), **guessing)
def test_pure_randomized_response_is_bounded_exactly(epsilon: float, made: int, share: float, idle: int) -> None:
    """Each coin told rightly with probability expit(epsilon): what is proved at that level is no more, no less."""
    guesses, alpha = quantile(share, made, float(expit(epsilon)), idle)
    assume(0 < alpha < 0.999)
    found = epsilon_one_run(guesses, delta=0.0, confidence=1 - alpha).epsilon
    assert found == pytest.approx(epsilon, abs=1e-3)


@given(epsilon=st.floats(0, 6), delta=st.floats(1e-9, 0.2), **guessing)
def test_approximate_randomized_response_is_never_exceeded(
    epsilon: float, delta: float, made: int, share: float, idle: int
) -> None:
    """With probability delta a coin is given away; either each coin on its own, or all of them together."""
    guesses = Guesses(correct=round(share * made), made=made, canaries=made + idle)
    truth = expit(epsilon)
    alone = stats.binom.sf(guesses.correct - 1, made, delta + (1 - delta) * truth)
    together = delta + (1 - delta) * stats.binom.sf(guesses.correct - 1, made, truth)
    assert one_run_p_value(guesses, epsilon, delta) >= max(alone, together) - 1e-12


@given(mu=st.floats(0, 4), **guessing)
def test_independent_gaussian_canaries_are_never_exceeded(mu: float, made: int, share: float, idle: int) -> None:
    """Each coin told rightly with the best probability of a mu-GDP mechanism: proved is at most mu."""
    guesses, alpha = quantile(share, made, float(stats.norm.cdf(mu / 2)), idle)
    assume(0 < alpha < 0.999)
    found = epsilon_one_run_gaussian(guesses, delta=DELTA, confidence=1 - alpha).epsilon
    assert found <= gaussian_epsilon(mu, DELTA) + 1e-6


@pytest.mark.parametrize("correct", [15, 17, 20])
def test_one_sum_over_all_canaries_is_never_exceeded(correct: int) -> None:
    """Scores that share one noise: a Gaussian sum over 20 coins, all called by its sign against the middle."""
    m, mu = 20, 1.0
    ones = np.arange(m + 1)
    high = stats.norm.sf((m / 2 - ones) * mu)
    right = stats.binom.pmf(ones, m, 0.5)
    alpha = float(np.sum(right * (high * (ones >= correct) + (1 - high) * (m - ones >= correct))))
    found = epsilon_one_run_gaussian(
        Guesses(correct=correct, made=m, canaries=m), delta=DELTA, confidence=1 - alpha
    )
    assert found.epsilon <= gaussian_epsilon(mu, DELTA)


def test_one_guess_is_a_test_of_one_coin() -> None:
    """A single right guess has probability Phi(mu / 2) at most, which the recursion must find exactly."""
    for mu in (0.1, 1.0, 2.0):
        alpha = stats.norm.cdf(mu / 2)
        guesses = Guesses(correct=1, made=1, canaries=1)
        found = epsilon_one_run_gaussian(guesses, delta=DELTA, confidence=1 - alpha)
        assert gaussian_mu(found.epsilon, DELTA) == pytest.approx(mu, rel=1e-4)


@settings(deadline=None, max_examples=50)
@given(delta=st.floats(0, 0.01), **guessing)
def test_the_p_value_grows_with_epsilon(delta: float, made: int, share: float, idle: int) -> None:
    """The inversion needs it, where p-values are small enough to reject anything."""
    guesses = Guesses(correct=round(share * made), made=made, canaries=made + idle)
    found = np.array([one_run_p_value(guesses, epsilon, delta) for epsilon in np.linspace(0, 8, 81)])
    small = found[:-1] <= 0.5
    assert (np.diff(found)[small] >= -1e-9).all()


def test_ties_are_broken_against_the_attacker() -> None:
    """Canaries that come sorted by their coins, with scores that say nothing, must not look like a leak."""
    included = np.repeat([True, False], 100)
    for scores in (np.zeros(200), np.repeat([1.0, 0.0], [150, 50])[::-1]):
        guesses = Guesses.of(scores, included, high=40, low=40)
        assert guesses.correct == 0
    assert Guesses.of(included.astype(float), included, high=40, low=40).correct == 80


def test_the_highest_are_called_included() -> None:
    scores, included = np.array([5.0, -1.0, 3.0, 0.0, 4.0]), np.array([True, False, False, True, True])
    assert Guesses.of(scores, included, high=2, low=0) == Guesses(correct=2, made=2, canaries=5)
    assert Guesses.of(scores, included, high=3, low=2) == Guesses(correct=3, made=5, canaries=5)
    assert Guesses.of(-scores, included, high=2, low=0).correct == 1


def test_no_success_shows_nothing_and_full_success_is_finite() -> None:
    none, full = (Guesses(correct=v, made=1000, canaries=1000) for v in (0, 1000))
    assert epsilon_one_run(none, delta=DELTA).epsilon == epsilon_one_run_gaussian(none, delta=DELTA).epsilon == 0
    truth = 0.05 ** (1 / 1000)
    assert epsilon_one_run(full, delta=0.0).epsilon == pytest.approx(math.log(truth / (1 - truth)), abs=1e-6)
    assert 5 < epsilon_one_run_gaussian(full, delta=DELTA).epsilon < 50


def test_mistakes_are_told() -> None:
    scores, included = np.arange(4.0), np.array([True, False, True, False])
    with pytest.raises(PrivacyError, match="guesses need"):
        Guesses(correct=3, made=2, canaries=9)
    with pytest.raises(PrivacyError, match="at most one"):
        Guesses.of(scores, included, high=3, low=2)
    with pytest.raises(PrivacyError, match="bool"):
        Guesses.of(scores, included.astype(int), high=1, low=1)
    with pytest.raises(PrivacyError, match="NaN"):
        Guesses.of(np.full(4, np.nan), included, high=1, low=1)
    with pytest.raises(PrivacyError, match="delta"):
        epsilon_one_run_gaussian(Guesses(correct=1, made=1, canaries=1), delta=0.0)
