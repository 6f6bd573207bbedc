"""Gaussian differential privacy: its parameter mu and (epsilon, delta), each computed from the others.

A mechanism is mu-GDP if telling its outputs on neighbouring tables apart is no easier than telling N(0, 1)
from N(mu, 1) by one draw (Dong, Roth and Su 2022, "Gaussian differential privacy", JRSS B 84(1)). Pure functions
of numbers; nothing here knows of mechanisms or attacks.
"""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr, ndtri

from jaxsynth.errors import PrivacyError


def gaussian_delta(mu: float, epsilon: float) -> float:
    """Return the least delta at which mu-GDP is (epsilon, delta)-DP (Dong, Roth and Su 2022, corollary 2.13).

    Args:
        mu: the parameter of Gaussian differential privacy, at least 0.
        epsilon: at least 0.
    """
    if mu == 0:
        return 0.0
    above, below = mu / 2 - epsilon / mu, -mu / 2 - epsilon / mu
    # The exponential overflows alone; the product never does.
    return max(0.0, float(ndtr(above) - math.exp(epsilon + log_ndtr(below))))


def gaussian_epsilon(mu: float, delta: float) -> float:
    """Return the least epsilon at which mu-GDP is (epsilon, delta)-DP, to an accuracy of 1e-12 or better.

    Args:
        mu: the parameter of Gaussian differential privacy, at least 0.
        delta: in (0, 1).

    Raises:
        PrivacyError: `delta` lies outside.
    """
    _check_delta(delta)
    if gaussian_delta(mu, 0.0) <= delta:
        return 0.0
    # Without its second term the curve lies above itself and has this root.
    above = mu * (mu / 2 - float(ndtri(delta)))
    return float(brentq(lambda epsilon: gaussian_delta(mu, epsilon) - delta, 0.0, above, xtol=1e-12))


def gaussian_mu(epsilon: float, delta: float) -> float:
    """Return the largest mu whose GDP is (epsilon, delta)-DP, rounded down by 1e-9.

    It is the largest sensitivity / sigma with which a Gaussian mechanism is so (Balle and Wang 2018, "Improving
    the Gaussian mechanism", theorem 8).

    Args:
        epsilon: at least 0.
        delta: in (0, 1).

    Raises:
        PrivacyError: `delta` lies outside.
    """
    _check_delta(delta)
    above = 1.0
    while gaussian_delta(above, epsilon) < delta:
        above *= 2
    return (1 - 1e-9) * float(brentq(lambda mu: gaussian_delta(mu, epsilon) - delta, 0.0, above, xtol=1e-14))


def _check_delta(delta: float) -> None:
    if not 0 < delta < 1:
        raise PrivacyError(f"delta must lie between 0 and 1, got {delta!r}; 1e-6 is usual")
