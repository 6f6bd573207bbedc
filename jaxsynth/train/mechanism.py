"""What a step of private training releases, in the form that compiled steps take it."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxsynth.privacy.events import TrainingEvent
from jaxsynth.privacy.noisy_sums import NoisySums
from jaxsynth.privacy.randomness import Randomness


@dataclass(frozen=True, kw_only=True)
class Mechanism:
    """Noisy sums of clipped gradients over Poisson batches.

    Attributes:
        event: number, size and noise of the sums.
        rows_per_subject: rows that one subject adds to a sum at most.
        sums_a_step: how many sums a step of the loop releases.
        threefry: noise is drawn on the device, from a key a sum; else by the host.
    """

    event: TrainingEvent
    rows_per_subject: int
    sums_a_step: int = 1
    threefry: bool = False

    @property
    def row_clip(self) -> float:
        """Bound of the norm of what one row adds."""
        return self.event.clipping_norm / self.rows_per_subject

    @property
    def expected(self) -> float:
        """Rows of a batch, as far as the public count of subjects tells."""
        return max(1.0, self.event.probability * self.event.units)

    @property
    def _sums(self) -> NoisySums:
        return NoisySums(
            sensitivity=self.event.clipping_norm,
            multiplier=self.event.noise_multiplier,
            parameters=self.event.parameters,
            expected=self.expected,
        )

    def draw(self, randomness: Randomness, sums: int) -> NDArray[np.int32] | NDArray[np.uint32]:
        """Noise (sums, p) on the grid, or keys (sums, 2) of it."""
        if self.threefry:
            return np.stack([randomness.key_words() for _ in range(sums)])
        return randomness.gaussian((sums, self.event.parameters), self._sums.sigma)

    def mean(self, total: jax.Array, noise: jax.Array) -> jax.Array:
        """The noisy mean of a sum (p,) over all devices; `noise` as drawn for one sum."""
        if self.threefry:
            normal = jax.random.normal(jax.random.wrap_key_data(noise), total.shape)
            noise = jnp.rint(normal * self._sums.sigma).astype(jnp.int32)
        return self._sums.mean(total, noise)
