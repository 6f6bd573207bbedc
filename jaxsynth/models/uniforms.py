"""Uniform numbers that fill the unit cube more evenly than independent draws do."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

_COLUMNS = 32  # of one sequence; in later ones, a few hundred points can leave two columns correlated
_BITS = 24


def spread_uniforms(key: jax.Array, columns: int, n: int) -> jax.Array:
    """Uniforms (columns, n) in [0, 1): the first n points of Sobol sequences, scrambled and shuffled by the key.

    Every point alone is uniform in the cube; all of them together are more even than independent points
    (randomised quasi-Monte Carlo, Owen 1995), so that what is made of them follows the model's distribution
    more closely. The order is shuffled within ever larger blocks: the first 2^k points are even too, and every
    second or tenth point is as good as any. Each 32 columns have a sequence to themselves.

    References: Joe and Kuo 2008 for the sequence (from SciPy); Burley 2020, "Practical Hash-based Owen
    Scrambling", for scrambling, shuffling and the combination of sequences.
    """
    size, bits = min(columns, _COLUMNS), max(n - 1, 1).bit_length()
    points, order = jnp.asarray(_sobol(size, bits)), _reversed(jnp.arange(n, dtype=jnp.uint32) << (32 - bits))

    def sequence(words: jax.Array) -> jax.Array:
        place = _scrambled(order, words[0]) >> (32 - bits)
        return _scrambled(points[:, place], words[1:, None]) >> (32 - _BITS)

    words = jax.random.bits(key, (-(-columns // size), 1 + size), jnp.uint32)
    u = jax.vmap(sequence)(words).reshape(-1, n)[:columns]
    return u.astype(jnp.float32) * 2.0**-_BITS


def _sobol(columns: int, bits: int) -> NDArray[np.uint32]:
    """2^bits points as fractions of 2^32, the bits of each reversed, (columns, 2^bits)."""
    points = qmc.Sobol(columns, scramble=False).random_base2(bits)
    return np.asarray(_reversed((points.T * 2.0**32).astype(np.uint32)), np.uint32)


def _scrambled(reversed_bits: jax.Array, words: jax.Array) -> jax.Array:
    """Nested uniform scrambling: a hash of the reversed bits in which each depends on those before it alone."""
    x = reversed_bits + words
    for factor in (0x6C50B47C, 0xB82F1E52, 0xC7AFE638, 0x8D22F6E6):
        x = x ^ (x * np.uint32(factor))
    out: jax.Array = _reversed(x)
    return out


def _reversed(x: Any) -> Any:
    """The 32 bits in reverse order."""
    for shift, mask in ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF)):
        x = ((x >> shift) & np.uint32(mask)) | ((x & np.uint32(mask)) << shift)
    return (x >> 16) | (x << 16)
