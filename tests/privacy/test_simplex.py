from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import brentq

from jaxsynth.privacy.simplex import to_simplex


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=st.floats(-100, 100)),
    st.integers(0, 1000),
    st.floats(0, 500),
)
@settings(deadline=None)
def test_the_multiplier_is_the_one_that_a_root_search_finds(noisy: np.ndarray, seed: int, total: float) -> None:
    variance = np.random.default_rng(seed).uniform(0.1, 10, noisy.shape)
    found = to_simplex(noisy, variance, np.full(len(noisy), total))
    for x, y, v in zip(found, noisy, variance, strict=True):
        # Karush-Kuhn-Tucker: x = max(y - t v, 0), with t such that the sum is right.
        t = brentq(lambda t, y=y, v=v: np.maximum(y - t * v, 0).sum() - total, -1e5, 1e5, xtol=1e-12)
        np.testing.assert_allclose(x, np.maximum(y - t * v, 0), atol=1e-6)
        np.testing.assert_allclose(x.sum(), total, atol=1e-9 * (1 + total))
    assert (found >= 0).all()
