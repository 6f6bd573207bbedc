from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsynth as js
from jaxsynth.affine import added
from jaxsynth.codec import CodeSpec
from jaxsynth.codec.packed import Packed
from jaxsynth.errors import PrivacyWarning, TrainingWarning
from jaxsynth.models import Batch, Model, Params
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.privacy.events import TrainingEvent
from jaxsynth.privacy.randomness import Deterministic, Secure
from jaxsynth.train.loop import Progress
from jaxsynth.train.mechanism import Mechanism
from jaxsynth.train.private import train_private
from jaxsynth.train.private_run import PrivateRun, prepare

N = 400
LAYOUT = (CodeSpec("x", np.array([N]), np.full(1, np.nan), np.zeros(1, bool), np.ones(1, bool)),)
TRAINING = replace(js.VAE().training, learning_rate=0.05, weight_decay=0.0, ema=0.05)
EVENT = TrainingEvent(
    probability=1.0, steps=200, noise_multiplier=1e-6, clipping_norm=100.0, parameters=1, units=N, units_bound=N,
    batch_size=N,
)  # fmt: skip


def _rows(values: np.ndarray) -> Packed:
    none = np.zeros((len(values), 0))
    codes = np.zeros((len(values), 1), np.uint8), none.astype(np.uint16), none.astype(np.uint32)
    return Packed(codes, values[:, None].astype(np.float32))


def _mean_model(*, watched: bool = True) -> Model:
    """One parameter that goes to the mean of the positions: a closed form to train towards."""

    def loss(params: Params, batch: Batch, keys: RowKeys, progress: jax.Array) -> jax.Array:
        if watched:
            return jnp.square(added(params["m"], -batch.positions.T))[0]
        return jnp.square(params["m"][0] - batch.positions[:, 0])

    return Model(
        init=lambda key: {"m": jnp.zeros(1)},
        loss=loss,
        sample=lambda params, key, n, condition: Batch(jnp.zeros((n, 1), jnp.int32), jnp.zeros((n, 1))),
    )


VALUES = np.random.default_rng(0).beta(2, 5, N)
EACH = np.arange(N)[:, None]


def _ready(
    event: TrainingEvent = EVENT,
    model: Model | None = None,
    units: np.ndarray = EACH,
    *,
    values: np.ndarray = VALUES,
    secret: int | None = 0,
) -> PrivateRun:
    return prepare(
        model or _mean_model(), LAYOUT, _rows(values), units, TRAINING, event,
        seed=0, randomness=Secure() if secret is None else Deterministic(secret),
    )  # fmt: skip


def _train(
    event: TrainingEvent = EVENT,
    model: Model | None = None,
    units: np.ndarray = EACH,
    *,
    secret: int | None = 0,
) -> float:
    params, _ = train_private(_ready(event, model, units, secret=secret))
    return float(params["m"][0])


def test_without_noise_and_bounds_it_is_plain_training() -> None:
    assert _train() == pytest.approx(VALUES.mean(), abs=1e-3)


def test_batches_of_some_rows_lead_there_too() -> None:
    assert _train(replace(EVENT, probability=0.25, batch_size=180)) == pytest.approx(VALUES.mean(), abs=0.03)


def test_clipping_bounds_what_far_rows_do() -> None:
    # The gradient of every row has norm 1e-3: the optimum is where as many rows lie above as below.
    assert _train(replace(EVENT, clipping_norm=1e-3)) == pytest.approx(np.median(VALUES), abs=0.01)


def test_a_loss_that_cannot_be_watched_is_clipped_row_by_row() -> None:
    with pytest.warns(PrivacyWarning, match="example by example"):
        found = _train(model=_mean_model(watched=False))
    assert found == pytest.approx(_train(), abs=1e-5)


def test_a_type_error_of_the_loss_itself_is_told() -> None:
    def loss(params: Params, batch: Batch, keys: RowKeys, progress: jax.Array) -> jax.Array:
        return added(params["m"], -batch.positions.T)[0] + None  # type: ignore[operator]

    with pytest.raises(TypeError, match="NoneType"):
        _train(model=replace(_mean_model(), loss=loss))


def test_rows_of_one_subject_come_together() -> None:
    # All rows above the median belong to one subject in pairs, the others are not taken.
    high = np.flatnonzero(np.median(VALUES) < VALUES)
    units = np.stack([high[::2], high[1::2]], axis=1)
    event = replace(EVENT, units=len(units), units_bound=len(units), batch_size=len(units))
    assert _train(event, units=units) == pytest.approx(VALUES[high].mean(), abs=1e-3)


def test_missing_rows_of_a_subject_count_nothing() -> None:
    units = np.concatenate([EACH, np.full((N, 1), -1)], axis=1)
    assert _train(units=units) == pytest.approx(VALUES.mean(), abs=1e-3)


@pytest.mark.parametrize("threefry", [False, True])
def test_noise_is_as_large_as_said(*, threefry: bool) -> None:
    event = replace(EVENT, noise_multiplier=3.0, clipping_norm=0.5, parameters=20_000, units=1000, probability=0.1)
    mechanism = Mechanism(event=event, rows_per_subject=1, threefry=threefry)
    drawn = mechanism.draw(Secure(), 2)
    total = jnp.linspace(-50.0, 50.0, 20_000)
    first, second = (100 * np.asarray(mechanism.mean(total, jnp.asarray(own))) - total for own in drawn)
    for noise in first, second:
        # The rounding of 20,000 entries is paid for by a little more noise.
        assert 1.5 * 0.98 < noise.std() < 1.5 * 1.03
        assert abs(noise.mean()) < 4 * 1.5 / np.sqrt(20_000)
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(20_000)


def test_no_rows_train_as_well() -> None:
    event = replace(EVENT, noise_multiplier=1.0)
    params, history = train_private(_ready(event, units=EACH[:0], values=VALUES[:0], secret=None))
    assert np.isfinite(params["m"]).all()
    assert history.steps == 200


def test_noise_does_not_come_from_the_seed() -> None:
    event = replace(EVENT, steps=20, noise_multiplier=50.0, clipping_norm=1.0)
    assert _train(event, secret=None) != _train(event, secret=None)
    assert _train(event, secret=5) == _train(event, secret=5)
    assert _train(event, secret=5) != _train(event, secret=6)


def test_progress_and_history_tell_no_loss() -> None:
    told: list[Progress] = []
    _, history = train_private(_ready(), report=told.append)
    assert [t.loss for t in told] == [None] * 20
    assert history.losses == history.held_out == ()
    assert (history.steps, history.stopped) == (200, "finished")


def test_an_interrupt_keeps_what_there_is() -> None:
    def stop(progress: Progress) -> None:
        if progress.chunk == 3:
            raise KeyboardInterrupt

    with pytest.warns(TrainingWarning, match="after 3 of 20"):
        _, history = train_private(_ready(), report=stop)
    assert (history.steps, history.stopped) == (30, "interrupted")
