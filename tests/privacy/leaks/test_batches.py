"""Who is in a batch: everyone alike, whatever their cells."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
import pytest

import jaxsynth as js
from jaxsynth.codec import Codec
from jaxsynth.codec.packed import pack
from jaxsynth.models.base import to_batch
from jaxsynth.models.gan_choice import Choices
from jaxsynth.models.private import under_privacy
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.privacy.randomness import Secure
from tests.privacy.leaks.tables import EVENT, SUBJECTS, public, table

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


def rare_levels_are_not_asked_for(generator: js.GAN) -> None:
    """A critic's rows must not depend on their cells."""
    rows = table()
    codec = Codec.fit(public(), rows)
    net_columns = generator.asking
    choices = Choices.make(codec.layout, (1,) if net_columns else ())
    batch = to_batch(codec.layout, pack(codec.layout, codec.encode(rows)))
    choice, _ = choices.draw_rows(choices.index(batch), RowKeys.of(jax.random.key(0), 50), generator.balance)
    assert (np.asarray(choice.column) == -1).all()


def test_no_conditions_of_the_data() -> None:
    private, _ = under_privacy(js.GAN())
    assert isinstance(private, js.GAN)
    assert private.pack == 1
    rare_levels_are_not_asked_for(private)
    with pytest.raises(AssertionError):
        rare_levels_are_not_asked_for(js.GAN())
