"""Steps of training: how far one subject moves a sum, and the noise in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsynth as js
from jaxsynth.affine import added
from jaxsynth.codec import CodeSpec
from jaxsynth.codec.packed import Packed
from jaxsynth.models import Batch, Model, Params
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.privacy.randomness import Deterministic, Secure
from jaxsynth.train.mechanism import Mechanism
from jaxsynth.train.plan import Plan
from jaxsynth.train.private_steps import PrivateLikelihood, clipped, gathered
from jaxsynth.train.steps import AXIS, Likelihood, State, Turn
from tests.privacy.leaks.tables import EVENT, SUBJECTS

N, P, SIZE, CLIP = 2 * SUBJECTS, EVENT.parameters, EVENT.batch_size, EVENT.clipping_norm
LAYOUT = tuple(
    CodeSpec(f"x{i}", np.array([N]), np.full(1, np.nan), np.zeros(1, bool), np.ones(1, bool)) for i in range(P)
)
POSITIONS = np.random.default_rng(0).random((N, P), np.float32)
POSITIONS[100::2] = POSITIONS[101::2]  # both rows of a subject from 50 on pull the same way
POSITIONS[[113, 115], 0] = np.nan, np.inf  # of subjects 56 and 57
ROWS = Packed((np.zeros((N, P), np.uint8), np.zeros((N, 0), np.uint16), np.zeros((N, 0), np.uint32)), POSITIONS)
PAIRS = np.arange(N, dtype=np.int32).reshape(-1, 2)  # two rows a subject
MECHANISM = Mechanism(event=EVENT, rows_per_subject=2)
START: Params = {"m": jnp.full(P, 0.2)}


def _losses(params: Params, batch: Batch, keys: RowKeys, progress: jax.Array) -> jax.Array:
    return 50 * jnp.square(added(params["m"], -batch.positions.T)).sum(0)


def _coupled(params: Params, batch: Batch, keys: RowKeys, progress: jax.Array) -> jax.Array:
    """As contrasts within a batch would: rows are compared with one of them."""
    contrast = batch.positions - batch.positions[0]
    return 50 * jnp.square(added(params["m"], -contrast.T)).sum(0)


def _model(losses: Callable[..., jax.Array]) -> Model:
    empty = Batch(jnp.zeros((0, P), jnp.int32), jnp.zeros((0, P)))
    return Model(init=lambda key: START, loss=losses, sample=lambda params, key, n, condition: empty)


def _one_by_one(norm: Callable[[jax.Array], jax.Array], *, finite: bool) -> Callable[..., jax.Array]:
    """Gradients clipped by their norms, with what a copy gets wrong."""

    def total(model: Model, params: Params, batch: Batch, weight: jax.Array, *others: Any) -> jax.Array:
        *rest, clip = others

        def loss(params: Params, row: Batch) -> jax.Array:
            own: jax.Array = model.loss(params, jax.tree.map(lambda a: a[None], row), *rest)[0]
            return own

        grads = jax.vmap(jax.grad(loss), (None, 0))(params, batch)["m"]
        kept = (weight > 0) & (jnp.isfinite(grads).all(1) if finite else True)
        grads = jnp.where(kept[:, None], grads, 0.0)
        factors: jax.Array = jnp.minimum(1.0, clip / jnp.maximum(norm(grads), 1e-9))
        return factors @ grads

    return total


def _norm(grads: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.square(grads).sum(1))


def _coarse_norm(grads: jax.Array) -> jax.Array:
    return _norm(grads.astype(jnp.bfloat16)).astype(jnp.float32)


@dataclass(frozen=True)
class Step:
    """What a step of training releases of a batch, by noise (..., p); fields are what copies break."""

    losses: Callable[..., jax.Array] = _losses
    total: Callable[..., jax.Array] = clipped
    clip: float = MECHANISM.row_clip
    noise: float = 1.0
    by_batch: bool = False
    by_rows: bool = False
    skips_empty: bool = False

    def __call__(self, order: np.ndarray, noise: np.ndarray, subjects: int = SUBJECTS) -> np.ndarray:
        slots = jnp.asarray(np.concatenate([PAIRS[:subjects], [[-1, -1]]]))
        batch, weight = gathered(LAYOUT, ROWS, slots, jnp.asarray(np.minimum(order, subjects)))
        keys = RowKeys.of(jax.random.key(0), len(weight))
        total = self.total(_model(self.losses), START, batch, weight, keys, jnp.zeros(()), self.clip)
        mean = MECHANISM.mean(total, (self.noise * jnp.asarray(noise)).astype(jnp.int32))
        if self.by_batch:
            mean = mean * MECHANISM.expected / jnp.maximum(weight.sum() / 2, 1)
        if self.by_rows:
            mean = mean * MECHANISM.expected / (EVENT.probability * subjects)
        if self.skips_empty and not weight.any():
            mean = jnp.zeros_like(mean)
        return np.asarray(mean, np.float64)


def _order(*subjects: int) -> np.ndarray:
    out = np.full(SIZE, SUBJECTS, np.int32)
    out[: len(subjects)] = subjects
    return out


def one_subject_moves_a_sum_by_the_clipping_norm_at_most(step: Step) -> None:
    """Record-replay: neighbouring batches, the same noise. Two of the subjects have cells that are not finite."""
    noise = np.asarray(MECHANISM.draw(Secure(), 1))[0]
    rounding = 4 * np.sqrt(P) * 2.0**-20
    for others in ([], [3], [3, 4, 5], list(range(40))):
        before = step(_order(*others), noise)
        for own in range(50, 58):
            after = step(_order(own, *others), noise)
            assert np.linalg.norm(after - before) * MECHANISM.expected <= CLIP + rounding


def who_is_in_no_batch_changes_nothing(step: Step) -> None:
    """The number of subjects is private: a step knows the noisy one."""
    noise = np.asarray(MECHANISM.draw(Secure(), 1))[0]
    for order in _order(3, 4, 5), _order():
        np.testing.assert_array_equal(step(order, noise), step(order, noise, SUBJECTS - 1))


def noise_is_there_and_as_large_as_accounted(step: Step) -> None:
    """On a batch, and on an empty one."""
    for order in _order(3, 4, 5), _order():
        released = step(order, MECHANISM.draw(Secure(), 400)) * MECHANISM.expected
        assert 0.93 < released.std(0).mean() / (EVENT.noise_multiplier * CLIP) < 1.07


_MOVED, _ELSEWHERE, _NOISE = (
    one_subject_moves_a_sum_by_the_clipping_norm_at_most,
    who_is_in_no_batch_changes_nothing,
    noise_is_there_and_as_large_as_accounted,
)
STEPS: list[tuple[Callable[[Step], None], str, Step]] = [
    (_MOVED, "twice the clipping norm", Step(clip=2 * MECHANISM.row_clip)),
    (_MOVED, "rows for persons", Step(clip=CLIP)),
    (_MOVED, "the batch's own size", Step(by_batch=True)),
    (_MOVED, "examples coupled", Step(losses=_coupled)),
    (_MOVED, "norms in bfloat16", Step(total=_one_by_one(_coarse_norm, finite=True))),
    (_MOVED, "NaN passes", Step(total=_one_by_one(_norm, finite=False))),
    (_ELSEWHERE, "batches expected by the true number", Step(by_rows=True)),
    (_NOISE, "no noise", Step(noise=0.0)),
    (_NOISE, "half the noise", Step(noise=0.5)),
    (_NOISE, "no noise on empty batches", Step(skips_empty=True)),
]


@pytest.mark.parametrize("check", dict.fromkeys(c for c, _, _ in STEPS), ids=lambda c: str(c.__name__))
def test_our_steps_pass(check: Callable[[Step], None]) -> None:
    check(Step())


def test_gradients_one_by_one_would_pass() -> None:
    """So that the copies made of them are broken by what they change alone."""
    one_subject_moves_a_sum_by_the_clipping_norm_at_most(Step(total=_one_by_one(_norm, finite=True)))


@pytest.mark.filterwarnings("ignore:gradients are clipped")
@pytest.mark.parametrize(("check", "name", "broken"), STEPS, ids=lambda x: x if isinstance(x, str) else "")
def test_broken_steps_are_caught(check: Callable[[Step], None], name: str, broken: Step) -> None:
    del name
    with pytest.raises(AssertionError):
        check(broken)


class _Told(Likelihood):
    """Puts the gradient that it is told to descend in the place of the parameters."""

    def descended(self, state: State, grads: jax.Array, rate: jax.Array) -> State:
        return state._replace(params=grads)


class _EachAddsNoise(PrivateLikelihood):
    """Every device, or every part of a batch, adds the noise to its own sum."""

    def step(self, rows: Packed, slots: jax.Array, state: State, turn: Turn) -> tuple[State, jax.Array]:
        batch, weight = gathered(LAYOUT, rows, slots, turn.order)
        keys = RowKeys.of(turn.key, len(weight))
        total = clipped(_model(_losses), START, batch, weight, keys, jnp.zeros(()), MECHANISM.row_clip)
        mean = jax.lax.psum(MECHANISM.mean(total, turn.noise), AXIS)  # type: ignore[no-untyped-call]
        return self.plain.descended(state, mean, turn.rate), jnp.zeros(())


def _released(kind: type[PrivateLikelihood], losses: Callable[..., jax.Array], devices: int, portion: int) -> Any:
    """What a step of thirty subjects releases on each device, (devices, p), for one draw of the noise."""
    plan = Plan(SUBJECTS, SIZE, 1, 1, js.VAE().training)
    rows = jax.tree.map(jnp.asarray, ROWS)
    step = kind(_Told(_model(losses), LAYOUT, plan, lambda vector: {"m": vector}), MECHANISM, portion)
    state = _Told.start(step.plain, START["m"], jax.random.key(0))
    noise = jnp.asarray(MECHANISM.draw(Deterministic(0), 1)[0])
    slots = jnp.asarray(np.concatenate([PAIRS, [[-1, -1]]]))

    def one(order: jax.Array) -> jax.Array:
        turn = Turn(order, jax.random.key(1), jnp.ones(()), noise)
        return step.step(rows, slots, state, turn)[0].params

    orders = jnp.asarray(_order(*range(30)).reshape(-1, devices).T)
    return np.asarray(jax.jit(jax.vmap(one, axis_name=AXIS))(orders))


def noise_is_added_once_a_step(kind: type[PrivateLikelihood]) -> None:
    """However many devices share the batch."""
    alone = _released(kind, _losses, 1, 0)
    np.testing.assert_allclose(_released(kind, _losses, 4, 0), np.tile(alone, (4, 1)), atol=1e-6)


@pytest.mark.parametrize(("devices", "portion"), [(1, 1), (1, 29), (1, 30), (4, 7), (4, 8)])
def test_parts_of_a_batch_add_up_to_it(devices: int, portion: int) -> None:
    def losses(params: Params, batch: Batch, keys: RowKeys, progress: jax.Array) -> jax.Array:
        return _losses(params, batch, keys, progress) * keys.each(jax.random.uniform)  # of the place in the batch

    whole = _released(PrivateLikelihood, losses, 1, 0)
    parts = _released(PrivateLikelihood, losses, devices, portion)
    np.testing.assert_allclose(parts, np.tile(whole, (devices, 1)), atol=1e-6)


def test_noise_is_added_once() -> None:
    noise_is_added_once_a_step(PrivateLikelihood)
    with pytest.raises(AssertionError):
        noise_is_added_once_a_step(_EachAddsNoise)
