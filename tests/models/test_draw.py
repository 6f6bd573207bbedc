from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from jaxsynth.codec.groups import Group
from jaxsynth.models.draw import draw_codes, draw_positions, invert, position_log_density, resample


def columns(index: tuple[int, ...], width: int) -> Group:
    sizes = np.full(len(index), width)
    return Group(index, width, sizes, np.zeros((len(index), width), np.float32), None)


@pytest.mark.parametrize("width", [2, 16, 64, 512])
def test_codes_follow_their_probabilities_in_layout_order(width: int) -> None:
    p = np.asarray(jax.random.dirichlet(jax.random.key(1), jnp.full(width, 0.3), (3,)))
    n = 40_000
    groups = (columns((2, 0), width), columns((1,), width))
    chances = [jnp.broadcast_to(p[list(g.index)][..., None], (len(g.index), width, n)) for g in groups]
    codes = np.asarray(draw_codes(jax.random.uniform(jax.random.key(0), (3, n)), groups, chances))
    for column in range(3):
        counts = np.bincount(codes[:, column], minlength=width)
        expected = p[column].astype(np.float64) * n
        common = expected > 5
        chi2 = ((counts - expected)[common] ** 2 / expected[common]).sum()
        assert stats.chi2.sf(chi2, max(common.sum() - 1, 1)) > 1e-4


def test_no_columns_are_drawn_as_none() -> None:
    assert draw_codes(jnp.zeros((0, 5)), (), []).shape == (5, 0)


@pytest.mark.parametrize("width", [4, 32, 256])
def test_codes_of_no_probability_are_never_drawn(width: int) -> None:
    rng = np.random.default_rng(0)
    p = rng.random((3, width, 20_000)).astype(np.float32) * (rng.random((3, width, 20_000)) < 0.1)
    p[:, 0] = np.where(p.sum(1) == 0, 1, p[:, 0])
    uniforms = jax.random.uniform(jax.random.key(0), (3, 20_000))
    codes = np.asarray(draw_codes(uniforms, (columns((0, 1, 2), width),), [jnp.asarray(p)]))
    assert (np.take_along_axis(p, codes.T[:, None], 1) > 0).all()


@pytest.mark.parametrize("width", [1, 3, 16, 64, 100, 5000])
def test_inversion_agrees_with_running_sums(width: int) -> None:
    rng = np.random.default_rng(width)
    p = rng.random((width, 300)).astype(np.float32) * (rng.random((width, 300)) < 0.2)
    p[-1] = np.where(p.sum(0) == 0, 1, p[-1])
    u = rng.random(300).astype(np.float32)
    codes = np.asarray(invert(jnp.asarray(u), jnp.asarray(p)))
    assert (np.take_along_axis(p, codes[None], 0) > 0).all()
    upto = np.cumsum(p.astype(np.float64), axis=0) / p.sum(0, dtype=np.float64)
    reached = np.take_along_axis(upto, codes[None], 0)[0]
    before = reached - np.take_along_axis(p, codes[None], 0)[0] / p.sum(0)
    assert (before <= u + 1e-5).all()
    assert (u <= reached + 1e-5).all()


def test_inversion_takes_one_distribution_for_all_rows() -> None:
    p = jnp.array([0.1, 0.0, 0.6, 0.3])[:, None]
    codes = invert(jnp.linspace(0, 0.999, 1000), p)
    np.testing.assert_allclose(np.bincount(codes, minlength=4) / 1000, p[:, 0], atol=0.003)


@pytest.mark.parametrize("tilt", [-30.0, -1.0, 0.0, 1e-4, 2.0, 50.0])
def test_the_tilted_density_integrates_to_one(tilt: float) -> None:
    p = np.linspace(0, 1, 20_001)
    density = np.exp(np.asarray(position_log_density(jnp.float32(tilt), jnp.asarray(p, jnp.float32)), np.float64))
    assert integrate.simpson(density, x=p) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("tilt", [-8.0, 0.0, 3.0])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.2, 0.5)])
def test_positions_follow_the_tilted_density(tilt: float, low: float, high: float) -> None:
    shape = (20_000, 1)
    uniforms = jax.random.uniform(jax.random.key(0), shape)
    ends = jnp.full(shape, low), jnp.full(shape, high)
    drawn = np.asarray(draw_positions(uniforms, jnp.full(shape, tilt), *ends))[:, 0]
    assert low <= drawn.min()
    assert drawn.max() <= high

    def distribution(p: Any) -> Any:
        if tilt == 0:
            return (p - low) / (high - low)
        return (np.exp(tilt * p) - np.exp(tilt * low)) / (np.exp(tilt * high) - np.exp(tilt * low))

    assert stats.kstest(drawn, distribution).pvalue > 1e-4


def test_resampling_follows_the_weights() -> None:
    weights = np.random.default_rng(0).random(50)
    index = np.asarray(resample(jax.random.key(0), jnp.log(jnp.asarray(weights, jnp.float32)) + 300, 20_000))
    counts = np.bincount(index, minlength=50)
    np.testing.assert_allclose(counts, weights / weights.sum() * 20_000, atol=2.1)
    assert abs(np.corrcoef(index[:-1], index[1:])[0, 1]) < 0.05
