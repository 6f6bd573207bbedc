from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxsynth.train.flat import Flat

PARAMS = {
    "b": {"w": jnp.arange(6.0).reshape(2, 3), "one": jnp.float32(7)},
    "a": jnp.arange(4.0),
    "none": jnp.zeros((0, 2)),
}


def test_a_vector_comes_back_as_it_was() -> None:
    flat = Flat.like(PARAMS)
    vector = jnp.asarray(flat.vector(PARAMS))
    assert vector.shape == (11,)
    for back in (jax.jit(flat.restore)(vector), flat.on_host(vector)):
        jax.tree.map(np.testing.assert_array_equal, back, PARAMS)


def test_shapes_are_enough() -> None:
    flat = Flat.like(jax.eval_shape(lambda: PARAMS))
    np.testing.assert_array_equal(flat.restore(jnp.arange(11.0))["a"], [0, 1, 2, 3])
