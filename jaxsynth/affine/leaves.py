"""Which parameters a value was made of, and what gradients by the value are by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxsynth.affine.columns import EXACT, products, square_sums


class Leaf(Protocol):
    """The parameters behind a value. Gradients by it are products of a left vector, by its rows, and a right."""

    @property
    def name(self) -> str:
        """Of the parameters."""
        ...

    def squares(self, left: jax.Array) -> jax.Array:
        """Squared norms (g, b) of left vectors (g, rows, b), seen by the parameters."""
        ...

    def row_squares(self, shape: tuple[int, ...]) -> jax.Array:
        """The same where the left vector is one at one row: for each row of a value (..., rows, features)."""
        ...

    def grads(self, whole: jax.Array) -> dict[str, jax.Array]:
        """Gradients by the parameters, from that by the value."""
        ...


@dataclass(frozen=True)
class Own:
    """A value that is a parameter."""

    name: str

    def squares(self, left: jax.Array) -> jax.Array:
        """See `Leaf`."""
        return square_sums(left)

    def row_squares(self, shape: tuple[int, ...]) -> jax.Array:
        """See `Leaf`."""
        return jnp.ones(shape[:-1])

    def grads(self, whole: jax.Array) -> dict[str, jax.Array]:
        """See `Leaf`."""
        return {self.name: whole}


@dataclass(frozen=True, eq=False)
class Mixed:
    """A fixed basis (g, rows, f) times a parameter (g, f, features), and a share of one (g, rows, features)."""

    smooth: str
    free: str
    basis: NDArray[np.float32]
    share: float

    @property
    def name(self) -> str:
        """Of both."""
        return f"{self.smooth}+{self.free}"

    def squares(self, left: jax.Array) -> jax.Array:
        """See `Leaf`."""
        through = products(self._back, left, EXACT)
        return square_sums(through) + self.share**2 * square_sums(left)

    def row_squares(self, shape: tuple[int, ...]) -> jax.Array:
        """See `Leaf`."""
        del shape
        return jnp.asarray(np.square(self.basis).sum(-1) + np.float32(self.share**2))

    def grads(self, whole: jax.Array) -> dict[str, jax.Array]:
        """See `Leaf`."""
        return {self.smooth: self._back @ whole, self.free: self.share * whole}

    @property
    def _back(self) -> jax.Array:
        return jnp.asarray(self.basis.swapaxes(-1, -2))
