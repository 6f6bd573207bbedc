"""A mixture of networks against the probabilities of its members, which the three columns let us enumerate."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

from jaxsynth.codec import Codec
from jaxsynth.devices import compiled
from jaxsynth.errors import TrainingError
from jaxsynth.models import Autoregressive, Batch, Model, Params
from jaxsynth.models.autoregressive import RowLikelihood
from jaxsynth.models.mixture import mixture
from jaxsynth.schema import Schema
from tests.models.three_columns import cells, condition, every_row, first, shares, small

CONFIG = Autoregressive(embedding=4, hidden=8, networks=2)
N = 40_000
Built = tuple[Codec, Model, Params, RowLikelihood]


@pytest.fixture(scope="module")
def built() -> Built:
    """Two networks that hardly agree."""
    return small(CONFIG)


def members(params: Params) -> list[Params]:
    return [jax.tree.map(lambda a, i=i: a[i], params) for i in range(2)]


def likelihoods(built: Built, columns: set[int] | None = None) -> np.ndarray:
    """Each member's probability of every row, with these columns first, (2, rows)."""
    _, _, params, likelihood = built
    rank = likelihood.net.rank if columns is None else first(likelihood, columns)
    return np.exp([likelihood.ordered_log_prob(p, every_row(), rank, 1.0) for p in members(params)])


def test_the_likelihood_is_the_members_mean(built: Built) -> None:
    _, model, params, _ = built
    assert model.log_prob is not None
    each = likelihoods(built)
    np.testing.assert_allclose(np.exp(model.log_prob(params, every_row())), each.mean(0), rtol=1e-4)
    assert np.abs(each[0] - each[1]).sum() / 2 > 0.2


def test_samples_follow_the_likelihood(built: Built) -> None:
    _, model, params, _ = built
    drawn = compiled(model.sample, static_argnums=2)(params, jax.random.key(1), N, None)
    assert np.abs(shares(drawn.codes) - likelihoods(built).mean(0)).sum() / 2 < 0.02


def test_neighbouring_rows_come_from_different_members(built: Built) -> None:
    _, model, params, _ = built
    assert model.sample_block is not None
    drawn = compiled(model.sample_block, static_argnums=3)(params, jax.random.key(1), 0, N)
    for i, each in enumerate(likelihoods(built)):
        assert np.abs(shares(drawn.codes[i::2]) - each).sum() / 2 < 0.02


@pytest.mark.parametrize("allowed", [{0: [1]}, {2: [0]}, {0: [3], 2: [1]}, {0: [0, 2]}])
def test_members_count_as_much_as_the_condition_is_likely(built: Built, allowed: dict[int, list[int]]) -> None:
    codec, model, params, _ = built
    rows = every_row()
    inside = np.all([np.isin(rows.codes[:, i], codes) for i, codes in allowed.items()], axis=0)
    p = likelihoods(built, set(allowed)).mean(0) * inside
    sample = compiled(model.sample, static_argnums=2)
    drawn = np.mean(
        [shares(sample(params, jax.random.key(k), N, condition(codec, allowed)).codes) for k in range(8)], 0
    )
    assert drawn[~inside].sum() == 0
    assert np.abs(drawn - p / p.sum()).sum() / 2 < 0.05
    assert model.log_mass is not None
    mass = np.exp(model.log_mass(params, jax.random.key(4), 20_000, condition(codec, allowed)))
    np.testing.assert_allclose(mass.mean(), p.sum(), rtol=0.02)


def test_known_cells_are_kept_and_the_others_follow_either_member(built: Built) -> None:
    codec, model, params, _ = built
    codes = jnp.tile(jnp.array([3, 0, 1], jnp.int32), (N, 1)).at[::4, 0].set(1)
    known = jnp.tile(jnp.array([True, False, True]), (N, 1))
    assert model.complete is not None
    out = compiled(model.complete)(
        params, jax.random.key(0), Batch(codes, jnp.zeros((N, 0))), known, condition(codec, {})
    )
    np.testing.assert_array_equal(np.asarray(out.codes)[known], np.asarray(codes)[known])
    given = (every_row().codes[:, 0] == 3) & (every_row().codes[:, 2] == 1)
    p = likelihoods(built, {0, 2}) * np.asarray(given)
    expected = (p / p.sum(1, keepdims=True)).mean(0)[np.asarray(given)]
    own = np.asarray(out.codes)[np.arange(N) % 4 != 0, 1]
    np.testing.assert_allclose(np.bincount(own, minlength=3) / len(own), expected, atol=0.02)


def test_calibration_is_each_members_own(built: Built) -> None:
    _, model, params, likelihood = built
    rows = Batch(jnp.stack([jnp.asarray(c) for c in cells()], axis=1), jnp.zeros((400, 0)))
    assert model.tally is not None
    assert model.calibrate is not None
    assert model.log_prob is not None
    weight = jnp.arange(400) % 3 * 0.5
    log_prob, tallies = model.tally(params, rows, weight)
    np.testing.assert_allclose(log_prob, model.log_prob(params, rows), atol=1e-4)
    both = model.calibrate(params, tallies, float(weight.sum()))
    for own, before in zip(members(both), members(params), strict=True):
        alone = likelihood.calibrate(before, likelihood.tally(before, rows, weight)[1], float(weight.sum()))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), own, alone)


def test_tables_of_many_rows_have_one_network() -> None:
    def leaves(rows: int) -> list[jax.Array]:
        layout = Codec.fit(Schema.infer(pa.table({"x": ["a"] * rows})), pa.table({"x": ["a"] * rows})).layout
        return list(jax.tree.leaves(jax.eval_shape(CONFIG.build(layout).init, jax.random.key(0))))

    one, two = leaves(28_001), leaves(28_000)
    assert [a.shape for a in two] == [(2, *a.shape) for a in one]


@pytest.mark.parametrize("count", [0, -2, 3, 6])
def test_rows_that_cannot_be_dealt_evenly_are_an_error(built: Built, count: int) -> None:
    _, model, _, _ = built
    with pytest.raises(TrainingError, match=f"networks: {count} is not a power of two"):
        mixture(model, count)
