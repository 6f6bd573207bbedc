"""Copying: a column's logits raised at the code that holds the value of another column of the row.

Code vectors of a few features cannot say "the same as there" of hundreds of values; one gate for each pair of
columns can, and how far it opens depends on the rest of the row (compare pointer networks, Vinyals et al. 2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxsynth.affine import added, by_column
from jaxsynth.codec.groups import Group
from jaxsynth.codec.layout import CodeSpec
from jaxsynth.models.base import Params
from jaxsynth.models.ordered_layers import Start

NONE = -1  # the code of a source whose value the column does not have


@dataclass(frozen=True, eq=False)
class Copying:
    """The gates of one group of g columns, each with up to k sources.

    Attributes:
        sources: int (g, k), the sources' places in the model's order; 0 where there are fewer than k.
        codes: int32 (g, k, most codes of a source), the column's code for each of the source's, or `NONE`.
        units: hidden units of a column.
    """

    sources: NDArray[np.int64]
    codes: NDArray[np.int32]
    units: int

    @classmethod
    def make(cls, layout: tuple[CodeSpec, ...], group: Group, place: NDArray[np.int64], units: int) -> Copying:
        """The gates of a group; `place` (d,) are the layout columns' places in the model's order."""
        repeats = [layout[i].repeats for i in group.index]
        shape = len(repeats), max(len(r) for r in repeats)
        sources = np.zeros(shape, np.int64)
        widest = max((len(r.codes) for own in repeats for r in own), default=0)
        codes = np.full((*shape, widest), NONE, np.int32)
        for i, own in enumerate(repeats):
            for k, repeat in enumerate(own):
                sources[i, k] = place[repeat.source]
                codes[i, k, : len(repeat.codes)] = repeat.codes
        return cls(sources, codes, units)

    @property
    def count(self) -> int:
        """Sources of a column, k."""
        return int(self.sources.shape[1])

    def start(self) -> dict[str, Start]:
        """Starts of the gates' weights (g, k, units) and biases (g, k)."""
        g, k = self.sources.shape
        return {"kernel": Start((g, k, self.units)), "bias": Start((g, k))}

    def gates(self, params: Params, h: jax.Array) -> jax.Array:
        """Hidden units (g, units, b) -> how much each source raises the logit of its value, (g, k, b)."""
        return added(params["bias"], by_column(params["kernel"], h))

    def wanted(self, codes: jax.Array, seen: jax.Array) -> jax.Array:
        """Codes (d, b) of the rows -> the code of the sources' values, or `NONE`, (g, k, b).

        `seen`, bool (g, k, b) or (g, k, 1): where the source comes before the column.
        """
        table = jnp.asarray(self.codes).reshape(-1)
        row = np.arange(self.sources.size).reshape(*self.sources.shape, 1) * self.codes.shape[-1]
        return jnp.where(seen, table[row + codes[self.sources]], NONE)


def raised(logits: jax.Array, gates: jax.Array, wanted: jax.Array) -> jax.Array:
    """Logits (..., width, b) with gates (..., k, b) added at the wanted codes.

    By scattering: a comparison with every code would be computed again by all that reads the logits, which takes
    as long as half of the rest of a step.
    """
    outside = logits.shape[-2]  # dropped, where a negative number would count from the end
    *outer, _, row = np.ogrid[tuple(slice(n) for n in wanted.shape)]
    at = (*outer, jnp.where(wanted == NONE, outside, wanted), row)
    return logits.at[at].add(gates, mode="drop")
