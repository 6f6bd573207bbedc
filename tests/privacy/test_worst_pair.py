"""The worst pair of tables: what an attacker sees of noisy sums is near the claim, and above a false one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jaxsynth.privacy.accounting import epsilon_of
from jaxsynth.privacy.events import TrainingEvent
from jaxsynth.privacy.lower_bounds import epsilon_from_runs
from jaxsynth.privacy.randomness import Secure
from jaxsynth.train.worst_pair import WorstPair

DELTA = 1e-5
EVENT = TrainingEvent(
    probability=1.0, steps=4, noise_multiplier=2.0, clipping_norm=0.5, parameters=2, units=8, units_bound=8,
    batch_size=8,
)  # fmt: skip


def _bounds(event: TrainingEvent, repeats: int, runs: int) -> np.ndarray:
    """Over the epsilon that `EVENT` claims."""
    claim = epsilon_of([EVENT], delta=DELTA, adjacency="add-remove")
    pair = WorstPair.make(event, others=7, randomness=Secure())
    return np.array([epsilon_from_runs(*pair.scores(runs), delta=DELTA).epsilon / claim for _ in range(repeats)])


def test_scores_are_what_the_mechanism_says() -> None:
    pair = WorstPair.make(replace(EVENT, probability=0.5, steps=16), others=7, randomness=Secure())
    present, absent = pair.scores(4000)
    # Clipped to 1 from a thousand, in half of the batches; a standard deviation of 2 a step.
    for found, mean, variance in ((present, 8.0, 64 + 4), (absent, 0.0, 64)):
        assert found.mean() == pytest.approx(mean, abs=5 * (variance / 4000) ** 0.5)
        assert found.var() == pytest.approx(variance, rel=0.12)


def test_the_bound_is_near_the_claim_and_seldom_above() -> None:
    found = _bounds(EVENT, repeats=20, runs=5000)
    assert np.median(found) >= 0.8
    # At 5 % each, more than five of twenty are above once in 3,000 times.
    assert (found > 1).sum() <= 5


@pytest.mark.parametrize(
    "broken",
    [
        replace(EVENT, noise_multiplier=EVENT.noise_multiplier / 3),
        replace(EVENT, clipping_norm=2 * EVENT.clipping_norm, noise_multiplier=EVENT.noise_multiplier / 2),
    ],
    ids=["a third of the noise", "twice the clipping norm"],
)
def test_a_broken_mechanism_is_found_out(broken: TrainingEvent) -> None:
    assert _bounds(broken, repeats=1, runs=1000) > 1
