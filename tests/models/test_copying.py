"""A model generates the very value of another column as often as the rows have it."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

import jaxsynth as js
from jaxsynth.models.copying import NONE, raised

ROWS = 3000


@pytest.fixture(scope="module")
def synth() -> js.Synthesizer:
    rng = np.random.default_rng(0)
    stay = rng.integers(1, 200, ROWS)
    dead = rng.random(ROWS) < 0.4
    until = np.where(dead, stay, rng.integers(1, 200, ROWS))
    table = pa.table({"stay": stay, "until": until, "dead": dead})
    generator = js.Autoregressive(hidden=48, min_steps=600, epochs=1, dropout=0.2)
    return js.fit(table, generator, progress=False)


def test_the_same_value_is_drawn_as_often(synth: js.Synthesizer) -> None:
    out = synth.sample(10_000, seed=1)
    stay, until, dead = (out[n].to_numpy(zero_copy_only=False) for n in ("stay", "until", "dead"))
    assert abs((stay == until).mean() - 0.4) < 0.06
    assert (stay == until)[dead].mean() > 0.85
    assert (stay == until)[~dead].mean() < 0.1


def test_it_is_drawn_given_either_column(synth: js.Synthesizer) -> None:
    for column, other in (("stay", "until"), ("until", "stay")):
        out = synth.sample(2000, where={column: 77, "dead": True}, seed=2)
        assert (out[column].to_numpy() == 77).all()
        assert (out[other].to_numpy() == 77).mean() > 0.6


def test_gates_are_added_where_they_are_wanted() -> None:
    logits = jnp.zeros((4, 2))
    gates = jnp.array([[1.0, 2.0], [10.0, 20.0]])
    out = raised(logits, gates, jnp.array([[3, NONE], [3, 0]], jnp.int32))
    np.testing.assert_array_equal(out, [[0, 20], [0, 0], [0, 0], [11, 0]])
