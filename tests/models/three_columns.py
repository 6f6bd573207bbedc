"""Three columns of few levels, small enough to go through all their rows."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa

from jaxsynth.codec import Codec
from jaxsynth.codec.layout import CodeSpec, Repeat
from jaxsynth.models import Autoregressive, Batch, Condition, Model, Params
from jaxsynth.models.autoregressive import RowLikelihood
from jaxsynth.schema import Schema

SIZES = (4, 3, 2)


def cells() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, n, 400) for n in SIZES]


def small(config: Autoregressive) -> tuple[Codec, Model, Params, RowLikelihood]:
    """Three columns of few levels, two of which copy others, under parameters far from independence."""
    table = pa.table({f"c{i}": own.astype(str) for i, own in enumerate(cells())})
    codec = Codec.fit(Schema.infer(table), table)
    layout = copying(codec.layout)
    model = config.build(layout)
    rng = np.random.default_rng(5)
    start = jax.jit(model.init)(jax.random.key(0))
    params = jax.tree.map(lambda a: a + 0.5 * rng.normal(size=a.shape).astype(np.float32), start)
    return codec, model, params, RowLikelihood.make(config, layout)


def copying(layout: tuple[CodeSpec, ...]) -> tuple[CodeSpec, ...]:
    """The first column copies the third, and the second the first and the third."""
    ahead, back = Repeat(2, np.array([1, 3], np.int32)), Repeat(0, np.array([0, -1, 2, 1], np.int32))
    last = Repeat(2, np.array([2, 0], np.int32))
    first, second, third = layout
    return replace(first, repeats=(ahead,)), replace(second, repeats=(back, last)), third


def every_row() -> Batch:
    codes = jnp.array(list(product(*(range(n) for n in SIZES))), jnp.int32)
    return Batch(codes, jnp.zeros((len(codes), 0)))


def condition(codec: Codec, allowed: dict[int, list[int]]) -> Condition:
    weights = [np.ones(s.size, np.float32) for s in codec.layout]
    for i, codes in allowed.items():
        weights[i] = np.isin(np.arange(SIZES[i]), codes).astype(np.float32)
    return Condition(
        weight=tuple(jnp.asarray(w) for w in weights),
        low=tuple(jnp.zeros(len(w)) for w in weights),
        high=tuple(jnp.ones(len(w)) for w in weights),
        active=jnp.array([i in allowed for i in range(len(SIZES))]),
    )


def shares(codes: jax.Array) -> np.ndarray:
    """How often each row of `every_row` occurs."""
    number = np.ravel_multi_index(tuple(np.asarray(codes).T), SIZES)
    return np.bincount(number, minlength=int(np.prod(SIZES))) / len(number)


def first(likelihood: RowLikelihood, columns: set[int]) -> jax.Array:
    """Ranks with these layout columns before all others."""
    order = likelihood.net.order
    return jnp.arange(len(order)) - len(order) * jnp.array([int(i) in columns for i in order])
