"""What the private critic sees of a row: products of random looks at pairs of its columns, and a linear score.

Looks at single columns are centred and scaled by the columns' own frequencies, so that a product's mean is 0 where
two columns are independent, and the mean of what real rows add is their dependence. A score that is linear in
fixed features has few parameters and needs few looks at the rows, which is what noise leaves (compare random
features for private generators, Harder, Adamczewski and Park 2021).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxsynth.affine import dense, offset
from jaxsynth.models.base import Params
from jaxsynth.models.gan_features import Features

_MOST = 4096  # products
_LOOKS = 12  # at a column, at most
_FAR = 2.0  # standard deviations at which looks level off
_LEAST = 0.05  # standard deviation of a look below which it is not scaled up further


@dataclass(frozen=True, eq=False)
class PairCritic:
    """A linear score of products of looks.

    Attributes:
        looks: float32 (f, looks, columns), what a feature adds to each look at its column.
        centre: float32 (looks, columns, 1), mean of each look.
        shifts: each column is multiplied by those that follow it, cyclically, by so many places.
    """

    looks: NDArray[np.float32]
    centre: NDArray[np.float32]
    shifts: tuple[int, ...]

    @classmethod
    def make(cls, features: Features) -> PairCritic:
        """Looks and pairs; nothing is drawn that the rows decide."""
        rng = np.random.default_rng(0)
        owner, mean, covariance = features.moments()
        columns = len(covariance)
        shifts = rng.permutation(np.arange(1, columns // 2 + 1))[: max(1, _MOST // columns)]
        count = int(np.clip(_MOST // max(columns * len(shifts), 1), 1, _LOOKS))
        weights = rng.normal(size=(count, len(owner)))
        spread = np.array([[_spread(w[owner == i], covariance[i]) for i in range(columns)] for w in weights])
        weights /= spread[:, owner]
        looks = np.where(owner[:, None, None] == np.arange(columns), weights.T[:, :, None], 0.0)
        centre = np.tensordot(mean, looks, 1)
        return cls(looks.astype(np.float32), centre.astype(np.float32)[..., None], tuple(shifts.tolist()))

    @property
    def products(self) -> int:
        """How many there are."""
        return int(self.centre.size * len(self.shifts))

    def init(self, key: jax.Array) -> Params:
        """A score of 0 for all rows."""
        del key
        return {"score": {"kernel": jnp.zeros((self.products, 1)), "bias": jnp.zeros(1)}}

    def __call__(self, params: Params, shown: jax.Array) -> jax.Array:
        """Scores (b,) of rows shown by their features (b, f)."""
        flat = self.looks.reshape(len(self.looks), -1)
        own = (flat.T @ shown.T).reshape(*self.centre.shape[:2], -1) - self.centre
        near = _FAR * jnp.tanh(own / _FAR)  # rare codes look far away, and would decide the score
        products = jnp.stack([near * jnp.roll(near, shift, axis=1) for shift in self.shifts])
        rows = products.reshape(self.products, -1).T / np.sqrt(max(self.products, 1))
        return offset(params["score"]["bias"], dense(params["score"]["kernel"], rows))[:, 0]


def _spread(weight: NDArray[np.float64], covariance: NDArray[np.float64]) -> float:
    return max(math.sqrt(max(float(weight @ covariance @ weight), 0.0)), _LEAST)
