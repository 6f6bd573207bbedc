from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa

import jaxsynth as js
from jaxsynth.codec import Codec
from jaxsynth.codec.groups import group_columns
from jaxsynth.codec.packed import pack
from jaxsynth.models.base import to_batch
from jaxsynth.models.gan_features import Features
from jaxsynth.models.gan_pairs import PairCritic

N = 4000


def _table() -> pa.Table:
    rng = np.random.default_rng(0)
    level, other = rng.choice(list("abcd"), (2, N))
    return pa.table({
        "level": level,
        "same": level,
        "other": other,
        "number": rng.normal(size=N),
        "rare": np.where(rng.random(N) < 0.01, "yes", "no"),
    })  # fmt: skip


def _products(order: np.ndarray | None = None) -> tuple[PairCritic, np.ndarray]:
    """Mean of each product over the rows; `order` permutes one column of the two that are equal."""
    table = _table()
    codec = Codec.fit(js.Schema.infer(table), table, max_intervals=16)
    batch = to_batch(codec.layout, pack(codec.layout, codec.encode(table)))
    codes = batch.codes if order is None else batch.codes.at[:, 1].set(batch.codes[order, 1])
    features = Features.make(group_columns(codec.layout))
    critic = PairCritic.make(features)
    shown = features.of_codes(codes)
    # The score is linear in its kernel, so its gradient by the kernel is the products.
    slope = jax.grad(lambda p: critic(p, shown).mean())(critic.init(jax.random.key(0)))
    return critic, np.asarray(slope["score"]["kernel"])[:, 0] * np.sqrt(critic.products)


def test_products_of_independent_columns_have_no_mean() -> None:
    _, independent = _products(np.random.default_rng(1).permutation(N))
    assert np.abs(independent).max() < 6 / np.sqrt(N)


def test_products_of_columns_that_agree_stand_out() -> None:
    critic, means = _products()
    means = means.reshape(len(critic.shifts), *critic.centre.shape[:2])
    far = np.abs(means) > 0.3
    # Each pair of neighbours is one of the cyclic shifts; only "level" and "same" depend on each other.
    shift, _, column = np.nonzero(far)
    assert {(critic.shifts[s], int(c)) for s, c in zip(shift, column, strict=True)} == {(1, 1)}
    # Two random looks at four levels may see little of what they share.
    assert far.sum() >= len(critic.centre) / 3


def test_looks_are_centred_and_scaled() -> None:
    table = _table()
    codec = Codec.fit(js.Schema.infer(table), table, max_intervals=16)
    batch = to_batch(codec.layout, pack(codec.layout, codec.encode(table)))
    features = Features.make(group_columns(codec.layout))
    critic = PairCritic.make(features)
    own = jnp.einsum("bf,flc->blc", features.of_codes(batch.codes), critic.looks) - critic.centre[..., 0]
    np.testing.assert_allclose(own.mean(0), 0.0, atol=0.02)
    spread = np.asarray(own.std(0))
    np.testing.assert_allclose(spread[:, :4], 1.0, atol=0.02)
    # A column that hardly varies is not blown up.
    assert spread[:, 4].max() < 1.05
