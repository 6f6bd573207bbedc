from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxsynth.privacy.histogram import Histogram


@st.composite
def histograms(draw: st.DrawFn) -> Histogram:
    widths = draw(st.lists(st.integers(1, 50), min_size=1, max_size=40))
    mass = draw(st.lists(st.just(0.0) | st.floats(0.01, 100), min_size=len(widths), max_size=len(widths)))
    return Histogram(edges=np.concatenate([[0], np.cumsum(widths)]), mass=np.array(mass))


@given(histograms(), st.integers(2, 64))
def test_edges_and_knots_describe_a_distribution(histogram: Histogram, intervals: int) -> None:
    edges = histogram.quantile_edges(intervals)
    assert edges[0] == 0
    assert edges[-1] == histogram.edges[-1]
    assert (np.diff(edges) > 0).all()
    assert len(edges) <= intervals + 1
    leaves, ranks = histogram.knots(edges)
    assert (np.diff(leaves) > 0).all()
    assert (np.diff(ranks) > 0).all()
    assert ranks[0] == 0
    assert ranks[-1] == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(ranks[np.isin(leaves, edges)] * (len(edges) - 1), np.arange(len(edges)), atol=1e-9)
    np.testing.assert_allclose(np.diff(histogram.below(edges)).sum(), histogram.total, atol=1e-9)


def test_intervals_of_a_smooth_measure_weigh_the_same() -> None:
    histogram = Histogram(edges=np.arange(1001) * 100, mass=np.linspace(1, 3, 1000))
    mass = np.diff(histogram.below(histogram.quantile_edges(20)))
    np.testing.assert_allclose(mass, histogram.total / 20, rtol=1e-3)


def test_a_void_gets_next_to_no_rank() -> None:
    histogram = Histogram(edges=np.array([0, 10, 1000]), mass=np.array([50.0, 0.0]))
    leaves, ranks = histogram.knots(histogram.quantile_edges(5))
    assert ranks[leaves == 10] > 0.999


def test_heavy_leaves_are_single() -> None:
    histogram = Histogram(edges=np.array([0, 1, 5, 6, 7]), mass=np.array([50.0, 60.0, 3.0, 40.0]))
    assert histogram.heavy_leaves(30).tolist() == [0, 6]
    assert histogram.masses(np.array([0, 6])).tolist() == [50, 40]
    assert histogram.without(np.array([6])).mass.tolist() == [50, 60, 3, 0]
    assert histogram.plus(np.array([3, 6]), np.array([1.0, 2.0])).mass.tolist() == [50, 61, 3, 42]


def test_many_cells_are_thinned_without_losing_steps() -> None:
    mass = np.zeros(100_000)
    mass[[5, 50_000]] = 10.0
    histogram = Histogram(edges=np.arange(100_001), mass=mass)
    bends = histogram.bends()
    assert len(bends) < 2000
    assert {5, 6, 50_000, 50_001} <= set(bends.tolist())
