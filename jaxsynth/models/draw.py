"""Drawing codes and positions from logits and tilts, unconditioned or restricted."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

BLOCK = 16  # widths above this must be a multiple of it


def draw_codes(key: jax.Array, probabilities: jax.Array) -> jax.Array:
    """One code an entry by inversion, one uniform each; never a code of probability 0.

    Args:
        key: for the uniforms.
        probabilities: float32 (a, b, width), width at most 16 or a multiple of it, need not sum to 1.

    Returns:
        int32 (a, b).
    """
    *shape, width = probabilities.shape
    u = jax.random.uniform(key, shape) * (1 - 1e-6)
    if width <= BLOCK:
        return _invert(probabilities, u * probabilities.sum(-1))
    # Two levels: prefix sums over 16 blocks of few codes cost far less than one long prefix sum.
    blocks = probabilities.reshape(*shape, width // BLOCK, BLOCK)
    mass = blocks.sum(-1)
    chosen = draw_block(mass, u * mass.sum(-1))
    block = jnp.take_along_axis(blocks, chosen[0][..., None, None], axis=2)[:, :, 0]
    rest = jnp.clip(chosen[1], 0, block.sum(-1) * (1 - 1e-6))
    return chosen[0] * BLOCK + _invert(block, rest)


def draw_block(mass: jax.Array, target: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Which entry of `mass` (a, b, m) the running sum reaches `target` in, and what is left of the target."""
    before = _prefix(mass) - mass
    index = jnp.minimum((_prefix(mass) <= target[..., None]).sum(-1), mass.shape[-1] - 1)
    return index, target - jnp.take_along_axis(before, index[..., None], axis=-1)[..., 0]


def _invert(p: jax.Array, target: jax.Array) -> jax.Array:
    return jnp.minimum((_prefix(p) <= target[..., None]).sum(-1), p.shape[-1] - 1)


def _prefix(x: jax.Array) -> jax.Array:
    """Inclusive prefix sums over the last axis by a triangular product: XLA's cumsum is a slow window."""
    size = x.shape[-1]
    return x @ jnp.asarray(np.triu(np.ones((size, size), np.float32)))


def invert(uniforms: jax.Array, p: jax.Array) -> jax.Array:
    """One code a row by inversion, for one column with rows last; never a code of probability 0.

    Args:
        uniforms: (b,) in [0, 1).
        p: float32 (width, b), any width, need not sum to 1.

    Returns:
        int32 (b,).
    """
    return _search(p, uniforms * (1 - 1e-6))[0]


def _search(p: jax.Array, share: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Which entry of p (m, b) the running sum reaches this share of the total in, and how far into it."""
    if len(p) <= BLOCK:
        return _locate(p, share * _upto(p)[-1])
    blocks = jnp.pad(p, ((0, -len(p) % BLOCK), (0, 0))).reshape(-1, BLOCK, p.shape[1])
    outer, rest = _search(blocks.sum(1), share)
    # A masked sum: gathers of single numbers do not vectorise.
    own = jnp.where(outer == np.arange(len(blocks))[:, None, None], blocks, 0.0).sum(0)
    index, rest = _locate(own, jnp.clip(rest, 0.0, own.sum(0) * (1 - 1e-6)))
    return outer * BLOCK + index, rest


def _locate(p: jax.Array, target: jax.Array) -> tuple[jax.Array, jax.Array]:
    upto = _upto(p)
    index = jnp.minimum((upto <= target).sum(0), len(p) - 1)
    before = jnp.where(index == np.arange(len(p))[:, None], upto - p, 0.0).sum(0)
    return index, target - before


def _upto(p: jax.Array) -> jax.Array:
    """Inclusive running sums over the first axis."""
    return jnp.asarray(np.tril(np.ones((len(p), len(p)), np.float32))) @ p


def resample(key: jax.Array, log_weights: jax.Array, n: int) -> jax.Array:
    """Indices (n,) into `log_weights` (m,) with probability proportional to the weights, with replacement.

    Stratified: one uniform in each n-th of the mass, in random order, which keeps the counts within one
    of their expectation (Carpenter, Clifford & Fearnhead 1999).
    """
    draw_key, order_key = jax.random.split(key)
    mass = jnp.cumsum(jnp.exp(log_weights - log_weights.max()))
    targets = (jnp.arange(n) + jax.random.uniform(draw_key, (n,))) / n * mass[-1]
    index = jnp.minimum(jnp.searchsorted(mass, targets, side="right"), len(mass) - 1)
    return jax.random.permutation(order_key, index)


def position_log_density(tilt: jax.Array, position: jax.Array) -> jax.Array:
    """Log of t exp(t p) / (exp(t) - 1) on [0, 1], the exponential family around the uniform."""
    t = _away_from_zero(tilt)
    # log((e^t - 1) / t), stable for both signs: the larger exponential is taken out.
    log_normaliser = jnp.maximum(t, 0) + jnp.log(-jnp.expm1(-jnp.abs(t))) - jnp.log(jnp.abs(t))
    return t * position - log_normaliser


def draw_positions(key: jax.Array, tilt: jax.Array, low: jax.Array, high: jax.Array) -> jax.Array:
    """Positions from the tilted density restricted to [low, high]. Shapes (n, v), result in [0, 1)."""
    t = _away_from_zero(tilt) * (high - low)
    t = _away_from_zero(t)
    u = jax.random.uniform(key, tilt.shape)
    # The inverse distribution function, written for negative exponents only, mirrored for positive tilt.
    mirrored = jnp.where(t > 0, 1 - u, u)
    p = -jnp.log1p(mirrored * jnp.expm1(-jnp.abs(t))) / jnp.abs(t)
    p = jnp.clip(jnp.where(t > 0, 1 - p, p), 0.0, 1.0)
    return jnp.clip(low + (high - low) * p, 0.0, 1.0 - 2.0**-24)


def _away_from_zero(t: jax.Array) -> jax.Array:
    """Where the density is uniform the formulas are 0/0; 1e-3 is uniform to five decimals."""
    return jnp.where(jnp.abs(t) < 1e-3, jnp.where(t < 0, -1e-3, 1e-3), t)
