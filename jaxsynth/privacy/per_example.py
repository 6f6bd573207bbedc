"""Sums of clipped gradients by a gradient for every example: the reference for ghost clipping, and its fall-back.

Every example is computed by itself, so no loss can couple them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxsynth.privacy.ghost import clip_factors

MICROBATCH = 64  # gradients that are held at once


def clipped_sum(
    loss: Callable[[Any, Any], jax.Array],
    params: Any,
    examples: Any,
    weight: jax.Array,
    clip: jax.Array | float,
    *,
    microbatch: int = MICROBATCH,
) -> tuple[Any, jax.Array]:
    """The sum of the examples' gradients, each scaled down to a norm of `clip` at most (Abadi et al. 2016).

    An example with a gradient that is not finite counts as zero.

    Args:
        loss: (params, example) -> float32 (), the loss of one example.
        params: any pytree of float32 arrays.
        examples: any pytree of arrays with b examples first; what the loss draws at random is part of them.
        weight: float32 (b,), 1 for examples that count and 0 for padding.
        clip: the clipping norm; infinity for none.
        microbatch: examples at once.

    Returns:
        The sum, like `params`, and the norms before clipping, float32 (b,).
    """
    count = -(-len(weight) // microbatch)
    short = count * microbatch - len(weight)
    padded = jax.tree.map(lambda a: jnp.concatenate([a, jnp.repeat(a[:1], short, axis=0)]), (examples, weight))
    padded = (padded[0], padded[1].at[len(weight) :].set(0.0))
    parts = jax.tree.map(lambda a: a.reshape(count, microbatch, *a.shape[1:]), padded)

    def add(total: Any, part: tuple[Any, jax.Array]) -> tuple[Any, jax.Array]:
        own, weights = part
        grads = jax.vmap(jax.grad(loss), (None, 0))(params, own)
        norms = jnp.sqrt(sum(jnp.square(g).reshape(microbatch, -1).sum(1) for g in jax.tree.leaves(grads)))
        factors, keep = clip_factors(norms, weights, clip)
        return jax.tree.map(lambda t, g: t + _weighted(factors, keep, g), total, grads), norms

    total, norms = jax.lax.scan(add, jax.tree.map(jnp.zeros_like, params), parts)
    return total, norms.reshape(-1)[: len(weight)]


def _weighted(factors: jax.Array, keep: jax.Array, grads: jax.Array) -> jax.Array:
    wide = (-1, *[1] * (grads.ndim - 1))
    return jnp.where(keep.reshape(wide), factors.reshape(wide) * grads, 0.0).sum(0)
