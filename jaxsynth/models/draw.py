"""Codes and positions, from logits and tilts: drawing them, unconditioned or restricted, and their likelihood."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxsynth.codec.groups import Group

_BLOCK = 16  # codes whose running sums are one small product


def draw_codes(uniforms: jax.Array, groups: tuple[Group, ...], probabilities: Sequence[jax.Array]) -> jax.Array:
    """One code for every column of every row.

    Args:
        uniforms: float32 (columns, n) in [0, 1), in layout order.
        groups: the columns.
        probabilities: for each group float32 (g, width, n), which need not sum to 1.

    Returns:
        int32 (n, columns), in layout order.
    """
    if not groups:
        return jnp.zeros((uniforms.shape[1], 0), jnp.int32)
    order = np.concatenate([g.index for g in groups])
    drawn = [invert(uniforms[np.array(g.index)], p) for g, p in zip(groups, probabilities, strict=True)]
    return jnp.concatenate(drawn)[np.argsort(order)].T


def invert(uniforms: jax.Array, p: jax.Array) -> jax.Array:
    """One code a row by inversion, rows last; never a code of probability 0.

    Args:
        uniforms: (..., b) in [0, 1).
        p: float32 (..., width, b), any width, need not sum to 1.

    Returns:
        int32 (..., b).
    """
    return _search(p, uniforms * (1 - 1e-6))[0]


def _search(p: jax.Array, share: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Which entry of p (..., m, b) the running sum reaches this share of the total in, and how far into it."""
    *lead, width, rows = p.shape
    if width <= _BLOCK:
        return _locate(p, share * _upto(p)[..., -1, :])
    padding = [(0, 0)] * len(lead) + [(0, -width % _BLOCK), (0, 0)]
    blocks = jnp.pad(p, padding).reshape(*lead, -1, _BLOCK, rows)
    outer, rest = _search(blocks.sum(-2), share)
    # A masked sum: gathers of single numbers do not vectorise.
    here = outer[..., None, None, :] == np.arange(blocks.shape[-3])[:, None, None]
    own = jnp.where(here, blocks, 0.0).sum(-3)
    index, rest = _locate(own, jnp.clip(rest, 0.0, own.sum(-2) * (1 - 1e-6)))
    return outer * _BLOCK + index, rest


def _locate(p: jax.Array, target: jax.Array) -> tuple[jax.Array, jax.Array]:
    upto = _upto(p)
    index = jnp.minimum((upto <= target[..., None, :]).sum(-2), p.shape[-2] - 1)
    before = jnp.where(index[..., None, :] == np.arange(p.shape[-2])[:, None], upto - p, 0.0).sum(-2)
    return index, target - before


def _upto(p: jax.Array) -> jax.Array:
    """Inclusive running sums over the codes."""
    size = p.shape[-2]
    return jnp.asarray(np.tril(np.ones((size, size), np.float32))) @ p


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


def code_log_prob(logits: jax.Array, codes: jax.Array) -> jax.Array:
    """Log-probability of each row's code, (g, width, b) and (g, b) -> (g, b)."""
    return _picked(logits, codes) - jax.nn.logsumexp(logits, axis=1)


def _picked(logits: jax.Array, codes: jax.Array) -> jax.Array:
    """The logit of each row's code; a comparison vectorises where a gather of single numbers does not."""
    if logits.shape[1] > 1024:
        return jnp.take_along_axis(logits, codes[:, None], axis=1)[:, 0]
    return jnp.where(codes[:, None] == np.arange(logits.shape[1])[:, None], logits, 0.0).sum(1)


def position_log_density(tilt: jax.Array, position: jax.Array) -> jax.Array:
    """Log of t exp(t p) / (exp(t) - 1) on [0, 1], the exponential family around the uniform."""
    t = _away_from_zero(tilt)
    # log((e^t - 1) / t), stable for both signs: the larger exponential is taken out.
    log_normaliser = jnp.maximum(t, 0) + jnp.log(-jnp.expm1(-jnp.abs(t))) - jnp.log(jnp.abs(t))
    return t * position - log_normaliser


def draw_positions(uniforms: jax.Array, tilt: jax.Array, low: jax.Array, high: jax.Array) -> jax.Array:
    """Positions from the tilted density restricted to [low, high], by inversion; all (n, v), in [0, 1)."""
    t = _away_from_zero(tilt) * (high - low)
    t = _away_from_zero(t)
    # The inverse distribution function, written for negative exponents only, mirrored for positive tilt.
    mirrored = jnp.where(t > 0, 1 - uniforms, uniforms)
    p = -jnp.log1p(mirrored * jnp.expm1(-jnp.abs(t))) / jnp.abs(t)
    p = jnp.clip(jnp.where(t > 0, 1 - p, p), 0.0, 1.0)
    return jnp.clip(low + (high - low) * p, 0.0, 1.0 - 2.0**-24)


def _away_from_zero(t: jax.Array) -> jax.Array:
    """Where the density is uniform the formulas are 0/0; 1e-3 is uniform to five decimals."""
    return jnp.where(jnp.abs(t) < 1e-3, jnp.where(t < 0, -1e-3, 1e-3), t)
