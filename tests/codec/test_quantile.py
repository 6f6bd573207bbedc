from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from jaxsynth import _core
from jaxsynth.codec.layout import Encoded
from jaxsynth.codec.quantile import Quantiles, fit_quantiles
from jaxsynth.codec.stored import store

ANYWHERE = (0.0, 1.0, -np.inf, np.inf)


def values_at(
    q: Quantiles, interval: NDArray[np.int64], position: NDArray[np.float64], intervals: int
) -> NDArray[np.float64]:
    reading = _core.Reading.numbers(np.zeros(0), intervals, q.values, q.ranks, q.starts, ANYWHERE, False)
    (stored,) = store([reading], [Encoded((interval.astype(np.uint32),), (position,))])
    return np.frombuffer(stored.cells)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=400),
    st.sampled_from([None, 1.0, 0.01]),
    st.sampled_from([1, 4, 64]),
)
def test_strictly_increasing_and_inverted_at_every_value(
    values: list[float], resolution: float | None, intervals: int
) -> None:
    x = np.array(values)
    q = fit_quantiles(x, (x.min(), x.max()), resolution)
    assert (np.diff(q.values) > 0).all()
    assert (np.diff(q.ranks) > 0).all()
    interval, position = q.locate(x, intervals)
    assert ((interval >= 0) & (interval < intervals)).all()
    assert ((position >= 0) & (position <= 1)).all()
    np.testing.assert_allclose(
        values_at(q, interval, position, intervals), x, rtol=1e-12, atol=1e-12 * np.ptp(q.values)
    )


@pytest.mark.parametrize("scale", [5e-324, 1e-318, 1e-310, 1e-300, 1.0, 1e300])
def test_numbers_of_every_magnitude_are_told_apart(scale: float) -> None:
    x = np.array([0.0, 1.0, 3.0]) * scale
    q = fit_quantiles(x, (x[0], x[2]), None)
    interval, position = q.locate(x, 4)
    np.testing.assert_allclose(values_at(q, interval, position, 4), x, rtol=1e-12, atol=1e-12 * scale)
    np.testing.assert_allclose(q.value(q.rank(x)), x, rtol=1e-12, atol=1e-12 * scale)


def test_no_interval_between_knots_hands_out_single_values() -> None:
    x = np.random.default_rng(0).normal(size=3000)
    q = fit_quantiles(x, (x.min(), x.max()), None)
    inside = np.histogram(x, q.values)[0]
    assert inside.min() >= 8
    assert not np.isin(q.values[1:-1], x).any()


def test_ranks_are_the_distribution_function() -> None:
    x = np.random.default_rng(0).exponential(size=50_000)
    q = fit_quantiles(x, (0.0, x.max()), None)
    grid = np.linspace(0.1, 4, 40)
    np.testing.assert_allclose(q.rank(grid), 1 - np.exp(-grid), atol=0.01)


@pytest.mark.parametrize("knots", [2, 3, 100, 1025])
@pytest.mark.parametrize("even", [True, False])
def test_knots_found_by_a_table_are_those_a_search_finds(knots: int, even: bool) -> None:
    """Even ranks have a table; among uneven ones two knots may lie too close for one."""
    rng = np.random.default_rng(knots)
    ranks = np.linspace(0, 1, knots) if even else np.r_[0.0, np.sort(rng.random(knots - 2)), 1.0]
    q = Quantiles(values=np.cumsum(rng.random(knots) + 0.01), ranks=ranks)
    for intervals in (1, 64, 100):
        at_knots = np.clip(ranks[:-1] * intervals, 0, intervals - 1e-9)
        u = np.concatenate([rng.random(5000) * intervals, at_knots])
        interval = np.floor(u).astype(np.int64)
        position = u - interval
        j = np.clip(np.searchsorted(ranks * intervals - 1e-12, u, side="right") - 1, 0, knots - 2)
        share = np.clip((u - ranks[j] * intervals) / (np.diff(ranks)[j] * intervals), 0, 1)
        expected = q.values[j] + share * np.diff(q.values)[j]
        np.testing.assert_allclose(values_at(q, interval, position, intervals), expected, rtol=1e-9)
