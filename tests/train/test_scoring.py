"""Held-out loss and calibration in parts against the model's functions on all rows at once."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

from jaxsynth.codec import Codec
from jaxsynth.codec.packed import Packed, pack
from jaxsynth.models import VAE, Autoregressive, Model, Params
from jaxsynth.models.base import to_batch
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.schema import Schema
from jaxsynth.train.plan import make_plan
from jaxsynth.train.scoring import Scoring, make_scoring, take, take_evenly

CONFIG = Autoregressive(embedding=2, hidden=8, rank=4, networks=1)
HELD, KEPT = 300, 700  # neither fills a call


@pytest.fixture(scope="module")
def built(table: pa.Table) -> tuple[Codec, Packed, Model, Params]:
    codec = Codec.fit(Schema.infer(table), table)
    model = CONFIG.build(codec.layout)
    rng = np.random.default_rng(0)
    start = jax.jit(model.init)(jax.random.key(0))
    params = jax.tree.map(lambda a: a + 0.3 * rng.normal(size=a.shape).astype(np.float32), start)
    return codec, pack(codec.layout, codec.encode(table)), model, params


def made(built: tuple[Codec, Packed, Model, Params], held: int) -> Scoring:
    codec, rows, model, _ = built
    parts = take(rows, np.arange(held)), take(rows, np.arange(held, held + KEPT))
    return make_scoring(model, codec.layout, make_plan(KEPT, CONFIG.training), *parts, jax.random.key(1))


def test_every_held_out_row_counts_once(built: tuple[Codec, Packed, Model, Params]) -> None:
    codec, rows, model, params = built
    assert model.log_prob is not None
    log_prob = model.log_prob(params, to_batch(codec.layout, take(rows, np.arange(HELD))))
    assert made(built, HELD).held_out(params) == pytest.approx(-float(log_prob.mean()), rel=1e-5)


def test_without_held_out_rows_there_is_no_score(built: tuple[Codec, Packed, Model, Params]) -> None:
    scoring = made(built, 0)
    assert scoring.held_out(built[3]) is None
    assert float(jnp.abs(scoring.calibrated(built[3])["bias"]["0"] - built[3]["bias"]["0"]).max()) > 0.01


def test_calibration_goes_by_every_row(built: tuple[Codec, Packed, Model, Params]) -> None:
    codec, rows, model, expected = built
    assert model.tally is not None
    assert model.calibrate is not None
    batch = to_batch(codec.layout, take(rows, np.arange(HELD, HELD + KEPT)))
    tally = jax.jit(model.tally)
    for _ in range(8):
        expected = model.calibrate(expected, tally(expected, batch, jnp.ones(KEPT))[1], float(KEPT))
    found = made(built, HELD).calibrated(built[3])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), found, expected)


def test_a_model_without_a_likelihood_is_scored_by_its_loss(built: tuple[Codec, Packed, Model, Params]) -> None:
    codec, rows, _, _ = built
    config = VAE(latent=4, hidden=(16,), batch=100)
    model, held, key = config.build(codec.layout), take(rows, np.arange(HELD)), jax.random.key(1)
    params = jax.jit(model.init)(key)
    scoring = make_scoring(model, codec.layout, make_plan(KEPT, config.training), held, held, key)
    parts = [to_batch(codec.layout, take(held, np.arange(i, i + 100))) for i in range(0, HELD, 100)]
    losses = [
        model.loss(params, part, RowKeys(key, 100 * i + jnp.arange(100)), jnp.ones(())).mean()
        for i, part in enumerate(parts)
    ]
    assert scoring.held_out(params) == pytest.approx(float(np.mean(losses)), rel=1e-4)
    assert scoring.calibrated(params) is params


def test_rows_are_picked_evenly(built: tuple[Codec, Packed, Model, Params]) -> None:
    numbered = Packed(built[1].codes, np.arange(len(built[1].positions), dtype=np.float32)[:, None])
    picked = take_evenly(numbered, 5).positions[:, 0]
    assert picked.tolist() == np.linspace(0, len(numbered.positions) - 1, 5).astype(int).tolist()
    assert len(take_evenly(numbered, 10_000).positions) == len(numbered.positions)
