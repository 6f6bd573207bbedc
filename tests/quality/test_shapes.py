from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxsynth.quality.shapes import column_scores, ks_distance, tv_distance

cells = hnp.arrays(np.float64, st.integers(1, 40), elements=st.integers(-5, 5).map(float) | st.just(float("nan")))
codes = hnp.arrays(np.int64, st.integers(1, 40), elements=st.integers(-1, 6))


@given(cells, cells)
def test_ks_is_the_largest_gap_of_distribution_functions(a: Any, b: Any) -> None:
    x, y = a[~np.isnan(a)], b[~np.isnan(b)]
    got = ks_distance(a, b)
    if not len(x) or not len(y):
        assert got is None
    else:
        expected = max(abs((x <= v).mean() - (y <= v).mean()) for v in range(-5, 6))
        assert got == pytest.approx(expected, abs=1e-12)


@given(cells, cells)
def test_ks_is_symmetric_and_zero_for_the_same_cells(a: Any, b: Any) -> None:
    assert ks_distance(a, b) == ks_distance(b, a)
    assert ks_distance(a, a[::-1]) in (0.0, None)


@given(codes, codes)
def test_tv_is_a_distance_of_shares(a: Any, b: Any) -> None:
    got = tv_distance(a, b)
    x, y = a[a >= 0], b[b >= 0]
    if not len(x) or not len(y):
        assert got is None
    else:
        expected = 0.5 * sum(abs((x == c).mean() - (y == c).mean()) for c in range(7))
        assert got == pytest.approx(expected, abs=1e-12)
        assert got == tv_distance(b, a)


def test_inputs_are_not_changed() -> None:
    a = np.array([3.0, np.nan, 0.1 + 0.2])
    kept = a.copy()
    ks_distance(a, a)
    np.testing.assert_array_equal(a, kept)


def test_missing_is_a_difference_of_null_rates(three: Any) -> None:
    score = next(c for c in column_scores(three.coded) if c.name == "skewed")
    rate = {
        w: getattr(three, w)["skewed"].null_count / getattr(three, w).num_rows
        for w in ("train", "holdout", "synthetic")
    }
    assert score.missing == pytest.approx(rate["synthetic"] - rate["train"])
    assert score.missing_real == pytest.approx(rate["holdout"] - rate["train"])
