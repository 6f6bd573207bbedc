"""Ways in which private generators were found to leak: checks that ours pass and broken copies do not.

Sources: Annamalai et al. 2024 (arXiv:2405.10994), Ganev et al. 2024 and 2025 (2406.13985, 2504.08254), Cebere et
al. 2026 (2602.17454) and the pitfalls that libraries for private training list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

import jaxsynth as js
from jaxsynth.affine import added
from jaxsynth.codec import Codec, CodeSpec
from jaxsynth.codec.packed import Packed, pack
from jaxsynth.models import Batch, Model, Params
from jaxsynth.models.base import to_batch
from jaxsynth.models.gan_choice import Choices
from jaxsynth.models.private import under_privacy
from jaxsynth.privacy.events import TrainingEvent
from jaxsynth.privacy.ledger import Ledger
from jaxsynth.privacy.plan import make_plan
from jaxsynth.privacy.private_codec import private_codec
from jaxsynth.privacy.randomness import Deterministic, Secure
from jaxsynth.train.mechanism import Mechanism
from jaxsynth.train.private_steps import clipped, gathered

N, P, SIZE, CLIP = 200, 6, 64, 0.7
LAYOUT = tuple(
    CodeSpec(f"x{i}", np.array([N]), np.full(1, np.nan), np.zeros(1, bool), np.ones(1, bool)) for i in range(P)
)
ROWS = Packed(
    (np.zeros((N, P), np.uint8), np.zeros((N, 0), np.uint16), np.zeros((N, 0), np.uint32)),
    np.random.default_rng(0).random((N, P), np.float32),
)
SLOTS = np.concatenate([np.arange(N).reshape(-1, 2), [[-1, -1]]]).astype(np.int32)  # two rows a subject
SUBJECTS = N // 2
EVENT = TrainingEvent(
    probability=0.25, steps=1, noise_multiplier=2.0, clipping_norm=CLIP, parameters=P, units=SUBJECTS,
    units_bound=SUBJECTS, batch_size=SIZE,
)  # fmt: skip
MECHANISM = Mechanism(event=EVENT, rows_per_subject=2)
START: Params = {"m": jnp.full(P, 0.2)}


def _losses(params: Params, batch: Batch, key: jax.Array, progress: jax.Array) -> jax.Array:
    return 50 * jnp.square(added(params["m"], -batch.positions.T)).sum(0)


def _coupled(params: Params, batch: Batch, key: jax.Array, progress: jax.Array) -> jax.Array:
    """As contrasts within a batch would: rows are compared with one of them."""
    contrast = batch.positions - batch.positions[0]
    return 50 * jnp.square(added(params["m"], -contrast.T)).sum(0)


def _model(losses: Callable[..., jax.Array]) -> Model:
    empty = Batch(jnp.zeros((0, P), jnp.int32), jnp.zeros((0, P)))
    return Model(init=lambda key: START, loss=losses, sample=lambda params, key, n, condition: empty)


@dataclass(frozen=True)
class Step:
    """What a step of training releases of a batch; fields are what copies break."""

    losses: Callable[..., jax.Array] = _losses
    clip: float = MECHANISM.row_clip
    noise: float = 1.0
    by_batch: bool = False
    skips_empty: bool = False

    def __call__(self, order: np.ndarray, noise: np.ndarray) -> np.ndarray:
        batch, weight = gathered(LAYOUT, ROWS, jnp.asarray(SLOTS), jnp.asarray(order))
        total = clipped(_model(self.losses), START, batch, weight, jax.random.key(0), jnp.zeros(()), self.clip)
        mean = MECHANISM.mean(total, (self.noise * jnp.asarray(noise)).astype(jnp.int32))
        if self.by_batch:
            mean = mean * MECHANISM.expected / jnp.maximum(weight.sum() / 2, 1)
        if self.skips_empty and not weight.any():
            mean = jnp.zeros(P)
        return np.asarray(mean, np.float64)


def _order(*subjects: int) -> np.ndarray:
    out = np.full(SIZE, SUBJECTS, np.int32)
    out[: len(subjects)] = subjects
    return out


def one_subject_moves_a_sum_by_the_clipping_norm_at_most(step: Step) -> None:
    """Record-replay: neighbouring batches, the same noise."""
    noise = np.asarray(MECHANISM.draw(Secure(), 1))[0]
    rounding = 4 * np.sqrt(P) * 2.0**-20
    for others in ([], [3], [3, 4, 5], list(range(40))):
        before = step(_order(*others), noise)
        for own in range(50, 58):
            after = step(_order(own, *others), noise)
            assert np.linalg.norm(after - before) * MECHANISM.expected <= CLIP + rounding


def noise_is_there_and_as_large_as_accounted(step: Step) -> None:
    """Chi-square of noise on a batch, and on an empty one."""
    for order in _order(3, 4, 5), _order():
        drawn = np.asarray(MECHANISM.draw(Secure(), 200))
        released = np.stack([step(order, own) for own in drawn]) * MECHANISM.expected
        assert 0.93 < released.std(0).mean() / (EVENT.noise_multiplier * CLIP) < 1.07


STEPS: list[tuple[Callable[[Step], None], str, Step]] = [
    (
        one_subject_moves_a_sum_by_the_clipping_norm_at_most,
        "twice the clipping norm",
        Step(clip=2 * MECHANISM.row_clip),
    ),
    (one_subject_moves_a_sum_by_the_clipping_norm_at_most, "rows for persons", Step(clip=CLIP)),
    (one_subject_moves_a_sum_by_the_clipping_norm_at_most, "the batch's own size", Step(by_batch=True)),
    (one_subject_moves_a_sum_by_the_clipping_norm_at_most, "examples coupled", Step(losses=_coupled)),
    (noise_is_there_and_as_large_as_accounted, "no noise", Step(noise=0.0)),
    (noise_is_there_and_as_large_as_accounted, "half the noise", Step(noise=0.5)),
    (noise_is_there_and_as_large_as_accounted, "no noise on empty batches", Step(skips_empty=True)),
]


@pytest.mark.parametrize("check", dict.fromkeys(c for c, _, _ in STEPS), ids=lambda c: str(c.__name__))
def test_our_steps_pass(check: Callable[[Step], None]) -> None:
    check(Step())


@pytest.mark.filterwarnings("ignore:gradients are clipped")
@pytest.mark.parametrize(("check", "name", "broken"), STEPS, ids=lambda x: x if isinstance(x, str) else "")
def test_broken_steps_are_caught(check: Callable[[Step], None], name: str, broken: Step) -> None:
    del name
    with pytest.raises(AssertionError):
        check(broken)


Batches = Callable[[int], np.ndarray]  # number of batches -> (batches, units), bool, who is in each


def _poisson(steps: int) -> np.ndarray:
    found = Secure().batches(steps, SUBJECTS, SUBJECTS, EVENT.threshold)
    inside = np.zeros((steps, SUBJECTS + 1), bool)
    np.put_along_axis(inside, found, values=True, axis=1)
    return inside[:, :-1]


def _shuffled(steps: int) -> np.ndarray:
    rng, size = np.random.default_rng(), SUBJECTS // 4
    inside = np.zeros((steps, SUBJECTS), bool)
    for first in range(0, steps, 4):
        for own, part in zip(inside[first : first + 4], rng.permutation(SUBJECTS).reshape(4, size), strict=False):
            own[part] = True
    return inside


def _stratified(steps: int) -> np.ndarray:
    """As training by sampling does: rare levels as often as frequent ones."""
    rng = np.random.default_rng()
    chance = np.where(np.arange(SUBJECTS) < 5, 0.6, (0.25 * SUBJECTS - 3) / (SUBJECTS - 5))
    return rng.random((steps, SUBJECTS)) < chance


def batches_are_poisson(batches: Batches) -> None:
    """Everyone alike, independently of all others and of other batches."""
    steps = 2000
    inside = batches(steps).astype(float)
    q, z = EVENT.probability, 5.0
    spread = np.sqrt(q * (1 - q))
    assert np.abs(inside.mean(0) - q).max() < z * spread / np.sqrt(steps)
    sizes = inside.sum(1)
    assert sizes.var() == pytest.approx(SUBJECTS * q * (1 - q), rel=0.25)
    again = ((inside[1:] - q) * (inside[:-1] - q)).mean(1).sum() / spread**2
    assert abs(again) < z * np.sqrt(steps / SUBJECTS)


def test_our_batches_are_poisson() -> None:
    batches_are_poisson(_poisson)


@pytest.mark.parametrize("broken", [_shuffled, _stratified])
def test_other_batches_are_caught(broken: Batches) -> None:
    with pytest.raises(AssertionError):
        batches_are_poisson(broken)


def _table(rows: int = 400) -> pa.Table:
    rng = np.random.default_rng(1)
    return pa.table({
        "age": rng.integers(30, 60, rows),
        "sex": rng.choice(["f", "m"], rows),
        "cost": rng.normal(size=rows).round(2),
    })  # fmt: skip


def _public() -> js.Schema:
    schema = js.Schema.infer(_table()).changed("age", bounds=(0, 120)).changed("cost", bounds=(-10.0, 10.0))
    return schema.changed("sex", levels=("f", "m", "x")).declare_public()


Fitted = Callable[[pa.Table], Codec]


def _ours(table: pa.Table) -> Codec:
    privacy = js.Privacy(epsilon=1.0, rows=1000, deterministic_noise=True)
    ledger = Ledger(table, _public(), make_plan(privacy, {"marginals": 0.5}), Deterministic(0))
    return private_codec(_public(), ledger, rows=ledger.count(), max_intervals=16)


def _levels_of_data(table: pa.Table) -> Codec:
    levels = tuple(sorted(set(table["sex"].to_pylist())))
    return replace(_ours(table), schema=_public().changed("sex", levels=levels))


def _bounds_of_data(table: pa.Table) -> Codec:
    values = table["cost"].to_numpy()
    bounds = float(values.min()), float(values.max())
    return replace(_ours(table), schema=_public().changed("cost", bounds=bounds))


def _cuts_of_data(table: pa.Table) -> Codec:
    return Codec.fit(_public(), table, max_intervals=16)


def one_person_changes_counts_by_little_and_nothing_else(fitted: Fitted) -> None:
    """An extreme, rare person comes in; the noise is the same."""
    table = _table()
    person = pa.table({"age": [119], "sex": ["x"], "cost": [9.99]})
    before, after = fitted(table), fitted(pa.concat_tables([table, person]))
    assert before.schema.digest == after.schema.digest
    assert [s.size for s in before.layout] == [s.size for s in after.layout]
    assert sum(int(s.counts.sum()) for s in before.layout) == pytest.approx(
        sum(int(s.counts.sum()) for s in after.layout), abs=1
    )


@pytest.mark.filterwarnings("ignore:NOT PRIVATE")
def test_our_codec_passes() -> None:
    one_person_changes_counts_by_little_and_nothing_else(_ours)


@pytest.mark.filterwarnings("ignore:NOT PRIVATE")
@pytest.mark.parametrize("broken", [_levels_of_data, _bounds_of_data, _cuts_of_data])
def test_domains_and_cuts_of_the_data_are_caught(broken: Fitted) -> None:
    with pytest.raises(AssertionError):
        one_person_changes_counts_by_little_and_nothing_else(broken)


def rare_levels_are_not_asked_for(generator: js.GAN) -> None:
    """A critic's rows must not depend on their cells."""
    table = _table()
    codec = Codec.fit(js.Schema.infer(table), table)
    net_columns = generator.asking
    choices = Choices.make(codec.layout, (1,) if net_columns else ())
    batch = to_batch(codec.layout, pack(codec.layout, codec.encode(table)))
    choice, _ = choices.draw_rows(choices.index(batch), jax.random.key(0), 50, generator.balance)
    assert (np.asarray(choice.column) == -1).all()


def test_no_conditions_of_the_data() -> None:
    private, _ = under_privacy(js.GAN())
    assert isinstance(private, js.GAN)
    assert private.pack == 1
    rare_levels_are_not_asked_for(private)
    with pytest.raises(AssertionError):
        rare_levels_are_not_asked_for(js.GAN())


def nothing_but_the_plan_decides_how_long_training_takes(history: Any, planned: int) -> None:
    """No early stop, nothing held out, no loss kept."""
    assert history.steps == planned
    assert history.best >= 0
    assert not history.losses
    assert not history.held_out


def test_early_stops_and_losses_are_caught() -> None:
    table = _table()
    plain = js.fit(table, js.VAE(latent=2, hidden=(8,), epochs=1, min_steps=10), progress=False)
    with pytest.raises(AssertionError):
        nothing_but_the_plan_decides_how_long_training_takes(plain.history, 10_000)
    private = js.fit(
        table, js.VAE(latent=2, hidden=(8,)), schema=_public(), privacy=js.Privacy(epsilon=1.0), progress=False
    )
    assert private.certificate is not None
    planned = private.certificate.events[-1]
    assert isinstance(planned, TrainingEvent)
    nothing_but_the_plan_decides_how_long_training_takes(private.history, planned.steps)


def noise_cannot_be_replayed(draw: Callable[[int], np.ndarray]) -> None:
    """The user's seed must not give the noise."""
    assert not np.array_equal(draw(0), draw(0))


def test_noise_by_the_seed_is_caught() -> None:
    noise_cannot_be_replayed(lambda seed: Secure().gaussian((50,), 1000.0))
    with pytest.raises(AssertionError):
        noise_cannot_be_replayed(lambda seed: Deterministic(seed).gaussian((50,), 1000.0))
