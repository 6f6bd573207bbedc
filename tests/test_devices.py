from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import softmax

from jaxsynth.devices import compiled


def test_a_softmax_of_equal_columns_is_right() -> None:
    rng = np.random.default_rng(0)
    weights, units, bias = rng.normal(size=(6, 128)), rng.normal(size=128), rng.normal(size=6)

    def shares(a: jax.Array, v: jax.Array, b: jax.Array) -> jax.Array:
        return jax.nn.softmax(a @ jnp.broadcast_to(v[:, None], (128, 4096)) + b[:, None], axis=0)

    found = compiled(shares)(*(jnp.asarray(a, jnp.float32) for a in (weights, units, bias)))
    np.testing.assert_allclose(found, np.tile(softmax(weights @ units + bias)[:, None], 4096), rtol=1e-3)


def test_options_of_jit_are_passed_on() -> None:
    assert compiled(lambda n, x: x[:n], static_argnums=0)(2, jnp.arange(5)).tolist() == [0, 1]
