"""Parameters as one vector and back, without a program of its own: compiling one takes a second."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxsynth.models import Params


@dataclass(frozen=True, eq=False)
class Flat:
    """How a vector (p,) of parameters is cut.

    Attributes:
        tree: of the parameters.
        shapes: of its leaves, in order.
    """

    tree: Any
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def like(cls, params: Params) -> Flat:
        """For parameters of these shapes."""
        leaves, tree = jax.tree.flatten(params)
        return cls(tree, tuple(leaf.shape for leaf in leaves))

    @classmethod
    def of(cls, init: Callable[[jax.Array], Params]) -> Flat:
        """For parameters as `init` makes them; none are made."""
        return cls.like(jax.eval_shape(init, jax.random.key(0)))

    @property
    def size(self) -> int:
        """How many numbers they are."""
        return sum(math.prod(shape) for shape in self.shapes)

    def vector(self, params: Params) -> NDArray[np.float32]:
        """The parameters end to end, on the host."""
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(jax.device_get(params))])

    def restore(self, vector: jax.Array) -> Params:
        """The parameters of a vector; part of a program."""
        return self._shaped(jnp.split(vector, self._ends()))

    def on_host(self, vector: jax.Array) -> Params:
        """The same, as views of the vector on the host."""
        return self._shaped(np.split(jax.device_get(vector), self._ends()))

    def _ends(self) -> list[int]:
        return [int(end) for end in np.cumsum([np.prod(shape, dtype=np.int64) for shape in self.shapes])[:-1]]

    def _shaped(self, parts: list[Any]) -> Params:
        return dict(jax.tree.unflatten(self.tree, [p.reshape(s) for p, s in zip(parts, self.shapes, strict=True)]))
