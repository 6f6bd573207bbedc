"""Keys of what training draws for rows: by the step and the row's place in the batch, not by who computes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

_T = TypeVar("_T")
GOLDEN = np.uint32(0x9E3779B9)
"""2**32 over the golden ratio: its multiples, modulo 2**32, keep as far apart as they can (Weyl's sequence)."""


class RowKeys(NamedTuple):
    """A key for each row of a batch, or of the share of it that a device has, and one that they have in common.

    However many devices share a batch, its rows draw the same. Like a key, a value is used once: as what is
    common, for draws of each row, or to be split.

    Attributes:
        common: a key, the same on all devices.
        place: int32 (b,), which row of the whole batch each is.
    """

    common: jax.Array
    place: jax.Array

    @classmethod
    def of(cls, key: jax.Array, rows: int) -> RowKeys:
        """Of a whole batch."""
        return cls(key, jnp.arange(rows))

    def split(self, n: int) -> tuple[RowKeys, ...]:
        """For n draws."""
        return tuple(RowKeys(key, self.place) for key in jax.random.split(self.common, n))

    def each(self, draw: Callable[[jax.Array], _T]) -> _T:
        """What `draw` makes of each row's key, rows first."""
        return jax.vmap(draw)(jax.vmap(jax.random.fold_in, (None, 0))(self.common, self.place))

    def words(self, n: int) -> jax.Array:
        """Words uint32 (n, b), by an integer hash of row, number and two words of the common key.

        Good enough for dropout, and fused into what uses them: words of JAX's own generator cost a quarter of a
        step of the autoregressive model. Its two rounds of multiply and shift are those found by Wellons' search
        for low bias ("lowbias32", 2018). Multiples of `GOLDEN` keep so far apart that no two words of up to
        50,000 numbers and 2**32 / 3n rows have one hash.
        """
        first, second = jax.random.bits(self.common, (2,), jnp.uint32)
        number = jax.lax.broadcasted_iota(jnp.uint32, (n, len(self.place)), 0)
        x = (number * GOLDEN + self.place.astype(jnp.uint32) + first) * GOLDEN ^ second
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
            x = (x ^ (x >> shift)) * np.uint32(factor)
        words: jax.Array = x ^ (x >> 16)
        return words
