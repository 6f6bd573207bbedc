from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import jaxsynth as js
from jaxsynth.codec import Codec
from jaxsynth.codec.packed import pack
from jaxsynth.models import Batch, Diffusion, Model, Params, generator_from_json, generator_to_json
from jaxsynth.models.base import to_batch
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.schema import Schema

SMALL = Diffusion(width=32, depth=1, steps=8, batch=128, epochs=1, min_steps=800, learning_rate=5e-3)


@pytest.fixture(scope="module")
def built(table: pa.Table) -> tuple[Codec, Model, Params, Batch]:
    codec = Codec.fit(Schema.infer(table), table)
    model = SMALL.build(codec.layout)
    batch = to_batch(codec.layout, jax.tree.map(jnp.asarray, pack(codec.layout, codec.encode(table.slice(0, 8)))))
    return codec, model, model.init(jax.random.key(0)), batch


def dependent(rows: int) -> pa.Table:
    """Two correlated numbers, a level that the first decides, ages, and a number that is often 0 or missing."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=rows)
    cost = np.where(rng.random(rows) < 0.5, 0.0, np.exp(x))
    return pa.table(
        {
            "x": x,
            "y": x + 0.3 * rng.normal(size=rows),
            "group": np.where(x > 0, "up", "down"),
            "age": rng.integers(40, 100, rows),
            "cost": pa.array(cost, mask=rng.random(rows) < 0.2),
        }
    )


@pytest.fixture(scope="module")
def real() -> pa.Table:
    return dependent(2000)


@pytest.fixture(scope="module")
def fitted(real: pa.Table) -> js.Synthesizer:
    return js.fit(real, SMALL, seed=0, progress=False)


@pytest.fixture(scope="module")
def drawn(fitted: js.Synthesizer) -> pa.Table:
    return fitted.sample(4096, seed=1)


def test_no_example_influences_another(built: tuple[Codec, Model, Params, Batch]) -> None:
    _, model, params, batch = built
    key, done = RowKeys.of(jax.random.key(1), 8), jnp.ones(())
    loss = jax.jit(model.loss)
    losses = loss(params, batch, key, done)
    changed = batch._replace(codes=batch.codes.at[0].set(batch.codes[1]), positions=batch.positions.at[0].set(0.5))
    assert losses.shape == (8,)
    assert np.isfinite(losses).all()
    np.testing.assert_allclose(losses[1:], loss(params, changed, key, done)[1:], rtol=1e-6)
    assert losses[0] != loss(params, changed, key, done)[0]


def test_gradients_are_finite_and_reach_every_layer(built: tuple[Codec, Model, Params, Batch]) -> None:
    _, model, params, batch = built
    key = RowKeys.of(jax.random.key(2), 8)
    grads = jax.jit(jax.grad(lambda p: model.loss(p, batch, key, jnp.ones(())).mean()))(params)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(grads))
    assert np.abs(grads["heads"]["joint_kernel"]).max() > 0
    assert np.abs(grads["block0"]["out"]["kernel"]).max() > 0


def test_training_brings_the_loss_down(fitted: js.Synthesizer) -> None:
    held = fitted.history.held_out
    assert min(held) < held[0] - 0.5


def test_missing_rates_and_inflated_values_are_reproduced(real: pa.Table, drawn: pa.Table) -> None:
    assert drawn.schema.names == real.schema.names
    assert drawn.schema.types == real.schema.types
    wanted, found = (t["cost"].null_count / t.num_rows for t in (real, drawn))
    assert abs(wanted - found) < 0.04
    wanted, found = (pc.mean(pc.equal(t["cost"], 0)).as_py() for t in (real, drawn))
    assert abs(wanted - found) < 0.05


def test_the_marginal_of_a_number_is_reproduced(real: pa.Table, drawn: pa.Table) -> None:
    wanted, found = (np.quantile(t["y"].to_numpy(), [0.1, 0.5, 0.9]) for t in (real, drawn))
    np.testing.assert_allclose(found, wanted, atol=0.2)


def test_dependences_are_learned(drawn: pa.Table) -> None:
    x = drawn["x"].to_numpy()
    assert np.corrcoef(x, drawn["y"].to_numpy())[0, 1] > 0.85
    assert np.mean((x > 0) == (drawn["group"].to_numpy() == "up")) > 0.9


def test_every_row_satisfies_the_condition_and_others_follow(fitted: js.Synthesizer) -> None:
    where = {"group": "up", "age": js.between(65, 70), "cost": js.between(0.5, 0.8)}
    rows = fitted.sample(1000, seed=0, where=where)
    assert set(rows["group"].to_pylist()) == {"up"}
    assert set(rows["age"].to_pylist()) == {65, 66, 67, 68, 69, 70}
    cost = rows["cost"].to_numpy()
    assert ((cost >= 0.5) & (cost <= 0.8)).all()
    assert len(np.unique(cost)) > 500
    assert np.mean(rows["x"].to_numpy() > 0) > 0.7  # half without the condition


def test_the_same_seed_gives_the_same_bytes(fitted: js.Synthesizer, drawn: pa.Table) -> None:
    assert fitted.sample(500, seed=1).equals(drawn.slice(0, 500))
    assert not fitted.sample(500, seed=8).equals(drawn.slice(0, 500))


def test_dropout_ends_with_training(built: tuple[Codec, Model, Params, Batch]) -> None:
    _, model, params, batch = built
    loss = jax.jit(model.loss)
    moved = jax.tree.map(lambda p: p + 0.1, params)
    during, after = (loss(moved, batch, RowKeys.of(jax.random.key(0), 8), jnp.float32(t)) for t in (0.5, 1.0))
    assert (during != after).any()


def test_the_configuration_survives_json() -> None:
    assert generator_from_json(generator_to_json(SMALL)) == SMALL
    assert generator_from_json(generator_to_json(Diffusion.accelerator())) == Diffusion.accelerator()


def test_no_configuration_of_ours_evaluates_the_network_more_than_fifty_times() -> None:
    for config in (Diffusion(), Diffusion.accelerator()):
        assert config.schedule.evaluations <= 50


@pytest.mark.parametrize("kind", ["numbers", "levels"])
def test_tables_of_one_kind(kind: str) -> None:
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(2, 300)) if kind == "numbers" else rng.choice(["x", "y", "z"], (2, 300))
    table = pa.table({"a": cells[0], "b": cells[1]})
    codec = Codec.fit(Schema.infer(table), table)
    model = replace(SMALL, steps=2).build(codec.layout)
    params = model.init(jax.random.key(0))
    drawn = model.sample(params, jax.random.key(1), 10, None)
    assert drawn.codes.shape == (10, 2)
    assert np.isfinite(model.loss(params, drawn, RowKeys.of(jax.random.key(2), 10), jnp.ones(()))).all()
