from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

import jaxsynth as js
from jaxsynth.codec import Codec
from jaxsynth.codec.packed import Packed, pack
from jaxsynth.errors import TrainingError
from jaxsynth.models import Batch, Generator, Model, Params
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.schema import Schema
from jaxsynth.train import History
from jaxsynth.train.loop import Progress, train
from jaxsynth.train.many import train_many
from jaxsynth.train.scoring import take
from tests.conftest import TINY, make_table
from tests.train.test_adversarial import tug_of_war

Fit = tuple[Params, History]


def noisy_mean() -> Model:
    """Towards the mean position, with a draw of its own in each step: wrong keys would show."""

    def loss(params: Params, batch: Batch, keys: RowKeys, progress: jax.Array) -> jax.Array:
        noise = 0.1 * keys.each(jax.random.normal)
        return jnp.square(batch.positions[:, 0] + noise - params["m"])

    return Model(
        init=lambda key: {"m": jax.random.normal(key)},
        loss=loss,
        sample=lambda params, key, n, condition: Batch(jnp.zeros((n, 1), jnp.int32), jnp.zeros((n, 1))),
        finish=lambda params, key: {"m": params["m"] + 1e-3 * jax.random.normal(key)},
    )


@pytest.fixture(scope="module")
def data() -> tuple[Codec, Packed]:
    return make_data()


def make_data() -> tuple[Codec, Packed]:
    table = pa.table({"x": np.random.default_rng(0).normal(size=1500)})
    codec = Codec.fit(Schema.infer(table), table)
    return codec, pack(codec.layout, codec.encode(table))


def halves(rows: int, fits: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(7)
    return np.stack([np.sort(rng.permutation(rows)[: rows // 2]) for _ in range(fits)])


def assert_same(found: Fit, expected: Fit, tolerance: float) -> None:
    assert found[1].best == expected[1].best
    assert found[1].steps == expected[1].steps
    assert found[1].stopped == expected[1].stopped
    np.testing.assert_allclose(found[1].losses, expected[1].losses, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(found[1].held_out, expected[1].held_out, rtol=tolerance, atol=tolerance)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance), found[0], expected[0])


# Steps so long that the fits are cut and stop at chunks of their own.
RESTLESS = replace(
    replace(TINY, learning_rate=1.0, epochs=60, patience=0.06, anneal=0.05).training, cuts=1
)  # fmt: skip


SEEDS = [3, 1, 4]


@pytest.fixture(scope="module")
def single(data: tuple[Codec, Packed]) -> list[Fit]:
    """Three fits by the ordinary loop."""
    codec, packed = data
    both = zip(halves(1500, 3), SEEDS, strict=True)
    return [train(noisy_mean(), codec.layout, take(packed, own), RESTLESS, seed=seed) for own, seed in both]


@pytest.mark.parametrize("side_by_side", [None, 2, 3])
def test_every_fit_is_what_the_loop_makes_of_its_rows(
    data: tuple[Codec, Packed], single: list[Fit], side_by_side: int | None
) -> None:
    codec, packed = data
    rows = halves(1500, 3)
    many = list(
        train_many(noisy_mean(), codec.layout, packed, rows, RESTLESS, seeds=SEEDS, side_by_side=side_by_side)
    )
    assert len({len(history.losses) for _, history in single}) > 1, "all stop together: the test shows little"
    assert {history.stopped for _, history in single} == {"early"}
    for found, expected in zip(many, single, strict=True):
        assert_same(found, expected, 1e-5)


_DEVICES = """
import sys, jax, numpy as np, jaxsynth as js
jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
from tests.train.test_many import *
codec, packed = make_data()
rows, side = halves(1500, 4), int(sys.argv[2])
fits = train_many(noisy_mean(), codec.layout, packed, rows, RESTLESS, seeds=[3, 1, 4, 1], side_by_side=side)
print(*[float(params["m"]) for params, _ in fits])
"""


def test_devices_share_the_fits_and_change_nothing() -> None:
    found = []
    for devices, side in (("1", "1"), ("2", "4")):
        command = [sys.executable, "-c", _DEVICES, devices, side]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append([float(word) for word in run.stdout.split()])
    assert len(found[0]) == 4
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


def test_a_game_too(data: tuple[Codec, Packed]) -> None:
    codec, packed = data
    plan = replace(TINY, learning_rate=0.02, epochs=5, min_steps=100, validation=0.0).training
    rows, seeds = halves(1500, 3), [0, 1, 2]
    many = list(train_many(tug_of_war(), codec.layout, packed, rows, plan, seeds=seeds, side_by_side=3))
    for found, own, seed in zip(many, rows, seeds, strict=True):
        assert_same(found, train(tug_of_war(), codec.layout, take(packed, own), plan, seed=seed), 1e-5)


GENERATORS: list[Any] = [
    js.VAE(latent=2, hidden=(8,), batch=64, epochs=1, min_steps=8),
    js.Autoregressive(embedding=2, hidden=4, rank=2, batch=64, epochs=1, min_steps=8, validation=0.3),
    js.Autoregressive(
        embedding=2, hidden=4, rank=2, batch=64, epochs=1, min_steps=8, networks=1, paired_columns=1
    ),
    js.GAN(latent=4, hidden=(8,), critic=(8,), batch=64, epochs=1, min_steps=8),
    js.Diffusion(width=8, depth=1, batch=64, epochs=1, min_steps=8),
]
COLUMNS = [["sex", "cost"], ["sex", "smoker"], ["sex", "cost"], ["sex", "smoker"], ["sex", "cost"]]


@pytest.mark.parametrize(
    ("generator", "columns"),
    list(zip(GENERATORS, COLUMNS, strict=True)),
    ids=["vae", "mixture", "wide", "gan", "diffusion"],
)
def test_every_generator_can_be_vectorised(generator: Generator, columns: list[str]) -> None:
    table = make_table(400).select(columns)
    codec = Codec.fit(Schema.infer(table), table, max_intervals=8)
    packed = pack(codec.layout, codec.encode(table))
    model, rows = generator.build(codec.layout), halves(400, 2)
    many = list(
        train_many(model, codec.layout, packed, rows, generator.training, seeds=[8, 9], side_by_side=2)
    )  # fmt: skip
    assert_same(many[1], train(model, codec.layout, take(packed, rows[1]), generator.training, seed=9), 2e-3)
    assert not np.allclose(jax.tree.leaves(many[0][0])[0], jax.tree.leaves(many[1][0])[0])


def test_chunks_and_groups_are_not_traced_again(data: tuple[Codec, Packed]) -> None:
    codec, packed = data
    counts = []
    for fits, epochs in ((1, 1), (3, 6)):
        traces: list[int] = []

        def loss(params: Params, batch: Batch, keys: RowKeys, progress: jax.Array, seen: list[int]) -> jax.Array:
            seen.append(1)
            return jnp.square(batch.positions[:, 0] - params["m"])

        model = replace(noisy_mean(), loss=partial(loss, seen=traces))
        plan = replace(TINY, epochs=epochs, min_steps=1, patience=1.0).training
        list(train_many(model, codec.layout, packed, halves(1500, fits), plan, seeds=range(fits), side_by_side=1))
        counts.append(len(traces))
    assert counts[0] == counts[1]


def test_the_ending_model_calibrates_and_finishes(data: tuple[Codec, Packed]) -> None:
    codec, packed = data
    plan = replace(TINY, epochs=1, min_steps=1).training

    def ending(s: int) -> Model:
        return replace(noisy_mean(), finish=lambda params, key: {"m": params["m"] * 0 + s})

    many = train_many(
        noisy_mean(), codec.layout, packed, halves(1500, 3), plan, seeds=SEEDS, ending=ending, side_by_side=2
    )
    assert [float(params["m"]) for params, _ in many] == [0, 1, 2]


def test_reports_are_of_all_fits(data: tuple[Codec, Packed]) -> None:
    codec, packed = data
    plan = replace(TINY, epochs=2, min_steps=1, batch=50, patience=1.0).training
    seen: list[Progress] = []
    rows = halves(1500, 3)
    list(
        train_many(noisy_mean(), codec.layout, packed, rows, plan, seeds=SEEDS, side_by_side=2, report=seen.append)
    )
    assert [p.chunk for p in seen] == list(range(1, len(seen) + 1))
    assert {p.chunks for p in seen} == {len(seen)}
    assert {p.rows % 2 for p in seen} == {0}


def test_a_fit_that_diverges_is_named(data: tuple[Codec, Packed]) -> None:
    codec, packed = data

    def loss(params: Params, batch: Batch, keys: RowKeys, progress: jax.Array) -> jax.Array:
        low = batch.positions[:, 0] + 1e-3
        return jnp.where(params["m"] > 0, jnp.nan, 0.0) * low + low

    model = replace(noisy_mean(), loss=loss, init=lambda key: {"m": jax.random.normal(key)})
    plan = replace(TINY, epochs=1, min_steps=1, validation=0.0).training
    starts = [float(jax.random.normal(jax.random.split(jax.random.key(s), 3)[0])) for s in range(20)]
    seeds = [int(np.argmin(starts)), int(np.argmax(starts))]
    fits = train_many(model, codec.layout, packed, halves(1500, 2), plan, seeds=seeds, side_by_side=2)
    assert next(fits)[1].best >= 0
    with pytest.raises(TrainingError, match="fit 1: training diverged"):
        next(fits)
