"""Sums of clipped gradients in one forward and one backward pass ("ghost clipping")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxsynth.affine import Tape, Use, WatchError, along, watched
from jaxsynth.affine.leaves import Leaf
from jaxsynth.affine.tape import path_name

MARGIN = 1e-6  # by which the clipped norm stays below the clipping norm, for what float32 rounds

Losses = Callable[[Any], jax.Array]


def clipped_sum(losses: Losses, params: Any, weight: jax.Array, clip: jax.Array | float) -> tuple[Any, jax.Array]:
    """The sum of the examples' gradients, each scaled down to a norm of `clip` at most (Abadi et al. 2016).

    An example with a gradient that is not finite counts as zero.

    Args:
        losses: params -> float32 (b,), in which no example influences another's loss, and which uses its
            parameters by `jaxsynth.affine` alone.
        params: nested dicts of float32 arrays.
        weight: float32 (b,), 1 for examples that count and 0 for padding.
        clip: the clipping norm; infinity for none.

    Returns:
        The sum, like `params`, and the norms before clipping, float32 (b,).

    Raises:
        WatchError: a parameter is used in another way, or twice.
    """
    leaves: dict[str, Leaf] = {}

    def run(taps: dict[str, jax.Array] | None) -> tuple[jax.Array, tuple[dict[str, Use], dict[str, jax.Array]]]:
        tape = Tape(taps)
        own = losses(watched(params, tape))
        leaves.update(tape.leaves)
        return own, (tape.uses, tape.outputs)

    try:
        _, (_, outputs) = jax.eval_shape(lambda: run(None))
    except Exception as error:
        jax.eval_shape(losses, params)  # if this fails too, that error is the loss's own
        raise WatchError(f"the loss does not take watched parameters ({error})") from error
    taps = {name: jnp.zeros(out.shape, out.dtype) for name, out in outputs.items()}
    _, back, (uses, _) = jax.vjp(run, taps, has_aux=True)
    (deltas,) = back(jnp.ones_like(weight))
    norms = jnp.sqrt(sum(uses[n].squares(leaves[n], d) for n, d in deltas.items()))
    factors, keep = clip_factors(norms, weight, clip)
    found: dict[str, jax.Array] = {}
    for name, delta in deltas.items():
        use = uses[name].kept(keep)
        own = jnp.where(along(keep, delta, use.rows), delta * along(factors, delta, use.rows), 0.0)
        found |= leaves[name].grads(use.weighted(own))

    def pick(path: tuple[Any, ...], value: jax.Array) -> jax.Array:
        return found.get(path_name(path), jnp.zeros_like(value)).reshape(value.shape)

    return jax.tree_util.tree_map_with_path(pick, params), norms


def clip_factors(norms: jax.Array, weight: jax.Array, clip: jax.Array | float) -> tuple[jax.Array, jax.Array]:
    """What each example's gradient is multiplied by, float32 (b,), and which examples count at all."""
    keep = jnp.isfinite(norms) & (weight > 0)
    most = clip * (1 - MARGIN) / jnp.maximum(jnp.where(keep, norms, 1.0), 1e-30)
    return jnp.where(keep, weight * jnp.minimum(1.0, most), 0.0), keep
