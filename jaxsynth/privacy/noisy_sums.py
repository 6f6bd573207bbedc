"""What a step of DP-SGD releases: a sum of clipped gradients, on a grid, with discrete Gaussian noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp

NOISE_STEPS = 2**22  # grid steps in a standard deviation of the noise at least
_LARGEST = 2.0**30  # of a sum on the grid; beyond, it is cut, which brings no two sums further apart


@dataclass(frozen=True, kw_only=True)
class NoisySums:
    """The Gaussian mechanism on an integer grid (Canonne, Kamath and Steinke 2020; compare Kairouz et al. 2021).

    A float32 sum is rounded to the grid, and the noise is integers on it: what is released says nothing of the
    floating-point numbers behind it (Mironov 2012). Rounding moves each entry of a difference of two sums by at
    most one step, so a vector of p entries costs sqrt(p) steps of sensitivity.

    Attributes:
        sensitivity: L2, of a sum to one subject.
        multiplier: standard deviation of the noise over the sensitivity.
        parameters: p, length of a sum.
        expected: public number of rows that a sum is divided by.
    """

    sensitivity: float
    multiplier: float
    parameters: int
    expected: float

    @property
    def step(self) -> float:
        """Of the grid: a power of two, by which float32 numbers divide without rounding."""
        return 2.0 ** math.floor(math.log2(self.multiplier * self.sensitivity / NOISE_STEPS))

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise in steps; it covers the rounding."""
        return self.multiplier * (self.sensitivity / self.step + math.sqrt(self.parameters))

    def mean(self, total: jax.Array, noise: jax.Array) -> jax.Array:
        """The noisy sum over the expected number of rows.

        Args:
            total: float32 (p,), of rows whose norms are bounded.
            noise: int32 (p,), discrete Gaussian of `sigma`.
        """
        steps = jnp.clip(jnp.rint(total / self.step), -_LARGEST, _LARGEST).astype(jnp.int32)
        return (steps + noise).astype(jnp.float32) * (self.step / self.expected)
