from __future__ import annotations

import math

import dp_accounting as dp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, dlaplace

from jaxsynth.privacy.truncation import SHARE, Cut, cut_delta, laplace_tail, plan_cut


def cut(probability: float, steps: int, units: int, epsilon_count: float, epsilon: float, delta: float) -> Cut:
    return plan_cut(
        probability=probability,
        steps=steps,
        units=units,
        epsilon_count=epsilon_count,
        epsilon=epsilon,
        delta=delta,
    )


@given(epsilon=st.floats(0.001, 3), distance=st.integers(0, 300))
def test_laplace_tail_is_that_of_the_discrete_distribution(epsilon: float, distance: int) -> None:
    assert laplace_tail(distance, epsilon) == pytest.approx(dlaplace.sf(distance, epsilon), rel=1e-9, abs=1e-15)


@given(
    probability=st.floats(1e-4, 1),
    steps=st.integers(1, 100_000),
    units=st.integers(1, 10_000_000),
    epsilon_count=st.sampled_from([0.0, 0.002, 0.02, 0.4]),
    epsilon=st.floats(0.01, 20),
    log_delta=st.floats(-9, -2.1),
)
def test_the_smallest_batch_within_the_share(
    probability: float, steps: int, units: int, epsilon_count: float, epsilon: float, log_delta: float
) -> None:
    delta = 10**log_delta
    found = cut(probability, steps, units, epsilon_count, epsilon, delta)
    beta = SHARE * delta / (1 + math.exp(epsilon))
    assert found.delta <= SHARE * delta
    assert 1 <= found.batch_size <= found.units_bound
    assert steps * binom.sf(found.batch_size, found.units_bound, probability) <= beta / 2
    if found.batch_size > 1:
        assert steps * binom.sf(found.batch_size - 1, found.units_bound, probability) > 0.49 * beta
    if epsilon_count:
        assert laplace_tail(found.units_bound - units, epsilon_count) <= beta / 2
        assert (
            found.units_bound == units or laplace_tail(found.units_bound - units - 1, epsilon_count) > 0.49 * beta
        )
    else:
        assert found.units_bound == units


def test_all_units_in_all_batches_are_never_cut() -> None:
    assert cut(1.0, 10, 500, 0.0, 1.0, 1e-6) == Cut(units_bound=500, batch_size=500, delta=0.0)


@pytest.mark.parametrize("size", [70, 90, 110])
@pytest.mark.parametrize("steps", [1, 20])
def test_never_below_the_exact_accounting_of_cut_batches(size: int, steps: int) -> None:
    units, probability, multiplier, epsilon = 1000, 0.06, 2.0, 0.8
    uncut = dp.PoissonSampledDpEvent(probability, dp.GaussianDpEvent(multiplier))
    exact = dp.TruncatedSubsampledGaussianDpEvent(units, probability, size, multiplier)
    ideal, real = (_delta(event, steps, epsilon) for event in (uncut, exact))
    spent = cut_delta(
        probability=probability,
        steps=steps,
        units=units,
        units_bound=units,
        batch_size=size,
        epsilon_count=0.0,
        epsilon=epsilon,
    )
    assert real > ideal
    assert ideal + spent >= real


def _delta(event: object, steps: int, epsilon: float) -> float:
    accountant = dp.pld.PLDAccountant(dp.NeighboringRelation.REPLACE_SPECIAL)
    return float(accountant.compose(dp.SelfComposedDpEvent(event, steps)).get_delta(epsilon))
