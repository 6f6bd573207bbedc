from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

import jaxsynth as js
from jaxsynth.codec import Codec
from jaxsynth.codec.packed import pack
from jaxsynth.models import GAN, Batch, Model, Params, generator_from_json, generator_to_json
from jaxsynth.models.base import to_batch
from jaxsynth.models.gan_choice import Choices
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.schema import Schema
from jaxsynth.train.loop import train

CONFIG = GAN(latent=16, hidden=(48,), critic=(48,), pack=5, batch=100, epochs=1, min_steps=40)


@pytest.fixture(scope="module")
def built(table: pa.Table) -> tuple[Codec, Model, Params, Batch]:
    codec = Codec.fit(Schema.infer(table), table)
    model = CONFIG.build(codec.layout)
    rows = to_batch(codec.layout, jax.tree.map(jnp.asarray, pack(codec.layout, codec.encode(table))))
    return codec, model, model.init(jax.random.key(0)), rows


@pytest.fixture(scope="module")
def linked() -> pa.Table:
    """Two columns of three levels that always agree, a number that follows them, a level of 1 in 100."""
    rng = np.random.default_rng(0)
    kind = rng.choice(3, 3000, p=[0.69, 0.3, 0.01])
    amount = np.round(rng.normal(10 * kind, 1.0), 2)
    names = np.array(["low", "mid", "rare"])[kind]
    return pa.table({"kind": names, "copy": np.char.add("as ", names), "amount": amount})


@pytest.fixture(scope="module")
def fitted(linked: pa.Table) -> js.Synthesizer:
    config = replace(CONFIG, min_steps=1200, learning_rate=2e-3)
    return js.fit(linked, config, seed=0, progress=False)


def agreement(table: pa.Table) -> float:
    pairs = zip(table["kind"].to_pylist(), table["copy"].to_pylist(), strict=True)
    return float(np.mean([b == f"as {a}" for a, b in pairs]))


def test_both_losses_are_finite_and_one_a_pack(built: tuple[Codec, Model, Params, Batch]) -> None:
    _, model, params, rows = built
    assert model.game is not None
    critic = model.game.init(jax.random.key(1))
    choice, order = model.game.draw(model.game.index(rows), RowKeys.of(jax.random.key(2), 50))
    real = jax.tree.map(lambda a: a[order], rows)
    made = model.game.generate(params, choice, RowKeys.of(jax.random.key(3), 50))
    losses = model.game.critic_loss(critic, made, real, choice, RowKeys.of(jax.random.key(4), 50))
    wanted = model.game.generator_loss(critic, made, choice)
    assert losses.shape == wanted.shape == (10,)
    assert bool(jnp.isfinite(losses).all())
    assert bool(jnp.isfinite(wanted).all())


def test_packs_share_nothing(built: tuple[Codec, Model, Params, Batch]) -> None:
    _, model, params, rows = built
    assert model.game is not None
    critic = model.game.init(jax.random.key(1))
    choice, order = model.game.draw(model.game.index(rows), RowKeys.of(jax.random.key(2), 50))
    real = jax.tree.map(lambda a: a[order], rows)
    changed = real._replace(codes=real.codes.at[:5].set(real.codes[5:10]))
    made = model.game.generate(params, choice, RowKeys.of(jax.random.key(3), 50))
    keys = RowKeys.of(jax.random.key(4), 50)
    first, second = (model.game.critic_loss(critic, made, r, choice, keys) for r in (real, changed))
    assert first[0] != second[0]
    np.testing.assert_allclose(first[1:], second[1:], rtol=1e-5)


def test_the_generator_learns_through_every_head(built: tuple[Codec, Model, Params, Batch]) -> None:
    _, model, params, rows = built
    assert model.game is not None
    critic = model.game.init(jax.random.key(1))
    choice, _ = model.game.draw(model.game.index(rows), RowKeys.of(jax.random.key(2), 100))
    game, keys = model.game, RowKeys.of(jax.random.key(3), 100)

    def loss(p: Params) -> jax.Array:
        return game.generator_loss(critic, game.generate(p, choice, keys), choice).mean()

    grads = jax.grad(loss)(params)
    assert all(bool(jnp.isfinite(g).all()) and bool((g != 0).any()) for g in jax.tree.leaves(grads["heads"]))


def make_choices(codec: Codec) -> Choices:
    names = [s.name for s in codec.layout]
    return Choices.make(codec.layout, tuple(names.index(n) for n in ("sex", "smoker", "grade")))


def test_rows_answer_their_choice_and_are_uniform_within_a_level(
    built: tuple[Codec, Model, Params, Batch],
) -> None:
    codec, _, _, rows = built
    choices = make_choices(codec)
    draw = jax.jit(lambda key: choices.draw_rows(choices.index(rows), RowKeys.of(key, 200_000), 0.5))
    choice, order = jax.tree.map(np.asarray, draw(jax.random.key(0)))
    codes = np.asarray(rows.codes)
    np.testing.assert_array_equal(codes[order, choice.column], choice.level)
    column = choices.columns[1]
    for level in range(codec.layout[column].size):
        members = np.flatnonzero(codes[:, column] == level)
        drawn = order[(choice.column == column) & (choice.level == level)]
        counts = np.bincount(drawn, minlength=len(codes))[members]
        assert counts.sum() == len(drawn)
        assert stats.chisquare(counts).pvalue > 1e-4


def test_training_draws_levels_by_a_power_of_their_frequency(built: tuple[Codec, Model, Params, Batch]) -> None:
    codec, _, _, rows = built
    choices = make_choices(codec)
    index = choices.index(rows)
    column = choices.columns[1]
    counts = codec.layout[column].counts.astype(float)
    for power in (0.0, 0.5, 1.0):
        choice, _ = choices.draw_rows(index, RowKeys.of(jax.random.key(1), 60_000), power)
        level = np.asarray(choice.level)[np.asarray(choice.column) == column]
        expected = counts**power / (counts**power).sum() * len(level)
        assert stats.chisquare(np.bincount(level, minlength=len(counts)), expected).pvalue > 1e-4


def test_generation_draws_levels_by_their_true_frequency(built: tuple[Codec, Model, Params, Batch]) -> None:
    codec, _, _, _ = built
    choices = make_choices(codec)
    choice = choices.draw(jax.random.key(1), 100_000)
    columns, many = np.unique(np.asarray(choice.column), return_counts=True)
    np.testing.assert_array_equal(columns, choices.columns)
    assert stats.chisquare(many).pvalue > 1e-4
    for column in columns:
        counts = codec.layout[column].counts
        level = np.asarray(choice.level)[np.asarray(choice.column) == column]
        found = np.bincount(level, minlength=len(counts))
        assert stats.chisquare(found, counts / counts.sum() * len(level)).pvalue > 1e-4


def test_slots_tell_pairs_of_column_and_level_apart(built: tuple[Codec, Model, Params, Batch]) -> None:
    codec, _, _, _ = built
    choices = make_choices(codec)
    choice = choices.draw(jax.random.key(1), 5000)
    pairs = set(zip(*(np.asarray(a).tolist() for a in choice), strict=True))
    assert len({slot for _, _, slot in pairs}) == len(pairs) == choices.slots


def test_training_finds_the_relation_and_keeps_the_rare_level(linked: pa.Table, fitted: js.Synthesizer) -> None:
    before = js.fit(linked, replace(CONFIG, min_steps=1, batch=3000), seed=0, progress=False).sample(4000, seed=1)
    after = fitted.sample(4000, seed=1)
    assert agreement(after) > 0.9 > agreement(before)
    assert 0.005 < np.mean(np.array(after["kind"].to_pylist()) == "rare") < 0.02
    kind, amount = np.array(after["kind"].to_pylist()), after["amount"].to_numpy()
    assert abs(amount[kind == "low"].mean()) < 2.5
    assert abs(amount[kind == "mid"].mean() - 10) < 2.5


def test_the_last_act_sets_the_marginals(built: tuple[Codec, Model, Params, Batch]) -> None:
    codec, model, params, _ = built
    assert model.finish is not None
    rng = np.random.default_rng(0)
    heads = {
        k: v + rng.normal(size=v.shape).astype(np.float32) if k.startswith("bias") else v
        for k, v in params["heads"].items()
    }
    off = {**params, "heads": heads}

    def distance(p: Params) -> float:
        drawn = np.asarray(model.sample(p, jax.random.key(5), 20_000, None).codes)
        parts = [
            np.abs(np.bincount(drawn[:, i], minlength=s.size) / len(drawn) - s.counts / s.counts.sum()).sum() / 2
            for i, s in enumerate(codec.layout)
        ]
        return float(max(parts))

    assert distance(off) > 0.1
    assert distance(jax.jit(model.finish)(off, jax.random.key(6))) < 0.05


@pytest.mark.parametrize(
    "where",
    [
        {"kind": "rare"},
        {"kind": ["mid", "rare"], "copy": "as mid"},
        {"amount": js.between(8.0, 11.5)},
        {"kind": "low", "amount": js.between(9.0, 12.0)},
    ],
)
def test_every_row_satisfies_the_condition(fitted: js.Synthesizer, where: dict[str, Any]) -> None:
    rows = fitted.sample(5000, seed=2, where=where)
    for name, wanted in where.items():
        values = rows[name].to_pylist()
        if name == "amount":
            assert all(wanted.low <= v <= wanted.high for v in values)
        else:
            assert set(values) <= ({wanted} if isinstance(wanted, str) else set(wanted))


def test_a_condition_carries_over_to_the_other_columns(fitted: js.Synthesizer) -> None:
    by_level = fitted.sample(4000, seed=2, where={"kind": "mid"})
    assert np.mean(np.array(by_level["copy"].to_pylist()) == "as mid") > 0.85
    by_number = fitted.sample(4000, seed=2, where={"amount": js.between(9.0, 11.0)})
    assert np.mean(np.array(by_number["kind"].to_pylist()) == "mid") > 0.7


def test_the_same_seed_gives_the_same_bytes(linked: pa.Table, fitted: js.Synthesizer) -> None:
    assert fitted.sample(500, seed=1).equals(fitted.sample(500, seed=1))
    assert not fitted.sample(500, seed=1).equals(fitted.sample(500, seed=2))
    twins = [js.fit(linked, CONFIG, seed=7, progress=False).sample(200, seed=1) for _ in range(2)]
    assert twins[0].equals(twins[1])


def test_tables_without_levels_or_with_few_rows_train() -> None:
    numbers = pa.table({"x": np.random.default_rng(0).normal(size=400)})
    found = js.fit(numbers, CONFIG, seed=0, progress=False).sample(2000, seed=0)["x"].to_numpy()
    assert abs(found.mean()) < 0.2
    assert abs(found.std() - 1) < 0.2
    tiny = pa.table({"a": ["x", "y", "x"], "b": [1, 2, 1]})
    assert js.fit(tiny, CONFIG, seed=0, progress=False).sample(5, seed=0).num_rows == 5


def test_a_wide_unordered_column_is_drawn_within_its_levels() -> None:
    names = np.array([f"level {i:03d}" for i in range(90)])
    table = pa.table({"wide": names[np.random.default_rng(0).integers(0, 90, 2000)], "x": np.arange(2000) % 2})
    drawn = js.fit(table, CONFIG, seed=0, progress=False).sample(3000, seed=0)
    assert set(drawn["wide"].to_pylist()) <= set(names)
    assert len(set(drawn["wide"].to_pylist())) > 80


def test_the_configuration_survives_json() -> None:
    assert generator_from_json(generator_to_json(CONFIG)) == CONFIG


def test_chunks_are_not_traced_again(built: tuple[Codec, Model, Params, Batch], table: pa.Table) -> None:
    codec, model, _, _ = built
    data = pack(codec.layout, codec.encode(table))
    traces: list[str] = []

    def traced(chunks: int) -> list[str]:
        assert model.game is not None
        game = model.game

        def critic_loss(*args: Any) -> jax.Array:
            traces.append("critic")
            return game.critic_loss(*args)

        def generator_loss(*args: Any) -> jax.Array:
            traces.append("generator")
            return game.generator_loss(*args)

        counted = replace(model, game=replace(game, critic_loss=critic_loss, generator_loss=generator_loss))
        traces.clear()
        plan = replace(CONFIG, epochs=chunks, min_steps=1).training
        _, history = train(counted, codec.layout, data, plan, seed=0)
        assert len(history.losses) == chunks
        return list(traces)

    assert traced(1) == traced(6)
