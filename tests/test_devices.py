from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest
from scipy.special import softmax

import jaxsynth as js
from jaxsynth.devices import compiled, compiled_ahead, compiled_method
from tests.conftest import TINY


def test_a_softmax_of_equal_columns_is_right() -> None:
    rng = np.random.default_rng(0)
    weights, units, bias = rng.normal(size=(6, 128)), rng.normal(size=128), rng.normal(size=6)

    def shares(a: jax.Array, v: jax.Array, b: jax.Array) -> jax.Array:
        return jax.nn.softmax(a @ jnp.broadcast_to(v[:, None], (128, 4096)) + b[:, None], axis=0)

    found = compiled(shares)(*(jnp.asarray(a, jnp.float32) for a in (weights, units, bias)))
    np.testing.assert_allclose(found, np.tile(softmax(weights @ units + bias)[:, None], 4096), rtol=1e-3)


def test_options_of_jit_are_passed_on() -> None:
    assert compiled(lambda n, x: x[:n], static_argnums=0)(2, jnp.arange(5)).tolist() == [0, 1]


def test_a_program_compiled_ahead_is_the_same_program() -> None:
    x, traces = jnp.arange(5.0), [0]

    def doubled(x: jax.Array) -> jax.Array:
        traces[0] += 1
        return 2 * x

    ahead = compiled_ahead(doubled, jax.ShapeDtypeStruct(x.shape, x.dtype))  # type: ignore[no-untyped-call]
    np.testing.assert_array_equal(ahead(x), doubled(x))
    np.testing.assert_array_equal(ahead(x + 1), doubled(x + 1))
    assert traces == [3]  # once for the program, twice by this test


def test_what_cannot_be_compiled_says_so_when_it_is_called() -> None:
    ahead = compiled_ahead(lambda x: x @ x, jnp.ones((2, 3)))
    with pytest.raises(TypeError, match="dot_general"):
        ahead(jnp.ones((2, 3)))


@dataclass(frozen=True, eq=False)
class _Scaled:
    factor: float
    traces: list[int]

    @compiled_method
    def of(self, x: jax.Array) -> jax.Array:
        self.traces.append(1)
        return self.factor * x


def test_each_object_has_a_program_that_goes_with_it() -> None:
    x, two, three = jnp.arange(5.0), _Scaled(2, []), _Scaled(3, [])
    for scaled in (two, three, two):
        np.testing.assert_array_equal(scaled.of(x), scaled.factor * x)
    assert (two.traces, three.traces) == ([1], [1])
    gone = weakref.ref(two)
    gc.disable()  # it must not be needed: it does not know how much a program holds
    try:
        del two, scaled
        assert gone() is None
    finally:
        gc.enable()


def test_a_generator_that_is_gone_leaves_no_programs(table: pa.Table) -> None:
    def programs() -> int:
        return len(jax.devices()[0].client.live_executables())

    found = []
    for seed in range(3):
        js.fit(table, TINY, seed=seed, progress=False).sample(10, seed=0)
        gc.collect()
        found.append(programs())
    assert found[1] == found[2]
