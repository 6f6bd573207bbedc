from __future__ import annotations

import dp_accounting
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from jaxsynth.errors import PrivacyError
from jaxsynth.privacy.trade_off import gaussian_delta, gaussian_epsilon, gaussian_mu


@pytest.mark.parametrize("mu", [0.05, 0.3, 1.0, 4.0, 20.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-6, 1e-2])
def test_the_curve_is_that_of_dp_accounting(mu: float, delta: float) -> None:
    expected = dp_accounting.get_epsilon_gaussian(1 / mu, delta)
    assert gaussian_epsilon(mu, delta) == pytest.approx(expected, rel=1e-6, abs=1e-9)
    if expected > 0:
        assert 1 / gaussian_mu(expected, delta) == pytest.approx(dp_accounting.get_sigma_gaussian(expected, delta))


@pytest.mark.parametrize(("mu", "epsilon"), [(0.5, 0.0), (0.5, 1.0), (1.0, 2.0), (3.0, 6.0)])
def test_delta_is_the_hockey_stick_divergence(mu: float, epsilon: float) -> None:
    def excess(x: float) -> float:
        return float(max(0.0, stats.norm.pdf(x - mu) - np.exp(epsilon) * stats.norm.pdf(x)))

    start = epsilon / mu + mu / 2
    expected, _ = integrate.quad(excess, start, start + 40, epsabs=1e-13)
    assert gaussian_delta(mu, epsilon) == pytest.approx(expected, rel=1e-6)


@given(mu=st.floats(1e-3, 50), delta=st.floats(1e-12, 0.5))
def test_epsilon_and_mu_are_inverse(mu: float, delta: float) -> None:
    epsilon = gaussian_epsilon(mu, delta)
    assert gaussian_delta(mu, epsilon) <= delta * (1 + 1e-3)
    if epsilon > 0:
        assert gaussian_mu(epsilon, delta) == pytest.approx(mu, rel=1e-4)


@given(mu=st.floats(1e-3, 40), more=st.floats(1.001, 2), delta=st.floats(1e-12, 0.5))
def test_more_signal_is_more_epsilon(mu: float, more: float, delta: float) -> None:
    assert gaussian_epsilon(mu * more, delta) >= gaussian_epsilon(mu, delta)


@given(epsilon=st.floats(0.01, 20), log_delta=st.floats(-9, -2.1))
def test_mu_is_the_closed_form_from_below(epsilon: float, log_delta: float) -> None:
    def spent(mu: float) -> float:
        lost = np.exp(epsilon) * stats.norm.cdf(-mu / 2 - epsilon / mu)
        return float(stats.norm.cdf(mu / 2 - epsilon / mu) - lost)

    mu = gaussian_mu(epsilon, 10**log_delta)
    assert spent(mu) <= 10**log_delta < spent(mu * (1 + 1e-7))


@given(epsilon=st.floats(0.02, 10), log_delta=st.floats(-9, -3))
def test_mu_rises_with_epsilon_and_delta(epsilon: float, log_delta: float) -> None:
    mu = gaussian_mu(epsilon, 10**log_delta)
    assert gaussian_mu(epsilon * 1.01, 10**log_delta) > mu
    assert gaussian_mu(epsilon, 10 ** (log_delta + 0.01)) > mu


def test_no_signal_and_no_overflow() -> None:
    assert gaussian_epsilon(0.0, 1e-6) == gaussian_delta(0.0, 0.0) == 0
    assert gaussian_delta(100.0, 4000.0) == pytest.approx(stats.norm.cdf(10.0))


@pytest.mark.parametrize("delta", [0.0, 1.0, -1e-6, float("nan")])
def test_a_delta_that_is_none_is_refused(delta: float) -> None:
    with pytest.raises(PrivacyError, match="delta"):
        gaussian_epsilon(1.0, delta)
    with pytest.raises(PrivacyError, match="delta"):
        gaussian_mu(1.0, delta)
