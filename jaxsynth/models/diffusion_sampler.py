"""The joint sampler: Heun's second-order steps for numbers, and masked codes revealed after every evaluation.

Numbers follow the probability-flow equation of EDM (Karras et al. 2022, algorithm 1); codes the reverse of the
absorbing process (Sahoo et al. 2024, section 4): a code whose time of reveal is passed is drawn from what the
network predicts at that moment, and stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsynth.models.diffusion_schedule import Schedule, draw_reveals


class Held(NamedTuple):
    """Cells that a condition has decided.

    Attributes:
        codes: int32 (n, d), decided masked codes.
        coded: bool (n, d), which are decided.
        numbers: float32 (n, v), decided numbers.
        numbered: bool (n, v), which are decided.
    """

    codes: jax.Array
    coded: jax.Array
    numbers: jax.Array
    numbered: jax.Array


class Walk(NamedTuple):
    """Rows on their way from noise to data.

    Attributes:
        codes: int32 (n, d); meaningless where masked.
        masked: bool (n, d).
        numbers: float32 (n, v), noisy.
    """

    codes: jax.Array
    masked: jax.Array
    numbers: jax.Array


# (walk, sigma, key) -> (drawn codes (n, d), estimate of the noiseless numbers (n, v))
Predict = Callable[[Walk, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


def nothing_held(n: int, columns: int, numbers: int) -> Held:
    """No condition."""
    codes, values = jnp.zeros((n, columns), jnp.int32), jnp.zeros((n, numbers))
    return Held(codes, jnp.zeros((n, columns), jnp.bool_), values, jnp.zeros((n, numbers), jnp.bool_))


def run(predict: Predict, schedule: Schedule, held: Held, key: jax.Array) -> Walk:
    """Rows from noise, with `schedule.evaluations` calls of `predict`.

    Args:
        predict: the network's draw of every code and its estimate of every number.
        schedule: noise levels and steps.
        held: cells that are decided from the start; a decided number keeps its own noise, so that the network
            sees it as it saw such numbers in training.
        key: for the noise, the order of reveals and the draws.

    Returns:
        Rows without masks or noise.
    """
    noise_key, order_key, step_key = jax.random.split(key, 3)
    reveal = draw_reveals(order_key, *held.codes.shape)
    guided = _guided(predict, held)
    noise = jax.random.normal(noise_key, held.numbers.shape)
    first = jnp.where(
        held.numbered,
        held.numbers + schedule.sigma_max * noise,
        np.sqrt(schedule.sigma_max**2 + 1) * noise,
    )
    walk = Walk(held.codes, ~held.coded, first)
    times = jnp.asarray(schedule.times)
    keys = jax.random.split(step_key, schedule.steps)
    span = (times[:-2], times[1:-1], keys[:-1])
    walk, _ = jax.lax.scan(lambda w, s: (_heun(guided, schedule, reveal, w, s), None), walk, span)
    codes, numbers = guided(walk, schedule.sigma(times[-2]), keys[-1])
    return Walk(jnp.where(walk.masked, codes, walk.codes), jnp.zeros_like(walk.masked), numbers)


def _guided(predict: Predict, held: Held) -> Predict:
    """Towards a decided number the path from its noise is a straight line."""

    def guided(walk: Walk, sigma: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        codes, numbers = predict(walk, sigma, key)
        return codes, jnp.where(held.numbered, held.numbers, numbers)

    return guided


def _heun(
    predict: Predict,
    schedule: Schedule,
    reveal: jax.Array,
    walk: Walk,
    step: tuple[jax.Array, jax.Array, jax.Array],
) -> Walk:
    """One step of two evaluations; the first reveals the codes due in its first half, the second the rest."""
    start, end, key = step
    first_key, second_key = jax.random.split(key)
    sigma, target = schedule.sigma(start), schedule.sigma(end)
    codes, clean = predict(walk, sigma, first_key)
    slope = (walk.numbers - clean) / sigma
    half = _reveal(walk, codes, reveal > (start + end) / 2)._replace(
        numbers=walk.numbers + (target - sigma) * slope
    )
    codes, clean = predict(half, target, second_key)
    slope = (slope + (half.numbers - clean) / target) / 2
    return _reveal(half, codes, reveal > end)._replace(numbers=walk.numbers + (target - sigma) * slope)


def _reveal(walk: Walk, codes: jax.Array, due: jax.Array) -> Walk:
    now = walk.masked & due
    return walk._replace(codes=jnp.where(now, codes, walk.codes), masked=walk.masked & ~due)
