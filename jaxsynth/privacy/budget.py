"""How epsilon and delta are split before anything is read: fixed shares of what was asked for."""

from __future__ import annotations

import math

from jaxsynth.errors import PrivacyError
from jaxsynth.privacy.accounting import MARGIN, MEASURE_GRID, TRAINING_GRID, noise_delta, noise_epsilon
from jaxsynth.privacy.settings import Privacy
from jaxsynth.privacy.truncation import SHARE as CUT_SHARE

COUNT_SHARE = 0.02
"""Of epsilon, for the number of subjects where it is private."""

LEVELS_SHARE = 0.05
"""Of delta, for thresholds that select levels, where discovery is allowed."""

NOISE_SHARE = 1e-3
"""Of delta, for what the noise is not exactly."""

MEASURED_DRAWS = 2**28
"""Numbers of noise that all measurements together may draw."""


def count_epsilon(privacy: Privacy) -> float:
    """Return the epsilon of the discrete Laplace noise in the number of subjects; 0 where that is public."""
    return COUNT_SHARE * privacy.epsilon if privacy.rows is None else 0.0


def levels_variation(privacy: Privacy) -> float:
    """Return the total variation that selecting levels may spend; 0 where discovery is not allowed.

    Total variation tau between what is run and what is accounted costs (1 + e**epsilon) * tau of delta.
    """
    return LEVELS_SHARE * privacy.delta / (1 + math.exp(privacy.epsilon)) if privacy.discover else 0.0


def epsilon_left(privacy: Privacy, training_draws: int) -> float:
    """Return what is left of epsilon for Gaussian noise, after the count and what the noise is not exactly.

    Raises:
        PrivacyError: so many numbers of noise that their errors would take half of epsilon.
    """
    inexact = noise_epsilon(MEASURED_DRAWS, MEASURE_GRID) + noise_epsilon(training_draws, TRAINING_GRID)
    left = (1 - MARGIN) * privacy.epsilon - count_epsilon(privacy) - inexact
    if left < privacy.epsilon / 2:
        raise PrivacyError(
            f"plan: {training_draws:.3g} numbers of noise are too many; take fewer steps or parameters"
        )
    return left


def delta_left(privacy: Privacy, training_draws: int) -> float:
    """Return what is left of delta for Gaussian noise, after levels, cut batches and errors of the noise.

    Raises:
        PrivacyError: delta is so small, or epsilon so large, that the noise itself is too coarse.
    """
    if noise_delta(MEASURED_DRAWS + training_draws, privacy.epsilon) > NOISE_SHARE * privacy.delta:
        raise PrivacyError(
            f"plan: epsilon {privacy.epsilon:g} with delta {privacy.delta:g} asks more than {training_draws:.3g} "
            "numbers of noise can keep; lower epsilon, raise delta or take fewer steps"
        )
    levels = LEVELS_SHARE if privacy.discover else 0.0
    return privacy.delta * (1 - levels - CUT_SHARE - NOISE_SHARE)
