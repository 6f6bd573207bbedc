"""Ghost clipping against gradients taken example by example, on every network that can be trained privately."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

import jaxsynth as js
from jaxsynth.affine import WatchError, by_column
from jaxsynth.codec import Codec
from jaxsynth.codec.packed import pack
from jaxsynth.models import Batch, Generator
from jaxsynth.models.base import to_batch
from jaxsynth.models.private import under_privacy
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.nets import LeakyMLP, apply
from jaxsynth.privacy import ghost, per_example

B = 12
Losses = Callable[[Any, Batch], jax.Array]


def _table(n: int = 1500) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table({
        "a": rng.normal(size=n),
        "b": rng.integers(0, 40, n),
        "c": rng.choice(list("xyz"), n),
        "d": rng.choice([f"l{i}" for i in range(90)], n),
        "e": pa.array(rng.normal(size=n).round(2), mask=rng.random(n) < 0.2),
        "f": rng.random(n) < 0.3,
    })  # fmt: skip


class Case:
    """Losses of rows, parameters away from their start, and rows; programs are compiled once."""

    def __init__(self, losses: Losses, params: Any, batch: Batch) -> None:
        self.losses, self.params, self.batch = losses, params, batch
        self._ghost = jax.jit(lambda rows, w, c: ghost.clipped_sum(lambda p: losses(p, rows), params, w, c))

    def ghost(self, weight: jax.Array, clip: float, batch: Batch | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The clipped sum end to end, and the norms."""
        total, norms = self._ghost(self.batch if batch is None else batch, weight, clip)
        return _flat(total), np.asarray(norms)

    @cached_property
    def grads(self) -> Any:
        """The gradient of every example of one and the same batch, examples first, in float64."""

        def each(params: Any) -> Any:
            _, back = jax.vjp(lambda p: self.losses(p, self.batch), params)
            return jax.vmap(lambda e: back(e)[0])(jnp.eye(B))

        return jax.tree.map(lambda g: np.asarray(g, np.float64), jax.jit(each)(self.params))


def _case(generator: Generator) -> Case:
    table = _table()
    codec = Codec.fit(js.Schema.infer(table), table, max_intervals=generator.max_intervals)
    model = generator.build(codec.layout)
    batch = to_batch(codec.layout, jax.tree.map(lambda a: a[:B], pack(codec.layout, codec.encode(table))))
    key, keys = jax.random.key(3), RowKeys.of(jax.random.key(4), B)
    if model.private_game is not None:
        game = model.private_game()
        return Case(game.real_loss, _moved(game.init(key)), batch)
    return Case(lambda p, rows: model.loss(p, rows, keys, jnp.ones(())), _moved(jax.jit(model.init)(key)), batch)


def _moved(params: Any) -> Any:
    """Heads start near 0, where most gradients vanish."""
    return jax.tree.map(lambda a: a + 0.05 * jax.random.normal(jax.random.key(a.size), a.shape), params)


GENERATORS = {
    "autoregressive": under_privacy(js.Autoregressive())[0],
    "wide autoregressive": js.Autoregressive(hidden=48, networks=1, dropout=0.3),
    "summed context": js.Autoregressive(hidden=48, networks=1, dropout=0.0, paired_columns=2),
    "vae": under_privacy(js.VAE())[0],
    "wide vae": js.VAE(),
    "gan": under_privacy(js.GAN())[0],
}


@pytest.fixture(params=GENERATORS, scope="module")
def case(request: pytest.FixtureRequest) -> Case:
    return _case(GENERATORS[request.param])


def _norms(grads: Any) -> np.ndarray:
    return np.asarray(sum(np.square(g).reshape(B, -1).sum(1) for g in jax.tree.leaves(grads))) ** 0.5


def _flat(tree: Any) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)]).astype(np.float64)


def test_the_sum_is_that_of_gradients_taken_one_by_one(case: Case) -> None:
    norms = _norms(case.grads)
    clip = float(np.median(norms))
    factors = np.minimum(1.0, clip / norms)
    weight = jnp.asarray(np.arange(B) % 3 > 0, jnp.float32)
    wanted = _flat(jax.tree.map(lambda g: np.tensordot(factors * np.asarray(weight), g, 1), case.grads))
    found, found_norms = case.ghost(weight, clip)
    np.testing.assert_allclose(found_norms, norms, rtol=1e-5)
    assert np.linalg.norm(found - wanted) <= 1e-5 * np.linalg.norm(wanted)


def test_no_example_adds_more_than_the_clipping_norm(case: Case) -> None:
    clip = 0.1
    for i in range(4):
        found, _ = case.ghost(jnp.zeros(B).at[i].set(1.0), clip)
        assert 0.99 * clip < np.linalg.norm(found) <= clip


def test_without_a_bound_the_sum_is_plain_training(case: Case) -> None:
    plain = _flat(jax.jit(jax.grad(lambda p: case.losses(p, case.batch).sum()))(case.params))
    found, _ = case.ghost(jnp.ones(B), np.inf)
    assert np.linalg.norm(found - plain) <= 1e-5 * np.linalg.norm(plain)


def test_no_example_changes_the_gradient_of_another(case: Case) -> None:
    order = np.concatenate([[0], np.arange(B - 1, 0, -1)])
    shuffled = jax.tree.map(lambda a: a[order], case.batch)
    alone = jnp.zeros(B).at[0].set(1.0)
    before, _ = case.ghost(alone, 1.0)
    after, _ = case.ghost(alone, 1.0, shuffled)
    np.testing.assert_allclose(after, before, atol=1e-6)


def test_an_example_that_is_not_finite_counts_as_zero() -> None:
    case = _case(GENERATORS["vae"])
    broken = case.batch._replace(positions=case.batch.positions.at[1].set(jnp.nan))
    without, _ = case.ghost(jnp.ones(B).at[1].set(0.0), 1.0)
    found, norms = case.ghost(jnp.ones(B), 1.0, broken)
    assert not np.isfinite(norms[1])
    np.testing.assert_allclose(found, without, atol=1e-6)


@pytest.mark.parametrize("microbatch", [1, 7, 64])
def test_example_by_example_agrees(microbatch: int) -> None:
    case = _case(GENERATORS["gan"])

    def loss(p: Any, row: Batch) -> jax.Array:
        return case.losses(p, jax.tree.map(lambda a: a[None], row))[0]

    weight = jnp.asarray(np.arange(B) % 4 > 0, jnp.float32)
    slow = jax.jit(partial(per_example.clipped_sum, loss, microbatch=microbatch))
    total, norms = slow(case.params, case.batch, weight, 0.2)
    found, found_norms = case.ghost(weight, 0.2)
    np.testing.assert_allclose(found_norms, norms, rtol=1e-5)
    assert np.linalg.norm(found - _flat(total)) <= 1e-5 * np.linalg.norm(found)


@pytest.mark.filterwarnings("ignore:optax.global_norm is deprecated")
def test_jax_privacy_agrees() -> None:
    clipping = pytest.importorskip("jax_privacy.clipping")
    case = _case(GENERATORS["gan"])
    query = clipping.clipped_grad(lambda p, rows: case.losses(p, rows).sum(), l2_clip_norm=0.2)
    wanted = _flat(jax.jit(query)(case.params, case.batch))
    found, _ = case.ghost(jnp.ones(B), 0.2)
    assert np.linalg.norm(found - wanted) <= 1e-5 * np.linalg.norm(wanted)


def test_layer_norms_tell_their_gradients() -> None:
    net = LeakyMLP((16, 4), norm=True)
    x = jax.random.normal(jax.random.key(0), (B, 8))
    params = _moved(net.init(jax.random.key(1), x)["params"])

    def losses(p: Any) -> jax.Array:
        return jnp.square(apply(net, p, x)).sum(1)

    total, norms = ghost.clipped_sum(losses, params, jnp.ones(B), 0.5)
    _, back = jax.vjp(losses, params)
    grads = jax.tree.map(np.asarray, jax.vmap(lambda e: back(e)[0])(jnp.eye(B)))
    np.testing.assert_allclose(norms, _norms(grads), rtol=1e-5)
    factors = np.minimum(1.0, 0.5 / _norms(grads))
    wanted = _flat(jax.tree.map(lambda g: np.tensordot(factors, g, 1), grads))
    assert np.linalg.norm(_flat(total) - wanted) <= 1e-5 * np.linalg.norm(wanted)


OTHERWISE: dict[str, Callable[[Any, jax.Array], jax.Array]] = {
    "used twice": lambda w, x: (by_column(w, x) + by_column(w, 2 * x)).sum((0, 1)),
    "jnp.dot": lambda w, x: jnp.dot(w[0], x[0]).sum(0),
    "jnp.einsum": lambda w, x: jnp.einsum("goi,gib->b", w, x),
    "jax.lax": lambda w, x: jax.lax.mul(w, 2 * jnp.ones((1, 2, 3))).sum() * x[0, 0],
    "numpy": lambda w, x: np.ones((1, 2, 1)) * w @ x,
    "operator": lambda w, x: (w * 2.0).sum() * x[0, 0],
    "attribute": lambda w, x: w.sum() * x[0, 0],
    "inner program": lambda w, x: jax.jit(lambda own: own.sum())(w) * x[0, 0],
}


@pytest.mark.parametrize("use", OTHERWISE.values(), ids=OTHERWISE)
def test_parameters_that_are_used_twice_or_otherwise_are_refused(
    use: Callable[[Any, jax.Array], jax.Array],
) -> None:
    params, x = {"w": jnp.ones((1, 2, 3))}, jnp.ones((1, 3, B))
    with pytest.raises(WatchError, match="does not take watched parameters"):
        ghost.clipped_sum(lambda p: use(p["w"], x), params, jnp.ones(B), 1.0)


@pytest.mark.parametrize("error", [TypeError, AttributeError, KeyError])
def test_an_error_of_the_loss_itself_is_not_taken_for_one_of_watching(error: type[Exception]) -> None:
    def losses(p: Any) -> jax.Array:
        raise error("own")

    with pytest.raises(error, match="own") as found:
        ghost.clipped_sum(losses, {"w": jnp.ones(3)}, jnp.ones(B), 1.0)
    assert not isinstance(found.value, WatchError)
