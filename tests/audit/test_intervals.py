from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from jaxsynth.audit.intervals import (
    Interval,
    detectable_share,
    detectable_shortfall,
    newcombe,
    percentile,
    quantile,
    rank,
    shortfall,
    wilson,
    z_two_sided,
)


def test_wilson_matches_scipy() -> None:
    for count, n in ((0, 10), (3, 10), (10, 10), (81, 263), (1, 10_000)):
        expected = stats.binomtest(count, n).proportion_ci(0.95, method="wilson")
        np.testing.assert_allclose(wilson(count, n)[1:], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("a", "n", "b", "m", "low", "high"),
    [
        # Newcombe (1998), Table II, method 10.
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (10, 10, 0, 10, 0.6075, 1.0),
    ],
)
def test_newcombe_matches_the_published_examples(a: int, n: int, b: int, m: int, low: float, high: float) -> None:
    found = newcombe(a, n, b, m)
    assert found.estimate == pytest.approx(a / n - b / m)
    assert found.low == pytest.approx(low, abs=6e-5)
    assert found.high == pytest.approx(high, abs=6e-5)


@given(a=st.floats(0, 1), n=st.integers(1, 10**9), b=st.floats(0, 1), m=st.integers(1, 10**9))
def test_limits_hold_the_estimate(a: float, n: int, b: float, m: int) -> None:
    for found in (wilson(a * n, n), newcombe(a * n, n, b * m, m)):
        assert -1 <= found.low <= found.estimate <= found.high <= 1


def test_newcombe_covers_the_difference() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for a, b in zip(rng.binomial(2000, 0.02, 1000), rng.binomial(500, 0.01, 1000), strict=True):
        found = newcombe(a, 2000, b, 500)
        inside += found.low <= 0.01 <= found.high
    assert 0.93 <= inside / 1000 <= 0.985


def _above_zero(difference: Interval) -> bool:
    return difference.low > 0


@pytest.mark.parametrize(("n", "m", "real"), [(5000, 1000, 0.0), (5000, 1000, 0.05), (1000, 1000, 0.3)])
def test_a_detectable_share_is_found_with_80_percent_power(n: int, m: int, real: float) -> None:
    rng = np.random.default_rng(1)
    excess = detectable_share(n, round(m * real), m, found=_above_zero)
    draws = zip(rng.binomial(n, real + excess, 1000), rng.binomial(m, real, 1000), strict=True)
    power = np.mean([newcombe(a, n, b, m).low > 0 for a, b in draws])
    assert 0.75 <= power <= 0.87


def test_a_share_that_cannot_be_exceeded_is_not_detectable() -> None:
    assert detectable_share(100, 50, 50, found=_above_zero) == 1.0
    assert detectable_share(1, 0, 1, found=_above_zero) == 1.0


def test_detectable_share_shrinks_with_rows() -> None:
    found = [detectable_share(n, 0, n, found=_above_zero) for n in (100, 1000, 10_000)]
    assert found == sorted(found, reverse=True)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=50), st.floats(0, 1))
def test_quantile_is_the_inverse_cdf(values: list[float], p: float) -> None:
    ordered = np.sort(np.array(values))
    at = quantile(ordered, p)
    assert at in values
    assert np.mean(ordered <= at) >= p - 1e-9


def test_rank_is_not_moved_by_rounding() -> None:
    assert rank(300, 0.05) == 15
    assert rank(700, 0.01) == 7
    assert rank(1, 0.05) == 1
    assert rank(10, 0.0) == 1


def test_percentile_holds_its_estimate() -> None:
    assert percentile(5.0, np.array([1.0, 2.0])) == pytest.approx((5.0, 1.025, 5.0))


def test_shortfall_is_relative_to_the_baseline() -> None:
    found = shortfall(np.array([1.0, 3.0, 0.0, 1.0]), np.array([2.0, 2.0, 0.0, 0.0]))
    assert found.tolist() == [0.5, -0.5, 0.0, 0.0]
    assert shortfall(0.5, 2.0) == pytest.approx(0.75)


def _shortfalls(mine: np.ndarray, real: np.ndarray, rng: np.random.Generator, resamples: int) -> np.ndarray:
    """Of 5th percentiles, by the ordinary bootstrap."""
    drawn = [
        np.partition(rng.choice(x, (resamples, len(x))), rank(len(x), 0.05) - 1, axis=1)[:, rank(len(x), 0.05) - 1]
        for x in (mine, real)
    ]
    return shortfall(*drawn)


@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_a_detectable_shortfall_is_found_with_80_percent_power(confidence: float) -> None:
    rng = np.random.default_rng(4)
    spread = _shortfalls(rng.gamma(9, size=4000), rng.gamma(9, size=1000), rng, 2000)
    excess = detectable_shortfall(np.sort(rng.gamma(9, size=50_000))[::50], 0.05, spread, confidence)
    hits = []
    for _ in range(250):
        drawn = _shortfalls((1 - excess) * rng.gamma(9, size=4000), rng.gamma(9, size=1000), rng, 300)
        # By the normal limit: 300 resamples hold no half a per cent.
        hits.append(drawn.mean() > z_two_sided(confidence) * drawn.std())
    assert 0.7 <= np.mean(hits) <= 0.9


def test_more_confidence_detects_less() -> None:
    ordered, drawn = np.linspace(1, 2, 1000), np.random.default_rng(0).normal(0, 0.01, 2000)
    found = [detectable_shortfall(ordered, 0.05, drawn, c) for c in (0.95, 0.975, 0.995)]
    wanted = [(z_two_sided(c) + stats.norm.ppf(0.8)) * drawn.std() for c in (0.95, 0.975, 0.995)]
    assert found == pytest.approx(wanted)


@pytest.mark.parametrize("values", [np.zeros(100), np.ones(100), np.arange(1.0, 11.0)])
def test_no_shortfall_is_detectable_where_no_lower_quantile_is_known(values: np.ndarray) -> None:
    assert detectable_shortfall(values, 0.05, np.zeros(10)) == 1.0


def test_on_a_lattice_the_next_lower_value_must_be_reached() -> None:
    values = np.repeat([0.5, 1.0, 2.0], [1, 999, 999])
    assert detectable_shortfall(values, 0.05, np.zeros(10)) == 0.5
    assert detectable_shortfall(values, 0.05, np.random.default_rng(0).normal(0, 0.25, 1000)) > 0.5


def test_percentile_honours_its_confidence() -> None:
    drawn = np.arange(2001.0)
    assert percentile(1000.0, drawn) == pytest.approx((1000, 50, 1950))
    assert percentile(1000.0, drawn, 0.99) == pytest.approx((1000, 10, 1990))


@given(a=st.floats(0, 1), n=st.integers(1, 10**6), b=st.floats(0, 1), m=st.integers(1, 10**6))
def test_more_confidence_is_wider(a: float, n: int, b: float, m: int) -> None:
    narrow, wide = (newcombe(a * n, n, b * m, m, z=z_two_sided(c)) for c in (0.95, 0.995))
    assert wide.low <= narrow.low + 1e-12
    assert wide.high >= narrow.high - 1e-12


def test_a_detectable_share_grows_with_confidence() -> None:
    found = [detectable_share(5000, 3, 1000, found=_above_zero, z=z_two_sided(c)) for c in (0.95, 0.995)]
    assert found[0] < found[1] < 0.05


def test_z_is_that_of_the_normal_table() -> None:
    assert z_two_sided() == pytest.approx(1.959964, abs=1e-6)
    assert z_two_sided(0.99) == pytest.approx(2.575829, abs=1e-6)
