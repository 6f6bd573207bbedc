from __future__ import annotations

import math
from typing import Any

import dp_accounting as dp
import numpy as np
import pytest
from dp_accounting.rdp import RdpAccountant
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from jaxsynth.errors import PrivacyError
from jaxsynth.privacy.accounting import (
    RELATIONS,
    calibrate_noise,
    epsilon_of,
    noise_delta,
    noise_epsilon,
)
from jaxsynth.privacy.events import CountEvent, Event, MeasureEvent, TrainingEvent
from jaxsynth.privacy.settings import Adjacency
from jaxsynth.privacy.trade_off import gaussian_mu

ADJACENCIES: list[Adjacency] = ["add-remove", "zero-out", "replace"]


def measured(mu: float) -> MeasureEvent:
    return MeasureEvent(name="q", stage="s", part=1.0, sensitivity=1.0, sigma=1 / mu, mu=mu)


def trained(probability: float, steps: int, multiplier: float) -> TrainingEvent:
    return TrainingEvent(
        probability=probability,
        steps=steps,
        noise_multiplier=multiplier,
        clipping_norm=1.0,
        parameters=10,
        units=1000,
        units_bound=1000,
        batch_size=1000,
    )


def gaussian_delta(mu: float, epsilon: float) -> float:
    return float(norm.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon) * norm.cdf(-mu / 2 - epsilon / mu))


def rdp_epsilon(event: Any, delta: float, adjacency: Adjacency) -> float:
    return float(RdpAccountant(neighboring_relation=RELATIONS[adjacency]).compose(event).get_epsilon(delta))


def test_gaussians_compose_like_one_and_the_count_adds() -> None:
    events: list[Event] = [CountEvent(epsilon=0.1), measured(0.3), measured(0.4)]
    epsilon = epsilon_of(events, delta=1e-6, adjacency="add-remove")
    assert gaussian_delta(0.5, epsilon - 0.1) == pytest.approx(1e-6, rel=1e-6)
    assert epsilon_of([], delta=1e-6, adjacency="add-remove") == 0
    assert epsilon_of(events[:1], delta=1e-6, adjacency="add-remove") == 0.1


@pytest.mark.parametrize("adjacency", ADJACENCIES)
def test_full_batches_are_gaussians(adjacency: Adjacency) -> None:
    doubled = 2 if adjacency == "replace" else 1
    mu = math.hypot(0.2, doubled * 10 / 40)
    epsilon = epsilon_of([measured(0.2), trained(1.0, 100, 40.0)], delta=1e-6, adjacency=adjacency)
    assert gaussian_delta(mu, epsilon) == pytest.approx(1e-6, rel=5e-3)
    assert gaussian_delta(mu, epsilon) <= 1e-6


def test_two_trainings_are_refused() -> None:
    with pytest.raises(PrivacyError, match="2 trainings"):
        epsilon_of([trained(0.1, 2, 3.0)] * 2, delta=1e-6, adjacency="add-remove")


@pytest.mark.parametrize("adjacency", ["add-remove", "zero-out"])
@pytest.mark.parametrize(("q", "steps", "z"), [(0.02, 500, 1.5), (0.25, 160, 13.58), (0.001, 2000, 0.8)])
def test_renyi_accounting_is_an_upper_bound(adjacency: Adjacency, q: float, steps: int, z: float) -> None:
    step = dp.PoissonSampledDpEvent(q, dp.GaussianDpEvent(z))
    event = dp.ComposedDpEvent([dp.GaussianDpEvent(10.0), dp.SelfComposedDpEvent(step, steps)])
    ours = epsilon_of([measured(0.1), trained(q, steps, z)], delta=1e-6, adjacency=adjacency)
    assert 0.3 * rdp_epsilon(event, 1e-6, adjacency) < ours < rdp_epsilon(event, 1e-6, adjacency)


@pytest.mark.parametrize("adjacency", ADJACENCIES)
@pytest.mark.parametrize(
    ("q", "steps", "epsilon", "delta"), [(0.25, 160, 1.0, 1e-6), (0.05, 300, 3.0, 1e-5), (1.0, 50, 0.1, 1e-9)]
)
def test_calibrated_noise_spends_the_budget_and_not_more(
    adjacency: Adjacency, q: float, steps: int, epsilon: float, delta: float
) -> None:
    mu = gaussian_mu(epsilon, delta) / 3
    z = calibrate_noise(probability=q, steps=steps, mu=mu, epsilon=epsilon, delta=delta, adjacency=adjacency)
    spent = _fine_epsilon(q, steps, z, mu, delta, adjacency)
    assert (1 - 1e-3) * epsilon < spent <= epsilon


def _fine_epsilon(q: float, steps: int, z: float, mu: float, delta: float, adjacency: Adjacency) -> float:
    doubled = 2 if adjacency == "replace" else 1
    step = dp.PoissonSampledDpEvent(q, dp.GaussianDpEvent(z))
    accountant = dp.pld.PLDAccountant(RELATIONS[adjacency], 5e-5)
    accountant.compose(dp.GaussianDpEvent(doubled / mu)).compose(dp.SelfComposedDpEvent(step, steps))
    return float(accountant.get_epsilon(delta))


@settings(max_examples=2, deadline=None)
@given(q=st.floats(0.2, 0.9), steps=st.integers(20, 200), share=st.floats(0.01, 0.5))
def test_calibrated_noise_is_monotone(q: float, steps: int, share: float) -> None:
    def z(**changes: Any) -> float:
        mu = math.sqrt(share) * gaussian_mu(1.0, 1e-6)
        given: dict[str, Any] = {"probability": q, "steps": steps, "mu": mu, "epsilon": 1.0, "delta": 1e-6}
        return calibrate_noise(**{**given, "adjacency": "add-remove", **changes})

    least = z()
    assert z(probability=min(1.0, q * 1.1)) > least
    assert z(steps=2 * steps) > least
    assert z(mu=math.sqrt(share * 1.5) * gaussian_mu(1.0, 1e-6)) > least
    assert z(epsilon=1.1) < least
    assert z(adjacency="replace") > least


@pytest.mark.parametrize(
    "bad", [{"probability": 0.0}, {"probability": 1.1}, {"steps": 0}, {"steps": 100_001}, {"mu": 1.0}]
)
def test_calibration_refuses_what_cannot_be(bad: dict[str, Any]) -> None:
    good: dict[str, Any] = {"probability": 0.1, "steps": 10, "mu": 0.1, "epsilon": 1.0, "delta": 1e-6}
    with pytest.raises(PrivacyError, match="accounting"):
        calibrate_noise(**{**good, "adjacency": "add-remove", **bad})


@pytest.mark.parametrize("sigma", [8.0, 50.0])
def test_discrete_and_rounded_noise_differ_by_the_stated_factor(sigma: float) -> None:
    steps = np.arange(-int(12 * sigma), int(12 * sigma) + 1)
    # Far out the difference of two tails keeps its digits only on the negative side.
    below = -np.abs(steps)
    rounded = norm.cdf((below + 0.5) / sigma) - norm.cdf((below - 0.5) / sigma)
    discrete = np.exp(-(steps**2) / (2 * sigma**2))
    ratio = np.abs(np.log(discrete / discrete.sum() / rounded))
    assert ratio.max() <= 6.05 / sigma**2
    assert noise_epsilon(1, int(sigma)) == pytest.approx(2 * 6.05 / int(sigma) ** 2)
    assert 2 * norm.sf(12) <= 3.6e-33
    assert noise_delta(10, 1.0) == pytest.approx(10 * (1 + math.e) * 2.0**-90, rel=1e-4)
