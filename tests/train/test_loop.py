from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

import jaxsynth as js
from jaxsynth.codec import Codec
from jaxsynth.codec.packed import Packed, pack
from jaxsynth.errors import TrainingError, TrainingWarning
from jaxsynth.models import Batch, Model, Params
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.schema import Schema
from jaxsynth.train.loop import Progress, train
from jaxsynth.train.plan import make_plan, split_rows
from tests.conftest import TINY, make_table

TRACES: list[str] = []


def mean_model() -> Model:
    """One parameter that should become the mean position: a closed form to train towards."""

    def loss(params: Params, batch: Batch, keys: RowKeys, progress: jax.Array) -> jax.Array:
        TRACES.append("loss")
        return jnp.square(batch.positions[:, 0] - params["net"]["m"])

    return Model(
        init=lambda key: {"net": {"m": jnp.zeros(())}},
        loss=loss,
        sample=lambda params, key, n, condition: Batch(jnp.zeros((n, 1), jnp.int32), jnp.zeros((n, 1))),
    )


@pytest.fixture(scope="module")
def data() -> tuple[Codec, Packed]:
    values = np.random.default_rng(0).normal(size=1000)
    table = pa.table({"x": values})
    codec = Codec.fit(Schema.infer(table), table)
    return codec, pack(codec.layout, codec.encode(table))


def test_the_loop_reaches_the_closed_form(data: tuple[Codec, Packed]) -> None:
    codec, packed = data
    plan = replace(TINY, learning_rate=0.1, epochs=30, patience=1.0, validation=0.0)
    params, history = train(mean_model(), codec.layout, packed, plan.training, seed=0)
    assert float(params["net"]["m"]) == pytest.approx(packed.positions.mean(), abs=0.02)
    assert history.stopped == "finished"
    assert history.held_out == ()


def test_each_program_is_traced_once(data: tuple[Codec, Packed]) -> None:
    codec, packed = data
    TRACES.clear()
    train(mean_model(), codec.layout, packed, replace(TINY, epochs=10, patience=1.0).training, seed=0)
    assert len(TRACES) <= 4  # the epoch and the evaluation; each may trace a function twice, never once an epoch


def test_chunks_are_not_traced_again(data: tuple[Codec, Packed]) -> None:
    codec, packed = data
    counts = []
    for epochs in (1, 8):
        TRACES.clear()
        plan = replace(TINY, epochs=epochs, min_steps=1, patience=1.0).training
        train(mean_model(), codec.layout, packed, plan, seed=0)
        counts.append(len(TRACES))
    assert counts[0] == counts[1]


def test_the_same_seed_gives_the_same_parameters(data: tuple[Codec, Packed]) -> None:
    codec, packed = data
    runs = [train(mean_model(), codec.layout, packed, TINY.training, seed=s)[0] for s in (1, 1, 2)]
    assert runs[0]["net"]["m"] == runs[1]["net"]["m"]
    assert runs[0]["net"]["m"] != runs[2]["net"]["m"]


def test_training_stops_when_held_out_rows_gain_nothing(data: tuple[Codec, Packed]) -> None:
    codec, packed = data
    config = replace(TINY, learning_rate=1.0, epochs=100, patience=0.05, anneal=0.1)
    _, history = train(mean_model(), codec.layout, packed, config.training, seed=0)
    assert history.stopped == "early"
    assert history.best == int(np.argmin(history.held_out[10:])) + 10


def test_the_rate_is_cut_before_training_stops(data: tuple[Codec, Packed]) -> None:
    codec, packed = data
    config = replace(TINY, learning_rate=1.0, epochs=200, patience=0.02, anneal=0.01, weight_decay=0.0).training
    runs = [train(mean_model(), codec.layout, packed, replace(config, cuts=c), seed=0)[1] for c in (0, 3)]
    assert [r.stopped for r in runs] == ["early", "early"]
    assert len(runs[1].losses) >= len(runs[0].losses) + 3 * 2
    assert min(runs[1].held_out) <= min(runs[0].held_out)
    # Until the first cut both are one run.
    together = len(runs[0].losses) - 1
    assert runs[1].losses[:together] == runs[0].losses[:together]


def test_ctrl_c_keeps_the_best_so_far_and_says_so(data: tuple[Codec, Packed]) -> None:
    codec, packed = data

    def interrupt(progress: Progress) -> None:
        if progress.chunk == 2:
            raise KeyboardInterrupt

    with pytest.warns(TrainingWarning, match="kept the best parameters so far, of pass 2"):
        params, history = train(mean_model(), codec.layout, packed, TINY.training, seed=0, report=interrupt)
    assert history.stopped == "interrupted"
    assert float(params["net"]["m"]) > 0


def test_ctrl_c_before_the_first_pass_is_ctrl_c(
    data: tuple[Codec, Packed], monkeypatch: pytest.MonkeyPatch
) -> None:
    codec, packed = data

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("jaxsynth.train.loop.Runner.epoch", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(mean_model(), codec.layout, packed, TINY.training, seed=0)


@pytest.mark.parametrize("rows", [1, 2, 7, 63, 64, 65, 499])
def test_tables_smaller_than_a_batch_train(rows: int) -> None:
    plan = make_plan(rows, TINY.training)
    assert plan.batch <= rows
    assert plan.total_steps >= TINY.min_steps
    if rows < 64:
        synth = js.fit(make_table(rows), replace(TINY, min_steps=20), seed=0, progress=False)
        assert synth.sample(5, seed=0).num_rows == 5


def test_held_out_rows_are_not_trained_on() -> None:
    kept, held = split_rows(1000, TINY.training, seed=5)
    assert len(held) == 100
    assert sorted([*kept, *held]) == list(range(1000))
    assert len(split_rows(100, TINY.training, seed=5)[1]) == 0


def test_a_run_that_diverges_is_an_error(data: tuple[Codec, Packed]) -> None:
    codec, packed = data
    model = replace(mean_model(), loss=lambda params, batch, keys, progress: batch.positions[:, 0] * jnp.nan)
    with pytest.raises(TrainingError, match="training diverged: no pass had a finite loss"):
        train(model, codec.layout, packed, TINY.training, seed=0)


@pytest.mark.parametrize(("rows", "batch"), [(20, 20), (1000, 32), (10_000, 128), (40_000, 256)])
def test_small_tables_are_trained_in_smaller_batches(rows: int, batch: int) -> None:
    assert make_plan(rows, replace(js.Autoregressive().training, batch=256, pass_steps=64)).batch == batch


def test_a_batch_is_what_was_asked_for_otherwise() -> None:
    assert make_plan(700, replace(js.Autoregressive().training, batch=500, pass_steps=0)).batch == 500


def test_the_average_is_over_a_share_of_the_run_but_never_a_long_way() -> None:
    training = replace(TINY.training, batch=100, ema=0.05, pass_steps=0, epochs=10, min_steps=0)
    assert make_plan(10_000, training).decay == pytest.approx(1 - 1 / 50)  # of 1,000 steps
    assert make_plan(10_000_000, training).decay == pytest.approx(1 - 1 / 1000)  # of 1,000,000
