"""How large a batch must be so that cutting Poisson batches to it costs next to nothing.

A run with cut batches and one without are the same unless a batch is cut. If that has probability at most beta,
both laws lie within beta of each other in total variation, on each table, and an (epsilon, delta)-private run
without cuts is (epsilon, delta + (1 + e**epsilon) * beta)-private with them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.stats import binom

SHARE = 1e-3
"""Share of delta that cutting batches may spend."""

_SAFE = 1 + 1e-6
"""More than the relative error of computed tails."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Where batches are cut.

    Attributes:
        units_bound: what the true number of subjects exceeds with probability at most half of beta.
        batch_size: what no batch exceeds with probability 1 - beta.
        delta: spent.
    """

    units_bound: int
    batch_size: int
    delta: float


def plan_cut(
    *, probability: float, steps: int, units: int, epsilon_count: float, epsilon: float, delta: float
) -> Cut:
    """Choose the smallest batch whose cut spends at most `SHARE` of delta.

    Args:
        probability: with which each subject is in a batch.
        steps: number of batches.
        units: number of subjects, public or noisy.
        epsilon_count: of the discrete Laplace noise in `units`; 0: the number is public.
        epsilon: of everything released.
        delta: of everything released.
    """
    beta = SHARE * delta / (1 + math.exp(epsilon)) / _SAFE
    bound = units if not epsilon_count else units + _tail_quantile(epsilon_count, beta / 2)
    size = _batch_size(probability, steps, bound, beta / 2)
    spent = cut_delta(
        probability=probability,
        steps=steps,
        units=units,
        units_bound=bound,
        batch_size=size,
        epsilon_count=epsilon_count,
        epsilon=epsilon,
    )
    return Cut(units_bound=bound, batch_size=size, delta=spent)


def cut_delta(
    *,
    probability: float,
    steps: int,
    units: int,
    units_bound: int,
    batch_size: int,
    epsilon_count: float,
    epsilon: float,
) -> float:
    """Return the delta that cutting batches at `batch_size` spends; arguments as in `plan_cut` and `Cut`."""
    beta = _any_overflow(probability, steps, units_bound, batch_size)
    if epsilon_count:
        beta += laplace_tail(units_bound - units, epsilon_count)
    return (1 + math.exp(epsilon)) * beta * _SAFE


def laplace_tail(distance: int, epsilon: float) -> float:
    """Return the probability that discrete Laplace noise of scale 1 / epsilon is below -distance."""
    return math.exp(-epsilon * (distance + 1)) / (1 + math.exp(-epsilon))


def _tail_quantile(epsilon: float, probability: float) -> int:
    """The least distance that noise falls short of with at most this probability."""
    return max(0, math.ceil(-math.log(probability * (1 + math.exp(-epsilon))) / epsilon) - 1)


def _any_overflow(probability: float, steps: int, units: int, size: int) -> float:
    """An upper bound of the probability that one of the batches has more than `size` members."""
    return steps * float(binom.sf(size, units, probability))


def _batch_size(probability: float, steps: int, units: int, beta: float) -> int:
    # By bisection: the inverse in SciPy is not exact so far out in the tail.
    too_small, enough = -1, units
    while enough - too_small > 1:
        middle = (too_small + enough) // 2
        if _any_overflow(probability, steps, units, middle) <= beta:
            enough = middle
        else:
            too_small = middle
    return max(1, enough)
