"""Uniform numbers that fill the unit cube more evenly than independent draws do."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

_COLUMNS = 32  # of one sequence; in later ones, a few hundred points can leave two columns correlated
_POINTS = 20  # bits of the number of points until a sequence starts anew, scrambled anew
_BITS = 24  # of a uniform
_ROUNDS = 4  # of the free shuffle


def spread_uniforms(key: jax.Array, block: jax.Array | int, columns: int, n: int) -> jax.Array:
    """Uniforms (columns, n) in [0, 1): block number `block`, of n points each, of scrambled Sobol sequences.

    Every point alone is uniform in the cube; the points of a block, and of all blocks of a key, are together
    more even than independent points (randomised quasi-Monte Carlo, Owen 1995), so that what is made of them
    follows the model's distribution more closely. Every second or tenth point is as good as any: the order is
    shuffled, though the first 2^k points of the first 32 columns are even too. Each 32 columns have a sequence
    to themselves. Blocks go together if n is a power of two; after 2^20 points all starts anew.

    References: Joe and Kuo 2008 for the sequence (from SciPy); Burley 2020, "Practical Hash-based Owen
    Scrambling", for scrambling, shuffling and the combination of sequences; Kensler 2013, "Correlated
    Multi-Jittered Sampling", for shuffling without a sort.
    """
    size, bits = min(columns, _COLUMNS), max(n - 1, 1).bit_length()
    points, steps = jnp.asarray(_sobol(size, bits)), jnp.asarray(_steps(size))
    number = jnp.asarray(block, jnp.uint32)
    stream = jax.random.fold_in(key, number >> max(_POINTS - bits, 0))
    sequences = -(-columns // size)
    first = _combined(steps, (number << bits) & np.uint32((1 << _POINTS) - 1))

    def sequence(words: jax.Array, place: jax.Array) -> jax.Array:
        return _scrambled(points[:, place] ^ first[:, None], words[:, None]) >> (32 - _BITS)

    words = jax.random.bits(stream, (sequences, size), jnp.uint32)
    places = _places(jax.random.fold_in(key, ~number), sequences, bits, n)
    u = jax.vmap(sequence)(words, places).reshape(-1, n)[:columns]
    return u.astype(jnp.float32) * 2.0**-_BITS


def normals(uniforms: jax.Array) -> jax.Array:
    """Standard normal numbers by inversion, finite for every uniform in [0, 1)."""
    # In the middle of its cell of 2^-24, where float32 can say so: the last one's middle would round to 1.
    middle = jnp.minimum(uniforms + 2.0 ** -(_BITS + 1), 1 - 2.0**-_BITS)
    return jax.scipy.special.ndtri(middle)


def _places(key: jax.Array, sequences: int, bits: int, n: int) -> jax.Array:
    """For each sequence which of its points comes when, (sequences, n).

    The first keeps its first 2^k points together. The others are shuffled freely, or columns of two sequences
    would be correlated in a few hundred points.
    """
    keys = jax.random.split(key, sequences)
    order = _reversed(jnp.arange(n, dtype=jnp.uint32) << (32 - bits))
    nested = _scrambled(order, jax.random.bits(keys[0], (), jnp.uint32)) >> (32 - bits)
    free = jax.vmap(lambda k: _shuffled(k, n, bits))(keys[1:])
    return jnp.concatenate([nested[None], free])


def _shuffled(key: jax.Array, n: int, bits: int) -> jax.Array:
    """The first n numbers of a permutation of [0, 2^bits): rounds that each can be undone, for sorting is slow."""
    words = jax.random.bits(key, (_ROUNDS, 2), jnp.uint32)
    x, most = jnp.arange(n, dtype=jnp.uint32), np.uint32((1 << bits) - 1)
    for add, factor in words:
        x = ((x ^ add) * (factor | 1)) & most
        x = x ^ (x >> max(bits // 2, 1))
    return x


def _sobol(columns: int, bits: int) -> NDArray[np.uint32]:
    """The first 2^bits points as fractions of 2^32, the bits of each reversed, (columns, 2^bits)."""
    points = qmc.Sobol(columns, scramble=False).random_base2(bits)
    return np.asarray(_reversed((points.T * 2.0**32).astype(np.uint32)), np.uint32)


@cache
def _steps(columns: int) -> NDArray[np.uint32]:
    """What each bit of a point's Gray code adds to it, (columns, bits), reversed as in `_sobol`."""
    source = qmc.Sobol(columns, scramble=False)
    out, reached = [np.zeros(columns, np.uint32)], 0
    for bit in range(_POINTS):
        point = source.fast_forward((1 << bit) - reached).random(1)[0]
        reached = (1 << bit) + 1
        out.append((point * 2.0**32).astype(np.uint32) ^ out[-1])
    return np.asarray(_reversed(np.stack(out[1:], axis=1)), np.uint32)


def _combined(steps: jax.Array, number: jax.Array) -> jax.Array:
    """The point of this number, (columns,)."""
    gray = number ^ (number >> 1)
    held = (gray >> jnp.arange(steps.shape[1], dtype=jnp.uint32)) & 1
    out: jax.Array = jax.lax.reduce(steps * held, np.uint32(0), jax.lax.bitwise_xor, (1,))
    return out


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
