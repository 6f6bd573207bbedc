"""What a model needs to know of encoded columns: sizes, ranks, priors. Plain arrays, no table, no Arrow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.unsignedinteger]


class Repeat(NamedTuple):
    """Another column whose value a column often has.

    Attributes:
        source: the other column's number in the layout.
        codes: int32 (its size,), the code of this column with each of its codes' values; -1 where there is none.
    """

    source: int
    codes: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class CodeSpec:
    """One encoded column: `size` codes, some of which may be ordered, and perhaps a position inside a code.

    Attributes:
        name: the column's name.
        counts: int64 (size,), how often each code occurs in the training rows.
        rank: float64 (size,), where an ordered code lies in the column's distribution, in [0, 1]; NaN for
            codes without order (levels, missing).
        free: bool (size,), codes with a mass of their own: missing, inflated values, heavy ties.
        has_position: bool (size,), codes that hold an interval of values: a float32 position in [0, 1) goes
            with them. All False for columns of exact codes.
        repeats: columns whose value it often has.
    """

    name: str
    counts: NDArray[np.int64]
    rank: NDArray[np.float64]
    free: NDArray[np.bool_]
    has_position: NDArray[np.bool_]
    repeats: tuple[Repeat, ...] = ()

    @property
    def size(self) -> int:
        """How many codes the column has."""
        return len(self.counts)

    @property
    def continuous(self) -> bool:
        """Whether any code carries a position."""
        return bool(self.has_position.any())


class Encoded(NamedTuple):
    """Encoded rows: one code array a column, one position array a continuous column.

    Attributes:
        codes: for each column, (n,) uint8, uint16 or uint32, the smallest that holds its codes.
        positions: for each continuous column, in layout order, (n,) float32, or float64 where the declared
            resolution needs more than 24 bits inside a code. 0 where the code has no position.
    """

    codes: tuple[Codes, ...]
    positions: tuple[NDArray[np.floating], ...]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.codes[0])


class Allowed(NamedTuple):
    """A condition on one column in code space.

    Attributes:
        weight: float64 (size,), the share of each code's interval that satisfies the condition, in [0, 1].
        low: float64 (size,), where the allowed interval of positions begins.
        high: float64 (size,), where it ends.
    """

    weight: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def code_dtype(size: int) -> type[np.unsignedinteger]:
    """The smallest unsigned type that holds codes 0 .. size - 1."""
    if size <= 1 << 8:
        return np.uint8
    return np.uint16 if size <= 1 << 16 else np.uint32


def exact(weight: NDArray[np.bool_] | NDArray[np.float64]) -> Allowed:
    """An `Allowed` that takes or leaves whole codes."""
    w = np.asarray(weight, np.float64)
    return Allowed(weight=w, low=np.zeros(len(w)), high=np.ones(len(w)))
