from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

from jaxsynth.codec import Codec
from jaxsynth.codec.packed import Packed, pack
from jaxsynth.models import Batch, Model, Params
from jaxsynth.models.base import Game
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.schema import Schema
from jaxsynth.train.loop import train
from tests.conftest import TINY


def tug_of_war(critic_steps: int = 2) -> Model:
    """One number against a line: in balance the number is the mean position and the line is flat."""

    def draw(index: Any, keys: RowKeys) -> tuple[Any, jax.Array]:
        return (), keys.each(lambda key: jax.random.randint(key, (), 0, index))

    def critic_loss(critic: Params, made: jax.Array, rows: Batch, choice: Any, keys: RowKeys) -> jax.Array:
        slope: jax.Array = critic["slope"]
        return slope * (made - rows.positions[:, 0]) + jnp.square(slope) / 2

    def generator_loss(critic: Params, made: jax.Array, choice: Any) -> jax.Array:
        score: jax.Array = critic["slope"] * made
        return -score * jnp.ones(2)

    game = Game(
        init=lambda key: {"slope": jnp.zeros(())},
        index=lambda rows: jnp.asarray(len(rows.codes)),
        draw=draw,
        generate=lambda generator, choice, keys: generator["m"],
        critic_loss=critic_loss,
        generator_loss=generator_loss,
        pack=1,
        critic_steps=critic_steps,
        critic_rate=4.0,
        betas=(0.5, 0.9),
    )
    return Model(
        init=lambda key: {"m": jnp.zeros(())},
        sample=lambda params, key, n, condition: Batch(jnp.zeros((n, 1), jnp.int32), jnp.zeros((n, 1))),
        game=game,
    )


@pytest.fixture(scope="module")
def data() -> tuple[Codec, Packed]:
    table = pa.table({"x": np.random.default_rng(0).normal(size=1000)})
    codec = Codec.fit(Schema.infer(table), table)
    return codec, pack(codec.layout, codec.encode(table))


@pytest.mark.parametrize("critic_steps", [1, 3])
def test_the_game_ends_in_its_balance(data: tuple[Codec, Packed], critic_steps: int) -> None:
    codec, packed = data
    plan = replace(TINY, learning_rate=0.02, epochs=40, patience=1.0, validation=0.0).training
    params, history = train(tug_of_war(critic_steps), codec.layout, packed, plan, seed=0)
    assert set(params) == {"m"}
    assert float(params["m"]) == pytest.approx(packed.positions.mean(), abs=0.05)
    assert history.held_out == ()
    assert history.best == len(history.losses) - 1


def test_the_last_act_is_applied_once_after_training(data: tuple[Codec, Packed]) -> None:
    codec, packed = data
    plan = replace(TINY, validation=0.0).training
    plain, _ = train(tug_of_war(), codec.layout, packed, plan, seed=0)
    model = replace(tug_of_war(), finish=lambda params, key: {"m": params["m"] + 1.0})
    finished, _ = train(model, codec.layout, packed, plan, seed=0)
    assert float(finished["m"]) == pytest.approx(float(plain["m"]) + 1.0)
