"""The maps. Examples come last, (..., b), unless a map says otherwise."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxsynth.affine import uses
from jaxsynth.affine.columns import products
from jaxsynth.affine.leaves import Mixed
from jaxsynth.affine.tape import Param, Watched, plain, used


def by_column(weights: Param, x: jax.Array) -> jax.Array:
    """(g, out, in) and (g, in, b) -> (g, out, b)."""
    return used(weights, products(plain(weights), x), uses.Product(x))


def by_row(weights: Param, x: jax.Array) -> jax.Array:
    """(g, in) and (g, in, b) -> (g, b)."""
    return used(weights, (x * plain(weights)[..., None]).sum(1), uses.Dot(x))


def masked(weights: Param, x: jax.Array, blocks: uses.Blocks) -> jax.Array:
    """(out, in) and (in, b) -> (out, b), by the weights that `blocks` lets count."""
    y: jax.Array = jnp.where(blocks.sees, plain(weights), 0.0) @ x
    return used(weights, y, uses.Masked(x, blocks))


def added(bias: Param, x: jax.Array) -> jax.Array:
    """(...) added to (..., b)."""
    return used(bias, x + plain(bias)[..., None], uses.Sum())


def scaled(scale: Param, x: jax.Array) -> jax.Array:
    """(...) times (..., b)."""
    return used(scale, x * plain(scale)[..., None], uses.Scale(x))


def dense(kernel: Param, x: jax.Array) -> jax.Array:
    """(in, out) and (b, in), examples first -> (b, out)."""
    return used(kernel, x @ plain(kernel), uses.Dense(x))


def dense_last(kernel: Param, x: jax.Array) -> jax.Array:
    """(in, out) and (b, in) -> (out, b): the examples come first before and last after."""
    return used(kernel, plain(kernel).T @ x.T, uses.DenseLast(x.T))


def shifted(scale: Param, bias: Param, x: jax.Array) -> jax.Array:
    """(n,), (n,) and (b, n), examples first -> scale * x + bias."""
    return offset(bias, used(scale, x * plain(scale), uses.ScaleFirst(x)))


def offset(bias: Param, x: jax.Array) -> jax.Array:
    """(n,) added to (b, n), examples first."""
    return used(bias, x + plain(bias), uses.SumFirst())


def mixed(smooth: Param, free: Param, basis: NDArray[np.float32], share: float) -> Param:
    """A fixed basis (g, rows, f) times (g, f, features), and a share of (g, rows, features)."""
    value = jnp.einsum("gwf,gfe->gwe", jnp.asarray(basis), plain(smooth)) + share * plain(free)
    if not (isinstance(smooth, Watched) and isinstance(free, Watched)):
        return value
    return Watched(value, Mixed(smooth.leaf.name, free.leaf.name, basis, share), smooth.tape)


def lookup(tables: Sequence[Param], codes: jax.Array) -> jax.Array:
    """Tables (g, n, e) of groups of columns and codes (columns, b) -> (columns, b, e).

    One gather for all, and one scatter backwards.
    """
    values = [plain(t) for t in tables]
    widths = [v.shape[1] for v in values for _ in range(v.shape[0])]
    offsets = np.cumsum([0, *widths[:-1]])[:, None]
    found = jnp.concatenate([v.reshape(-1, v.shape[-1]) for v in values])[codes + offsets]
    if not any(isinstance(t, Watched) for t in tables):
        return found
    ends = np.cumsum([len(v) for v in values])[:-1].tolist()
    parts = zip(tables, jnp.split(found, ends), jnp.split(codes, ends), strict=True)
    return jnp.concatenate([used(t, part, uses.Lookup(own, plain(t))) for t, part, own in parts])
