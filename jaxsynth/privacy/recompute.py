"""Epsilon from the parameters of events alone: every event rebuilt in dp_accounting and composed there."""

from __future__ import annotations

import math
from typing import Any

import dp_accounting as dp
from dp_accounting.pld import PLDAccountant

from jaxsynth.privacy.accounting import (
    MEASURE_GRID,
    RELATIONS,
    TRAINING_GRID,
    interval_for,
    noise_delta,
    noise_epsilon,
)
from jaxsynth.privacy.budget import MEASURED_DRAWS
from jaxsynth.privacy.events import CountEvent, Event, MeasureEvent, TrainingEvent
from jaxsynth.privacy.settings import Adjacency
from jaxsynth.privacy.trade_off import gaussian_mu
from jaxsynth.privacy.truncation import cut_delta


def recomputed_epsilon(events: tuple[Event, ...], *, epsilon: float, delta: float, adjacency: Adjacency) -> float:
    """Return what the events amount to at a delta.

    Args:
        events: all charges.
        epsilon: declared: total variation costs (1 + e**epsilon) times itself of delta.
        delta: of everything.
        adjacency: which tables are neighbours.

    Returns:
        Epsilon, which proves the declared one where it is not above it; infinite where delta does not suffice.
    """
    counted = math.fsum(e.epsilon for e in events if isinstance(e, CountEvent))
    measured = [e for e in events if isinstance(e, MeasureEvent)]
    trained = [e for e in events if isinstance(e, TrainingEvent)]
    draws = sum(e.draws for e in trained)
    left = delta - noise_delta(MEASURED_DRAWS + draws, epsilon)
    left -= (1 + math.exp(epsilon)) * math.fsum(e.delta for e in measured)
    left -= math.fsum(_cut_delta(e, counted, epsilon) for e in trained)
    if left <= 0:
        return math.inf
    inexact = noise_epsilon(MEASURED_DRAWS, MEASURE_GRID) + noise_epsilon(draws, TRAINING_GRID)
    interval = interval_for(gaussian_mu(epsilon, delta), max((e.steps for e in trained), default=1))
    accountant = PLDAccountant(RELATIONS[adjacency], interval)
    for event in (*map(_gaussian, measured), *map(_sgd, trained)):
        accountant.compose(event)
    return counted + inexact + float(accountant.get_epsilon(left))


def _gaussian(event: MeasureEvent) -> Any:
    # From sensitivity and sigma, not from mu: the accountant doubles for "replace" by itself.
    return dp.GaussianDpEvent(event.sigma / event.sensitivity)


def _sgd(event: TrainingEvent) -> Any:
    step = dp.PoissonSampledDpEvent(event.probability, dp.GaussianDpEvent(event.noise_multiplier))
    return dp.SelfComposedDpEvent(step, event.steps)


def _cut_delta(event: TrainingEvent, epsilon_count: float, epsilon: float) -> float:
    return cut_delta(
        probability=event.probability,
        steps=event.steps,
        units=event.units,
        units_bound=event.units_bound,
        batch_size=event.batch_size,
        epsilon_count=epsilon_count,
        epsilon=epsilon,
    )
