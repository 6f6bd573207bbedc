"""Products and sums of squares column by column, in the forms that XLA's CPU compiler runs fastest.

A few columns get a product each: XLA runs one matrix product faster than a short batch of them. Sums over all but
the last axis are products too, since XLA sums with strides of a whole row.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

EXACT = jax.lax.Precision.HIGHEST  # of what norms are made of
FEW = 16  # columns up to which a product each beats one batched product


def products(w: jax.Array, x: jax.Array, precision: jax.lax.Precision | None = None) -> jax.Array:
    """(g, out, in) and (g, in, b) -> (g, out, b)."""
    if len(x) > FEW:
        return jnp.matmul(w, x, precision=precision)
    return jnp.stack([jnp.matmul(w[i], x[i], precision=precision) for i in range(len(x))])


def square_sums(x: jax.Array) -> jax.Array:
    """(g, n, b) -> (g, b), sums of squares."""
    squares = jnp.square(x)
    if len(x) > FEW:
        return squares.sum(1)
    ones = jnp.ones(x.shape[1])
    return jnp.stack([jnp.matmul(ones, own, precision=EXACT) for own in squares])


def all_square_sums(x: jax.Array) -> jax.Array:
    """(..., b) -> (b,), sums of squares."""
    return square_sums(x.reshape(-1, *x.shape[-2:])).sum(0) if x.ndim > 1 else jnp.square(x)
