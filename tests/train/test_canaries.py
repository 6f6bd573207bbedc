"""Canaries in a private training: scored as they must be, and found out where the mechanism does not hold."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsynth as js
from jaxsynth.affine import added
from jaxsynth.auditing_private import audit_private_fit
from jaxsynth.codec import CodeSpec
from jaxsynth.codec.packed import Packed
from jaxsynth.errors import PrivacyError, SchemaError
from jaxsynth.models import Batch, Model, Params
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.privacy.accounting import epsilon_of
from jaxsynth.privacy.events import TrainingEvent
from jaxsynth.privacy.lower_bounds import epsilon_from_runs
from jaxsynth.privacy.one_run import Guesses, epsilon_one_run_gaussian
from jaxsynth.privacy.randomness import Deterministic, Secure
from jaxsynth.train.canaries import CanaryScores, audit_training
from jaxsynth.train.private_run import PrivateRun, prepare
from tests.conftest import make_table

ROWS, WIDTH, CANARIES = 40, 2000, 1000
DELTA = 1e-5
LAYOUT = (CodeSpec("x", np.array([ROWS]), np.full(1, np.nan), np.zeros(1, bool), np.ones(1, bool)),)
TRAINING = replace(js.VAE().training, learning_rate=0.05, weight_decay=0.0)
EVENT = TrainingEvent(
    probability=0.5, steps=60, noise_multiplier=2.0, clipping_norm=0.5, parameters=WIDTH, units=ROWS,
    units_bound=ROWS, batch_size=ROWS,
)  # fmt: skip


def _model() -> Model:
    """Every parameter goes to the mean of the positions: rows whose gradients are everywhere."""

    def loss(params: Params, batch: Batch, keys: RowKeys, progress: jax.Array) -> jax.Array:
        return jnp.square(added(params["m"], -batch.positions.T)).sum(0)

    return Model(
        init=lambda key: {"m": jnp.zeros(WIDTH)},
        loss=loss,
        sample=lambda params, key, n, condition: Batch(jnp.zeros((n, 1), jnp.int32), jnp.zeros((n, 1))),
    )


def _ready(
    event: TrainingEvent = EVENT,
    model: Model | None = None,
    *,
    threefry: bool = False,
    seed: int | None = None,
) -> PrivateRun:
    codes = np.zeros((ROWS, 1), np.uint8), np.zeros((ROWS, 0), np.uint16), np.zeros((ROWS, 0), np.uint32)
    rows = Packed(codes, np.linspace(0.2, 0.9, ROWS, dtype=np.float32)[:, None])
    randomness = Secure() if seed is None else Deterministic(seed)
    return prepare(
        model or _model(), LAYOUT, rows, np.arange(ROWS)[:, None], TRAINING, event,
        seed=0, randomness=randomness, threefry=threefry,
    )  # fmt: skip


def _bound(found: CanaryScores) -> float:
    guesses = Guesses.of(found.scores, found.included, high=100, low=100)
    return epsilon_one_run_gaussian(guesses, delta=DELTA).epsilon


@pytest.mark.parametrize("threefry", [False, True])
def test_scores_are_noise_and_what_the_canaries_added(*, threefry: bool) -> None:
    found = audit_training(_ready(threefry=threefry), CANARIES, Secure())
    batches, spread = EVENT.steps * EVENT.probability, EVENT.noise_multiplier * EVENT.steps**0.5
    # The rows, whose gradients are a hundred times the clipping norm together, leave no trace.
    assert found.absent.mean() == pytest.approx(0.0, abs=5 * spread / 450**0.5)
    assert found.present.mean() == pytest.approx(batches, abs=5 * spread / 450**0.5)
    assert found.absent.std() == pytest.approx(spread, rel=0.2)
    assert found.present.std() == pytest.approx((spread**2 + batches / 2) ** 0.5, rel=0.2)
    assert abs(found.included.sum() - CANARIES / 2) < 5 * 0.5 * CANARIES**0.5
    assert found.event == EVENT


def test_with_next_to_no_noise_a_score_counts_the_batches() -> None:
    found = audit_training(_ready(replace(EVENT, noise_multiplier=0.01)), CANARIES, Secure())
    # A standard deviation of .08.
    assert np.abs(found.absent).max() < 0.45
    assert np.abs(found.present - np.rint(found.present)).max() < 0.45
    assert found.present.mean() == pytest.approx(30, abs=1)
    assert found.present.std() == pytest.approx(15**0.5, rel=0.2)


def test_the_sound_mechanism_hides_them_and_a_broken_one_does_not() -> None:
    claim = epsilon_of([EVENT], delta=DELTA, adjacency="add-remove")
    sound = audit_training(_ready(), CANARIES, Secure())
    assert 0.3 * claim < _bound(sound) <= claim
    # Were the noise a third of what is claimed, or what a canary may add twice as much.
    for broken in (
        replace(EVENT, noise_multiplier=EVENT.noise_multiplier / 3),
        replace(EVENT, noise_multiplier=EVENT.noise_multiplier / 2, clipping_norm=2 * EVENT.clipping_norm),
    ):
        found = audit_training(_ready(broken), CANARIES, Secure())
        assert epsilon_from_runs(found.present, found.absent, delta=DELTA).epsilon > claim


def test_canaries_change_no_draw_of_the_training() -> None:
    one, other = (audit_training(_ready(seed=1), CANARIES, Deterministic(s)) for s in (2, 2))
    assert (one.scores == other.scores).all()
    third = audit_training(_ready(seed=1), CANARIES, Deterministic(3))
    assert (one.included != third.included).any()
    # Where neither run had a canary, the scores are the same noise.
    neither = ~one.included & ~third.included
    np.testing.assert_allclose(one.scores[neither], third.scores[neither], atol=0.01)


@pytest.mark.parametrize("canaries", [0, 1, WIDTH + 1])
def test_too_few_and_too_many_canaries_are_refused(canaries: int) -> None:
    with pytest.raises(PrivacyError, match="at least 2 and at most one a parameter"):
        audit_training(_ready(), canaries, Secure())


def test_a_private_fit_is_audited_as_it_is() -> None:
    table = make_table(300)
    schema = js.Schema.infer(table).declare_public()
    privacy = js.Privacy(epsilon=0.5, rows=300)
    found = audit_private_fit(table, js.VAE(), schema=schema, privacy=privacy, canaries=200, progress=False)
    assert found.scores.shape == found.included.shape == (200,)
    spread = found.event.noise_multiplier * found.event.steps**0.5
    assert found.absent.std() == pytest.approx(spread, rel=0.4)
    assert epsilon_from_runs(found.present, found.absent, delta=privacy.delta).epsilon < privacy.epsilon


def test_what_cannot_be_audited_is_told() -> None:
    with pytest.raises(PrivacyError, match="trained by a game"):
        audit_training(_ready(model=js.GAN().build(LAYOUT)), CANARIES, Secure())
    table = make_table(50)
    schema = js.Schema.infer(table).declare_public()
    with pytest.raises(SchemaError):
        audit_private_fit(
            table.drop_columns(["sex"]), schema=schema, privacy=js.Privacy(epsilon=1.0), progress=False
        )
