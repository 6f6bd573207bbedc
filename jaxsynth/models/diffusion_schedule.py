"""The noise of a joint diffusion as functions of one time in [0, 1]: how loud numbers are, which codes are masked.

Numbers follow Karras et al. 2022 ("EDM"), equation 5 and table 1, with data of unit variance; codes follow
absorbing diffusion with a log-linear schedule (Sahoo et al. 2024, "MDLM", section 3.4): at time t a code is
masked with probability t.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxsynth.models.row_keys import GOLDEN, RowKeys

_SOFTEST = 0.02  # times below weigh like this one: 1 / t is unbounded, and hardly a code is masked there


class Scaling(NamedTuple):
    """How a network's input and output are scaled at one noise level (EDM, table 1, unit data variance).

    Attributes:
        skip: share of the noisy input in the estimate.
        out: factor of the network's output in the estimate.
        into: factor of the noisy input on its way into the network.
    """

    skip: jax.Array
    out: jax.Array
    into: jax.Array


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Noise levels between time 0 (data) and time 1 (noise).

    Attributes:
        sigma_min: standard deviation of the noise on numbers at time 0.
        sigma_max: the same at time 1; data have unit variance.
        rho: how the levels crowd towards `sigma_min` (EDM, equation 5).
        steps: second-order steps of the sampler, the last of which is of first order.
    """

    sigma_min: float
    sigma_max: float
    rho: float
    steps: int

    def sigma(self, time: jax.Array) -> jax.Array:
        """Noise level on numbers at a time in [0, 1]."""
        low, high = self.sigma_min ** (1 / self.rho), self.sigma_max ** (1 / self.rho)
        return jnp.power(low + time * (high - low), self.rho)

    @property
    def evaluations(self) -> int:
        """How often the sampler evaluates the network."""
        return 2 * self.steps - 1

    @property
    def times(self) -> NDArray[np.float32]:
        """Times (steps + 1,) between which the sampler steps, from 1 to 0."""
        return np.linspace(1.0, 0.0, self.steps + 1, dtype=np.float32)


def scaling(sigma: jax.Array) -> Scaling:
    """The preconditioning that keeps the network's input and target at unit variance."""
    total = jnp.square(sigma) + 1.0
    return Scaling(skip=1.0 / total, out=sigma / jnp.sqrt(total), into=1.0 / jnp.sqrt(total))


def mask_weight(time: jax.Array) -> jax.Array:
    """Weight of a masked code's cross-entropy in the evidence bound, 1 / t, bounded near 0 (MDLM, equation 10)."""
    return 1.0 / jnp.maximum(time, _SOFTEST)


def draw_times(keys: RowKeys) -> jax.Array:
    """One time a row, (b,): each uniform on [0, 1), together evenly spread, which quietens the gradient.

    Multiples of the golden ratio from a random start are spread evenly whatever their number.
    """
    start = jax.random.bits(keys.common, (), jnp.uint32)
    turns = keys.place.astype(jnp.uint32) * GOLDEN + start  # of 2**32 each
    return (turns >> 8).astype(jnp.float32) * 2.0**-24


def draw_reveals(key: jax.Array, n: int, columns: int) -> jax.Array:
    """When each code is revealed, (n, columns), in (0, 1).

    Each is uniform, as the masking process says, but the columns of a row take turns: where there are more
    evaluations than columns, hardly two are revealed by one evaluation and so drawn independently.
    """
    order_key, inside_key = jax.random.split(key)
    turns = jnp.argsort(jax.random.uniform(order_key, (n, columns)), axis=1)
    return (turns + jax.random.uniform(inside_key, (n, columns), minval=1e-3)) / max(columns, 1)
