"""What events cost together: thin functions over dp_accounting, on plain numbers.

The count is pure differential privacy and adds its epsilon (basic composition), so that whatever is planned from
the noisy count may depend on it. All else is composed at once by privacy loss distributions, rounded upwards.

Noise is a discrete Gaussian on a fine grid and accounted as a Gaussian. Rounding the output of a Gaussian to the
grid is post-processing, and the discrete law's probabilities differ from the rounded one's by a factor of at most
exp(6.05 / sigma**2) up to 12 standard deviations (the midpoint rule's error, sigma in grid steps). `noise_epsilon`
and `noise_delta` are what that and the sampler's own errors cost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any

from dp_accounting.pld import privacy_loss_distribution as losses
from dp_accounting.privacy_accountant import NeighboringRelation
from scipy.optimize import brentq

from jaxsynth.errors import PrivacyError
from jaxsynth.privacy.events import CountEvent, Event, MeasureEvent, TrainingEvent
from jaxsynth.privacy.settings import Adjacency
from jaxsynth.privacy.trade_off import gaussian_epsilon, gaussian_mu

MEASURE_GRID = 2**24
"""Grid steps that the noise of a measurement spans at least."""

TRAINING_GRID = 2**22
"""Grid steps that the noise of a training step spans at least."""

MARGIN = 2e-4
"""Share of epsilon that is never spent: more than Fourier rounding hides at delta = 1e-9 and 10**5 steps."""

MOST_STEPS = 100_000

RELATIONS = {
    "add-remove": NeighboringRelation.ADD_OR_REMOVE_ONE,
    "zero-out": NeighboringRelation.REPLACE_SPECIAL,
    "replace": NeighboringRelation.REPLACE_ONE,
}


def noise_epsilon(draws: int, grid: int) -> float:
    """Return the epsilon by which discrete noise may exceed a Gaussian's: both tables, all draws.

    Args:
        draws: numbers of noise.
        grid: standard deviation of the noise in grid steps, at least.
    """
    return 2 * draws * (6.05 / grid**2 + 2.0**-50)


def noise_delta(draws: int, epsilon: float) -> float:
    """Return the delta of draws beyond 12 standard deviations (3.6e-33 each) and of the sampler (2**-90 each)."""
    return (1 + math.exp(epsilon)) * draws * (3.6e-33 + 2.0**-90)


def interval_for(mu: float, steps: int) -> float:
    """Return the spacing of privacy losses, which rounds epsilon up by .05 % at most.

    The larger of .06 standard deviations of the loss of one step and .00025 of all; in [6e-6, 1e-3].

    Args:
        mu: Gaussian parameter of the whole budget.
        steps: over which it is spent.
    """
    return min(1e-3, max(6e-6, mu * max(0.06 / math.sqrt(steps), 2.5e-4)))


def epsilon_of(events: Iterable[Event], *, delta: float, adjacency: Adjacency) -> float:
    """Return the epsilon of events together at a delta, noise taken for exactly Gaussian and batches for uncut.

    Raises:
        PrivacyError: more than one training.
    """
    events = tuple(events)
    pure = sum(e.epsilon for e in events if isinstance(e, CountEvent))
    mu = math.hypot(*(e.mu for e in events if isinstance(e, MeasureEvent)))
    training = [e for e in events if isinstance(e, TrainingEvent)]
    if len(training) > 1:
        raise PrivacyError(f"accounting: {len(training)} trainings; a ledger pays for one, take a new ledger")
    if not training:
        return pure + gaussian_epsilon(mu, delta)
    one = training[0]
    alone = _central_limit(one.noise_multiplier, one.probability, one.steps, adjacency)
    interval = interval_for(math.hypot(alone, mu), one.steps)
    whole = _composed(one.noise_multiplier, one.probability, one.steps, mu, adjacency, interval)
    return pure + float(whole.get_epsilon_for_delta(delta))


@cache
def calibrate_noise(
    *, probability: float, steps: int, mu: float, epsilon: float, delta: float, adjacency: Adjacency
) -> float:
    """Return the least noise multiplier with which DP-SGD, beside Gaussian charges, is (epsilon, delta)-private.

    Safe: the privacy losses are rounded upwards and the multiplier is too.
    Costs .1 to 10 seconds, most where probability is near 1e-4.

    Args:
        probability: with which each subject is in a batch, above 0, at most 1.
        steps: number of batches, at most 10**5.
        mu: Gaussian parameter of all other charges together.
        epsilon: of all together.
        delta: of all together.
        adjacency: which tables are neighbours; "replace" keeps the same clipping norm.

    Raises:
        PrivacyError: steps or probability out of range, or nothing left beside the other charges.
    """
    if not (0 < probability <= 1 and 1 <= steps <= MOST_STEPS):
        raise PrivacyError(
            f"accounting: {steps} steps, probability {probability}; give 1 to {MOST_STEPS}, and above 0, at most 1"
        )
    whole_mu = gaussian_mu(epsilon, delta)
    if mu >= whole_mu:
        raise PrivacyError(f"accounting: charges of mu {mu:.4g} leave nothing to train with; give them less")

    def log_excess(log_multiplier: float, interval: float) -> float:
        whole = _composed(math.exp(log_multiplier), probability, steps, mu, adjacency, interval)
        return math.log(max(float(whole.get_delta_for_epsilon(epsilon)), 1e-300) / delta)

    fine = interval_for(whole_mu, steps)
    guess = _guess(probability, steps, math.sqrt(whole_mu**2 - mu**2), adjacency)
    near = _least(partial(log_excess, interval=8 * fine), guess, step=0.1)
    return math.exp(_least(partial(log_excess, interval=fine), near, step=0.003))


def _composed(
    multiplier: float, probability: float, steps: int, mu: float, adjacency: Adjacency, interval: float
) -> Any:
    relation = RELATIONS[adjacency]
    step = losses.from_gaussian_mechanism(
        multiplier,
        sampling_prob=probability,
        value_discretization_interval=interval,
        neighboring_relation=relation,
    )
    training = step.self_compose(steps)
    if not mu:
        return training
    beside = losses.from_gaussian_mechanism(1 / mu, value_discretization_interval=interval)
    return training.compose(beside)


def _central_limit(multiplier: float, probability: float, steps: int, adjacency: Adjacency) -> float:
    """The Gaussian parameter of many small steps (Bu et al. 2020, corollary 5.4)."""
    doubled = 2 if adjacency == "replace" else 1
    return doubled * probability * math.sqrt(steps * math.expm1(min(multiplier**-2, 700.0)))


def _guess(probability: float, steps: int, mu: float, adjacency: Adjacency) -> float:
    """The logarithm of the multiplier whose steps have this parameter in the central limit."""
    share = mu / (2 if adjacency == "replace" else 1) / probability
    return -0.5 * math.log(math.log1p(share**2 / steps))


def _least(excess: Callable[[float], float], start: float, *, step: float) -> float:
    """Where a falling function becomes 0, from above, to 3e-5."""
    # From above: far too little noise makes the loss distribution long and slow.
    high = start
    while excess(high) > 0:
        high, step = high + step, 2 * step
    low = high - step
    while excess(low) <= 0:
        high, low, step = low, low - step, 2 * step
    root = float(brentq(excess, low, high, xtol=3e-5, rtol=1e-12))
    while excess(root) > 0:
        root += 3e-5
    return root
