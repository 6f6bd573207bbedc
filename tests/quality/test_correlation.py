from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxsynth.quality.correlation import correlations

small = st.integers(-3, 3).map(float) | st.just(float("nan"))


@settings(max_examples=60)
@given(hnp.arrays(np.float64, st.tuples(st.integers(2, 12), st.just(3)), elements=small))
def test_pairwise_deletion_is_that_of_pandas(cells: Any) -> None:
    expected = pd.DataFrame(cells).corr(min_periods=2).to_numpy()
    got = correlations(list(cells.T))
    off = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(got[off], expected[off], atol=1e-9)


def test_one_outlier_in_rows_the_pair_does_not_share() -> None:
    """The sums that serve all pairs lose every digit of the rest; the pair is then computed by itself."""
    rng = np.random.default_rng(0)
    a = np.append(rng.normal(size=500), 1e13)
    b = np.append(a[:500] + rng.normal(size=500), np.nan)
    expected = np.corrcoef(a[:500], b[:500])[0, 1]
    assert correlations([a, b])[0, 1] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("offset", [0.0, 1.6e18, -1e12])
def test_offsets_do_not_cancel_digits(offset: float) -> None:
    rng = np.random.default_rng(1)
    scale = max(abs(offset) * 1e-3, 1.0)
    x = offset + scale * rng.normal(size=300)
    y = x + scale * rng.normal(size=300)
    assert correlations([x, y])[0, 1] == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-9)


def test_huge_values_do_not_overflow() -> None:
    x = np.array([1e300, -1e300, 5e299, 0.0])
    assert correlations([x, -x])[0, 1] == pytest.approx(-1.0)


def test_constants_and_short_columns_are_undefined() -> None:
    x, nan = np.array([1.0, 2.0, 4.0]), float("nan")
    got = correlations([x, np.full(3, 0.1), np.array([nan, nan, 1.0]), np.array([5.0, 5.0, nan])])
    assert np.isnan(got[0, 1:]).all()


def test_no_columns() -> None:
    assert correlations([]).shape == (0, 0)
