from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

from jaxsynth.codec import Codec
from jaxsynth.codec.packed import pack, unpacker
from jaxsynth.models import VAE, Batch, Model, Params, generator_from_json, generator_to_json, native_decoder
from jaxsynth.models.base import to_batch, to_columns
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.schema import Schema

CONFIG = VAE(latent=4, hidden=(16,))


@pytest.fixture(scope="module")
def built(table: pa.Table) -> tuple[Codec, Model, Params, Batch]:
    codec = Codec.fit(Schema.infer(table), table)
    model = CONFIG.build(codec.layout)
    batch = to_batch(codec.layout, jax.tree.map(jnp.asarray, pack(codec.layout, codec.encode(table.slice(0, 8)))))
    return codec, model, model.init(jax.random.key(0)), batch


def test_no_example_influences_another(built: tuple[Codec, Model, Params, Batch]) -> None:
    _, model, params, batch = built
    key, done = RowKeys.of(jax.random.key(1), 8), jnp.ones(())
    losses = model.loss(params, batch, key, done)
    changed = batch._replace(codes=batch.codes.at[0].set(batch.codes[1]))
    assert losses.shape == (8,)
    np.testing.assert_array_equal(losses[1:], model.loss(params, changed, key, done)[1:])
    gradient = jax.jit(jax.grad(lambda p, b: model.loss(p, b, key, done)[1]))
    for a, b in zip(*(jax.tree.leaves(gradient(params, b)) for b in (batch, changed)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_equal_rows_get_different_noise(built: tuple[Codec, Model, Params, Batch]) -> None:
    _, model, params, batch = built
    twins = jax.tree.map(lambda a: jnp.repeat(a[:1], 2, axis=0), batch)
    first, second = model.loss(params, twins, RowKeys.of(jax.random.key(0), 2), jnp.ones(()))
    assert first != second


def test_the_divergence_is_phased_in(built: tuple[Codec, Model, Params, Batch]) -> None:
    _, model, params, batch = built
    keys = RowKeys.of(jax.random.key(0), 8)
    early, late = (model.loss(params, batch, keys, jnp.float32(t)).mean() for t in (0.0, 1.0))
    assert early < late


def test_samples_are_codes_of_the_layout(built: tuple[Codec, Model, Params, Batch]) -> None:
    codec, model, params, _ = built
    drawn = model.sample(params, jax.random.key(0), 3000, None)
    sizes = np.array([s.size for s in codec.layout])
    assert drawn.codes.shape == (3000, len(sizes))
    assert (np.asarray(drawn.codes) < sizes).all()
    assert (np.asarray(drawn.positions) >= 0).all()
    assert (np.asarray(drawn.positions) < 1).all()
    columns = jax.tree.map(np.asarray, to_columns(codec.layout, drawn))
    np.testing.assert_array_equal(np.stack(unpacker(codec.layout)(columns).codes, axis=1), drawn.codes)


def test_the_untrained_marginals_are_those_of_the_table(built: tuple[Codec, Model, Params, Batch]) -> None:
    codec, model, params, _ = built
    quiet = jax.tree.map(lambda a: a, params) | {"decoder": jax.tree.map(jnp.zeros_like, params["decoder"])}
    drawn = np.asarray(model.sample(quiet, jax.random.key(0), 20_000, None).codes)
    for i, spec in enumerate(codec.layout):
        found = np.bincount(drawn[:, i], minlength=spec.size) / len(drawn)
        assert np.abs(found - spec.counts / spec.counts.sum()).sum() / 2 < 0.05


def test_the_configuration_survives_json() -> None:
    assert generator_from_json(generator_to_json(CONFIG)) == CONFIG


@pytest.mark.parametrize("hidden", [(16,), (24, 16)])
def test_compiled_code_draws_what_xla_draws(
    table: pa.Table, hidden: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Codec.fit(Schema.infer(table), table).layout
    model = VAE(latent=4, hidden=hidden).build(layout)
    rng = np.random.default_rng(0)
    params = jax.tree.map(
        lambda a: a + 0.3 * rng.normal(size=a.shape).astype(np.float32), model.init(jax.random.key(0))
    )

    def draw() -> Batch:
        assert model.sample_block is not None
        return model.sample_block(params, jax.random.key(1), jnp.uint32(5), 1000)

    assert native_decoder.can()
    fast = draw()
    monkeypatch.setattr(native_decoder, "can", lambda: False)
    plain = draw()
    same = (fast.codes == plain.codes).all(1)
    assert same.mean() > 0.97  # a uniform on the border of two codes may fall on either side
    np.testing.assert_allclose(fast.positions[same], plain.positions[same], atol=1e-3)
