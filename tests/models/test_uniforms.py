from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.stats import qmc

from jaxsynth.models.uniforms import _shuffled, normals, spread_uniforms


def drawn(seed: int, columns: int, n: int, block: int = 0) -> np.ndarray:
    return np.asarray(spread_uniforms(jax.random.key(seed), block, columns, n))


@pytest.mark.parametrize("n", [64, 256])
def test_every_stratum_is_filled_once_by_the_first_points_too(n: int) -> None:
    u = drawn(0, 5, 256)[:, :n]
    assert u.shape == (5, n)
    assert (np.sort(np.floor(u * n), axis=1) == np.arange(n)).all()


def test_blocks_of_a_stream_fill_every_stratum_together() -> None:
    u = np.concatenate([drawn(0, 40, 256, block) for block in range(8)], axis=1)
    assert (np.sort(np.floor(u * 2048), axis=1) == np.arange(2048)).all()
    later = drawn(0, 40, 256, 1 << 12)  # past the end of the sequences
    assert not (later == drawn(0, 40, 256, 0)).any(axis=1).all()


@pytest.mark.parametrize("n", [1, 2, 3, 128, 1000])
def test_the_free_shuffle_is_a_permutation(n: int) -> None:
    bits = max(n - 1, 1).bit_length()
    places = np.asarray(_shuffled(jax.random.key(n), 1 << bits, bits))
    assert (np.sort(places) == np.arange(1 << bits)).all()


def test_the_free_shuffle_leaves_no_order() -> None:
    places = np.stack([np.asarray(_shuffled(jax.random.key(i), 4096, 12)) for i in range(200)])
    assert np.abs(np.corrcoef(places[:, :-1].ravel(), places[:, 1:].ravel())[0, 1]) < 0.01
    for other in (np.arange(4096), np.arange(4096) % 64, np.arange(4096) // 64):
        found = [np.corrcoef(own, other)[0, 1] for own in places]
        assert np.std(found) < 1.3 / 64
    counts = np.histogram2d(places[:100].ravel(), places[100:].ravel(), bins=32)[0]
    assert stats.chi2.sf(((counts - 400) ** 2 / 400).sum(), 1023) > 1e-4


def test_the_outermost_uniforms_give_finite_normals() -> None:
    outermost = np.array([0, 1 - 2.0**-24], np.float32)
    np.testing.assert_allclose(
        normals(jnp.asarray(outermost)), stats.norm.ppf([2.0**-25, 1 - 2.0**-24]), rtol=1e-3
    )


def test_points_are_more_even_than_independent_ones() -> None:
    independent = np.random.default_rng(0).random((10, 1000))
    assert qmc.discrepancy(drawn(3, 10, 1000).T) < qmc.discrepancy(independent.T) / 2


def test_every_point_alone_is_uniform() -> None:
    first = np.concatenate([drawn(seed, 2, 7)[:, 5] for seed in range(300)])
    assert stats.kstest(first, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("step", [2, 3, 8])
def test_every_other_point_is_as_good_as_any(step: int) -> None:
    # The sequence itself has every odd point in one half of the first column.
    means = drawn(1, 6, 1024)[:, ::step].mean(axis=1)
    assert np.abs(means - 0.5).max() < 4 / np.sqrt(12 * 1024 / step)


def test_keys_are_unrelated_and_all_columns_too() -> None:
    u = drawn(0, 130, 500)
    assert u.shape == (130, 500)
    assert u.min() >= 0
    assert u.max() < 1
    assert np.abs(np.corrcoef(u)[np.triu_indices(130, 1)]).max() < 0.23
    assert abs(np.corrcoef(u[0], drawn(1, 130, 500)[0])[0, 1]) < 0.2
