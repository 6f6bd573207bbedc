from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import optimize

from jaxsynth.audit.evidence import Rows
from jaxsynth.audit.intervals import Interval, wilson, z_two_sided
from jaxsynth.audit.residual import AttackEvidence, detectable_residual, residual_risk
from jaxsynth.audit.result import Question
from jaxsynth.audit.verdict import RESIDUAL

QUESTION = Question(name="q", title="Q", question="?", threat="!", unit="share of targets", rule=RESIDUAL)


def _evidence(a: float, n: int, c: float, m: int, *, naive: float = 0.0, scale: float = 1.0) -> AttackEvidence:
    """The first `a` of `n` attacks and the first `c` of `m` controls succeed."""
    return AttackEvidence(
        question=QUESTION,
        attacked=np.arange(n) < a,
        control=np.arange(m) < c,
        naive=np.full(n, naive),
        sides=(Rows("train", np.arange(n)), Rows("holdout", np.arange(m))),
        scale=scale,
    )


@example(a=0.0, n=1, c=1 - 2.0**-53, m=1, z=1.0)  # nearly all controls succeed: the limit of their failures is 0
@given(a=st.floats(0, 1), n=st.integers(1, 10**8), c=st.floats(0, 1), m=st.integers(1, 10**8), z=st.floats(0.1, 6))
def test_limits_hold_the_estimate(a: float, n: int, c: float, m: int, z: float) -> None:
    found = residual_risk(a * n, n, c * m, m, z=z)
    assert -1 <= found.low <= found.estimate <= found.high <= 1


@given(a=st.integers(0, 60), c=st.integers(0, 39))
def test_the_estimate_is_the_share_of_what_was_left(a: int, c: int) -> None:
    expected = (a / 60 - c / 40) / (1 - c / 40)
    assert residual_risk(a, 60, c, 40).estimate == pytest.approx(max(-1, expected))


@pytest.mark.parametrize(("a", "n", "c", "m"), [(30, 100, 10, 200), (3, 50, 3, 50), (80, 100, 60, 90)])
def test_the_limits_are_where_the_difference_of_failures_reaches_zero(a: int, n: int, c: int, m: int) -> None:
    """The defining property of the method of variance estimates recovery, solved numerically."""
    x, y = wilson(n - a, n), wilson(m - c, m)

    def lower(r: float) -> float:
        return x.estimate - r * y.estimate - math.hypot(x.estimate - x.low, r * (y.high - y.estimate))

    def upper(r: float) -> float:
        return x.estimate - r * y.estimate + math.hypot(x.high - x.estimate, r * (y.estimate - y.low))

    ratio = x.estimate / y.estimate
    found = residual_risk(a, n, c, m)
    assert found.high == pytest.approx(1 - optimize.brentq(lower, 0, ratio))
    assert found.low == pytest.approx(1 - optimize.brentq(upper, ratio, 100))


@pytest.mark.parametrize(
    ("a", "c", "n", "m"),
    [
        (0.01, 0.01, 2000, 2000), (0.005, 0.0, 2000, 2000), (0.1, 0.1, 2000, 500), (0.5, 0.5, 200, 200),
        (0.97, 0.97, 2000, 2000), (0.97, 0.97, 2000, 500), (0.3, 0.05, 500, 2000), (0.95, 0.5, 500, 500),
    ],
)  # fmt: skip
def test_limits_cover_the_residual_risk(a: float, c: float, n: int, m: int) -> None:
    rng = np.random.default_rng(0)
    drawn = zip(rng.binomial(n, a, 3000), rng.binomial(m, c, 3000), strict=True)
    limits = np.array([residual_risk(x, n, y, m)[1:] for x, y in drawn])
    truth = (a - c) / (1 - c)
    inside = np.mean((limits[:, 0] <= truth) & (truth <= limits[:, 1]))
    assert 0.935 <= inside <= 0.985
    assert np.mean(limits[:, 0] > truth) <= 0.04


def test_where_every_control_succeeds_nothing_is_known() -> None:
    assert residual_risk(5, 10, 20, 20) == (0.0, -1.0, 1.0)
    assert detectable_residual(10, 20, 20, found=RESIDUAL.found) == 1.0


def _found(risk: Interval) -> bool:
    return risk.low > 0


@pytest.mark.parametrize(
    ("n", "m", "c"), [(2000, 2000, 0.0), (2000, 1000, 0.05), (1000, 1000, 0.5), (500, 2000, 0.9)]
)
def test_a_detectable_risk_is_found_with_80_percent_power(n: int, m: int, c: float) -> None:
    rng = np.random.default_rng(1)
    risk = detectable_residual(n, round(m * c), m, found=_found)
    drawn = zip(rng.binomial(n, c + risk * (1 - c), 1000), rng.binomial(m, c, 1000), strict=True)
    power = np.mean([residual_risk(x, n, y, m).low > 0 for x, y in drawn])
    assert 0.75 <= power <= 0.87


def test_more_targets_detect_more() -> None:
    found = [detectable_residual(n, n // 10, n, found=_found) for n in (1, 100, 1000, 10_000)]
    assert found == sorted(found, reverse=True)
    assert found[0] == 1.0


def test_results_are_the_rates_and_the_risk_at_the_confidence_asked_for() -> None:
    z = z_two_sided(0.99)
    (found,) = _evidence(300, 1000, 50, 500).results(seed=7, confidence=0.99)
    assert (found.estimate, found.low, found.high) == wilson(300, 1000, z=z)
    assert (found.baseline, found.baseline_low, found.baseline_high) == wilson(50, 500, z=z)
    assert (found.excess, found.excess_low, found.excess_high) == residual_risk(300, 1000, 50, 500, z=z)
    assert found.detectable == detectable_residual(1000, 50, 500, found=RESIDUAL.found, z=z)
    assert (found.n, found.n_baseline, found.seed, found.confidence) == (1000, 500, 7, 0.99)
    assert found.verdict == "fail"


def test_verdicts() -> None:
    assert _evidence(50, 2000, 50, 2000).results(seed=0)[0].verdict == "pass"
    assert _evidence(5, 200, 5, 200).results(seed=0)[0].verdict == "underpowered"
    assert _evidence(1500, 2000, 1500, 2000).results(seed=0)[0].verdict == "underpowered"


def test_an_attack_no_better_than_guessing_cannot_pass_but_can_fail() -> None:
    (found,) = _evidence(50, 2000, 50, 2000, naive=0.025).results(seed=0)
    assert (found.verdict, found.detectable) == ("underpowered", 1.0)
    assert _evidence(150, 2000, 50, 2000, naive=0.1).results(seed=0)[0].verdict == "fail"


def test_scale_multiplies_the_risk_and_what_is_detectable() -> None:
    (one,) = _evidence(100, 2000, 50, 2000).results(seed=0)
    (four,) = _evidence(100, 2000, 50, 2000, scale=4).results(seed=0)
    assert (four.excess, four.excess_low) == pytest.approx((4 * one.excess, 4 * one.excess_low))
    assert four.detectable == pytest.approx(4 * one.detectable, rel=0.3)
    assert _evidence(1900, 2000, 50, 2000, scale=4).results(seed=0)[0].excess == 1.0


def test_among_takes_rows_successes_and_guesses_together() -> None:
    whole = _evidence(3, 10, 2, 5, naive=0.1)
    part = whole.among(np.arange(10) >= 2, np.arange(5) % 2 == 0)
    assert part.attacked.tolist() == [True] + [False] * 7
    assert part.control.tolist() == [True, False, False]
    assert part.sides[0].at.tolist() == list(range(2, 10))
    assert part.sides[1].at.tolist() == [0, 2, 4]
    assert len(part.naive) == 8


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 3), (3, 1), (9, 2000), (0, 5), (5, 0), (0, 0)])
def test_few_attacks_or_none_are_underpowered(n: int, m: int) -> None:
    (found,) = _evidence(n, n, 0, m).results(seed=0)
    assert (found.verdict, found.detectable) == ("underpowered", 1.0)
    assert found.low <= found.estimate <= found.high
    assert found.excess_low <= 0 <= found.excess_high


def test_ten_attacks_that_all_succeed_are_enough() -> None:
    assert _evidence(10, 10, 0, 10).results(seed=0)[0].verdict == "fail"
