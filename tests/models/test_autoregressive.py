from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

from jaxsynth.codec import Codec
from jaxsynth.codec.packed import pack
from jaxsynth.devices import compiled
from jaxsynth.models import Autoregressive, Batch, Condition, Model, Params, generator_from_json, generator_to_json
from jaxsynth.models.autoregressive import RowLikelihood, dropout_factors, in_order
from jaxsynth.models.base import to_batch
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.schema import Schema
from tests.models.three_columns import cells, condition, every_row, first, shares, small

CONFIG = Autoregressive(embedding=4, hidden=8, networks=1)


@pytest.fixture(scope="module", params=[128, 1], ids=["paired", "summed"])
def built(request: pytest.FixtureRequest) -> tuple[Codec, Model, Params, RowLikelihood]:
    return small(replace(CONFIG, paired_columns=request.param))


def sampled(model: Model, params: Params, seed: int, given: Condition | None) -> Batch:
    return compiled(model.sample, static_argnums=2)(params, jax.random.key(seed), 40_000, given)  # type: ignore[no-any-return]


def test_probabilities_sum_to_one_under_any_order(built: tuple[Codec, Model, Params, RowLikelihood]) -> None:
    _, model, params, likelihood = built
    assert model.log_prob is not None
    total = np.exp(model.log_prob(params, every_row())).sum()
    np.testing.assert_allclose(total, 1, rtol=1e-4)
    for columns in ({0}, {2}, {0, 2}, {1, 2}):
        rank = first(likelihood, columns)
        np.testing.assert_allclose(
            np.exp(likelihood.ordered_log_prob(params, every_row(), rank, 1.0)).sum(), 1, rtol=1e-4
        )


def test_samples_follow_the_likelihood(built: tuple[Codec, Model, Params, RowLikelihood]) -> None:
    _, model, params, _ = built
    assert model.log_prob is not None
    drawn = shares(sampled(model, params, 1, None).codes)
    expected = np.exp(model.log_prob(params, every_row()))
    assert np.abs(drawn - expected).sum() / 2 < 0.02
    assert np.abs(expected - 1 / 24).sum() / 2 > 0.2  # the parameters are not those of the start


@pytest.mark.parametrize("allowed", [{0: [1]}, {2: [0]}, {0: [3], 2: [1]}, {0: [0, 2]}])
def test_one_choice_is_conditioned_on_exactly(
    built: tuple[Codec, Model, Params, RowLikelihood], allowed: dict[int, list[int]]
) -> None:
    codec, model, params, likelihood = built
    rows = every_row()
    inside = np.all([np.isin(rows.codes[:, i], codes) for i, codes in allowed.items()], axis=0)
    p = np.exp(likelihood.ordered_log_prob(params, rows, first(likelihood, set(allowed)), 1.0)) * inside
    drawn = shares(sampled(model, params, 2, condition(codec, allowed)).codes)
    assert drawn[~inside].sum() == 0
    assert np.abs(drawn - p / p.sum()).sum() / 2 < 0.02


def test_several_choices_are_corrected_by_importance(built: tuple[Codec, Model, Params, RowLikelihood]) -> None:
    codec, model, params, likelihood = built
    allowed = {0: [0, 2], 1: [1, 2], 2: [1]}
    rows = every_row()
    inside = np.all([np.isin(rows.codes[:, i], codes) for i, codes in allowed.items()], axis=0)
    p = np.exp(likelihood.ordered_log_prob(params, rows, first(likelihood, set(allowed)), 1.0)) * inside
    drawn = shares(sampled(model, params, 3, condition(codec, allowed)).codes)
    assert drawn[~inside].sum() == 0
    assert np.abs(drawn - p / p.sum()).sum() / 2 < 0.02
    assert model.log_mass is not None
    mass = np.exp(model.log_mass(params, jax.random.key(4), 20_000, condition(codec, allowed)))
    np.testing.assert_allclose(mass.mean(), p.sum(), rtol=0.05)


def test_a_rare_event_is_met_in_every_row() -> None:
    codec, model, params, _ = small(CONFIG)
    where = int(np.flatnonzero([len(g.index) and 0 in g.index for g in in_order(codec.layout)])[0])
    column = list(in_order(codec.layout)[where].index).index(0)
    params["bias"][str(where)] = params["bias"][str(where)].at[column, 2].add(-60.0)
    drawn = sampled(model, params, 0, condition(codec, {0: [2]}))
    assert (np.asarray(drawn.codes[:, 0]) == 2).all()


def test_known_cells_are_kept_and_the_others_follow(built: tuple[Codec, Model, Params, RowLikelihood]) -> None:
    codec, model, params, likelihood = built
    n = 40_000
    codes = jnp.tile(jnp.array([3, 0, 1], jnp.int32), (n, 1))
    known = jnp.tile(jnp.array([True, False, True]), (n, 1)).at[::2].set(jnp.array([False, True, True]))
    assert model.complete is not None
    out = compiled(model.complete)(
        params, jax.random.key(0), Batch(codes, jnp.zeros((n, 0))), known, condition(codec, {})
    )
    assert (np.asarray(out.codes)[np.asarray(known)] == np.asarray(codes)[np.asarray(known)]).all()
    rows = every_row()
    inside = np.asarray((rows.codes[:, 0] == 3) & (rows.codes[:, 2] == 1))
    p = np.exp(likelihood.ordered_log_prob(params, rows, first(likelihood, {0, 2}), 1.0)) * inside
    assert np.abs(shares(out.codes[1::2]) - p / p.sum()).sum() / 2 < 0.02


def test_no_example_influences_another_and_equal_rows_get_different_dropout(table: pa.Table) -> None:
    codec = Codec.fit(Schema.infer(table), table)
    model = CONFIG.build(codec.layout)
    params = jax.tree.map(lambda a: a + 0.3, model.init(jax.random.key(0)))
    batch = to_batch(codec.layout, jax.tree.map(jnp.asarray, pack(codec.layout, codec.encode(table.slice(0, 8)))))
    key, done = RowKeys.of(jax.random.key(1), 8), jnp.ones(())
    loss = jax.jit(model.loss)
    losses = loss(params, batch, key, done)
    changed = batch._replace(codes=batch.codes.at[0].set(batch.codes[1]))
    assert losses.shape == (8,)
    np.testing.assert_allclose(losses[1:], loss(params, changed, key, done)[1:], rtol=1e-5)
    twins = jax.tree.map(lambda a: jnp.repeat(a[:1], 2, axis=0), batch)
    one, two = loss(params, twins, RowKeys.of(jax.random.key(1), 2), done)
    assert one != two


def test_dropout_spares_an_eighth_of_each_columns_units(table: pa.Table) -> None:
    config = Autoregressive(dropout=0.6, steady=0.125)
    likelihood = RowLikelihood.make(config, Codec.fit(Schema.infer(table), table).layout)
    keep = np.asarray(dropout_factors(RowKeys.of(jax.random.key(0), 4096), likelihood.spared, likelihood.dropout))
    by_column = [
        keep[s.units.start + i * s.sizes.hidden : s.units.start + (i + 1) * s.sizes.hidden]
        for s in likelihood.net.spans
        for i in range(len(s.columns))
    ]
    for own in by_column:
        assert (own[: len(own) // 8] == 1).all()
        np.testing.assert_allclose((own[len(own) // 8 :] == 0).mean(), likelihood.dropout, atol=0.01)
        np.testing.assert_allclose(own.mean(), 1, atol=0.03)


def test_more_rows_need_less_dropout() -> None:
    def dropout(rows: int) -> float:
        table = pa.table({"x": np.arange(rows) % 7 % 3})
        return RowLikelihood.make(
            Autoregressive(dropout=0.6), Codec.fit(Schema.infer(table), table).layout
        ).dropout

    assert dropout(500) == dropout(10_000) == 0.6
    np.testing.assert_allclose(dropout(160_000), 0.6 / 8)


def test_the_untrained_marginals_are_those_of_the_table(table: pa.Table) -> None:
    codec = Codec.fit(Schema.infer(table), table)
    model = CONFIG.build(codec.layout)
    params = jax.jit(model.init)(jax.random.key(0))
    drawn = np.asarray(compiled(model.sample, static_argnums=2)(params, jax.random.key(0), 20_000, None).codes)
    for i, spec in enumerate(codec.layout):
        found = np.bincount(drawn[:, i], minlength=spec.size) / len(drawn)
        assert np.abs(found - spec.counts / spec.counts.sum()).sum() / 2 < 0.05


def test_calibration_sets_mean_probabilities_to_the_frequencies(
    built: tuple[Codec, Model, Params, RowLikelihood],
) -> None:
    _, model, params, likelihood = built
    rows = Batch(jnp.stack([jnp.asarray(c) for c in cells()], axis=1), jnp.zeros((400, 0)))
    assert model.tally is not None
    assert model.calibrate is not None
    calibrated = params
    for _ in range(8):
        calibrated = model.calibrate(calibrated, model.tally(calibrated, rows, jnp.ones(400))[1], 400.0)

    def off(p: Params) -> float:
        net = likelihood.net
        codes = rows.codes.T[net.order]
        features = net.lookup(net.inputs(p), codes)
        logits = net.logits(p, net.hidden_units(p, features, net.rank, 1.0), codes, net.rank)
        means = [np.asarray(jax.nn.softmax(own, axis=1).mean(-1)) for own in logits]
        return max(float(np.abs(m - np.exp(g.prior)).max()) for m, g in zip(means, likelihood.groups, strict=True))

    assert off(params) > 0.1
    assert off(calibrated) < 0.02
    assert model.log_prob is not None
    assert model.log_prob(calibrated, rows).mean() > model.log_prob(params, rows).mean()


def test_the_narrowest_columns_come_last(table: pa.Table) -> None:
    codec = Codec.fit(Schema.infer(table), table)
    order = [i for g in in_order(codec.layout) for i in g.index]
    assert sorted(order) == list(range(len(codec.layout)))
    sizes = [codec.layout[i].size for i in order]
    assert max(sizes[-3:]) <= 3 < min(sizes[:-3])


def test_the_configuration_survives_json() -> None:
    assert generator_from_json(generator_to_json(CONFIG)) == CONFIG
