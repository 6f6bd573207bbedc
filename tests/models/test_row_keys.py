"""Draws by the row's place in the whole batch."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxsynth.models.row_keys import GOLDEN, RowKeys

ROWS = 24
WHOLE = RowKeys.of(jax.random.key(0), ROWS)
SHARES = [RowKeys(WHOLE.common, WHOLE.place[i : i + 8]) for i in range(0, ROWS, 8)]


def test_shares_of_a_batch_draw_what_the_whole_draws() -> None:
    def drawn(keys: RowKeys) -> tuple[np.ndarray, np.ndarray]:
        first, second = keys.split(2)
        return np.asarray(first.each(lambda key: jax.random.normal(key, (3,)))), np.asarray(second.words(5)).T

    for whole, *shares in zip(drawn(WHOLE), *map(drawn, SHARES), strict=True):
        np.testing.assert_array_equal(whole, np.concatenate(shares))
        assert len(np.unique(whole)) == whole.size


def test_splits_draw_otherwise() -> None:
    one, two = (keys.each(jax.random.uniform) for keys in WHOLE.split(2))
    assert not np.isclose(one, two).any()


@pytest.mark.parametrize(("numbers", "rows"), [(50_000, 20_000), (3000, 400_000), (20, 60_000_000)])
def test_no_two_of_a_batch_share_a_word(numbers: int, rows: int) -> None:
    """The hash is one to one: words are equal where number * golden + row are, modulo 2**32."""
    apart = np.arange(1, numbers, dtype=np.uint64) * int(GOLDEN) % 2**32
    assert np.minimum(apart, 2**32 - apart).min() >= rows


def test_words_are_uniform_and_unlike_their_neighbours() -> None:
    drawn = np.asarray(RowKeys.of(jax.random.key(1), 1000).words(300))
    assert len(np.unique(drawn)) == drawn.size
    words = drawn / 2**32
    counts = np.histogram(words, 64, (0, 1))[0]
    assert np.square(counts - words.size / 64).sum() / (words.size / 64) < 120  # chi-square of 63
    for axis in (0, 1):
        own, shifted = words, np.roll(words, 1, axis)
        assert abs(np.corrcoef(own.ravel(), shifted.ravel())[0, 1]) < 0.01
