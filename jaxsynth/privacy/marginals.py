"""How each column is counted, and how the budget of the counts is shared out. Public quantities only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jaxsynth.codec.category import CategoryCodec
from jaxsynth.codec.numeric import NumericCodec
from jaxsynth.codec.quantile import least_half_cell
from jaxsynth.privacy.admit import admit_cells, count_codes, level_codec
from jaxsynth.privacy.grid import Grid, grid_of
from jaxsynth.privacy.query import Query
from jaxsynth.privacy.tree import Shape
from jaxsynth.schema import Column
from jaxsynth.schema.cells import Numbers, from_numbers, to_numbers

_MOST_EXACT = 128  # values of a grid that get a code each
_MOST_LEAVES = 1 << 20
_INTERVALS = 32  # intervals that a tree is expected to end in, for the sharing of the budget


@dataclass(frozen=True, kw_only=True)
class Range:
    """The leaves of a column with many values.

    Attributes:
        column: the column.
        grid: its values; None where it has no resolution.
        leaves: parts of equal width that the range is cut into.
        per_leaf: values of the grid in each leaf; 0 without a grid.
    """

    column: Column
    grid: Grid | None
    leaves: int
    per_leaf: int

    @property
    def candidates(self) -> Numbers:
        """Values counted by themselves because leaves are not single values: the bounds, and 0 between them."""
        low, high = self._bounds
        values = np.array(sorted({low, high} | ({0.0} if low < 0 < high else set())) if self.per_leaf != 1 else [])
        return to_numbers(from_numbers(values, None, self.column.arrow_type))

    @property
    def _bounds(self) -> tuple[float, float]:
        assert self.column.bounds is not None
        return self.column.bounds

    def leaf_of(self, values: Numbers) -> NDArray[np.int64]:
        """The leaf of each admitted value. Shape (n,)."""
        if self.grid is not None:
            return self.grid.index(values) // self.per_leaf
        low, high = self._bounds
        share = (values.astype(np.float64) / 2 - low / 2) / (high / 2 - low / 2)  # halves do not overflow
        return np.clip(share * self.leaves, 0, self.leaves - 1).astype(np.int64)

    def value_at(self, edges: NDArray[np.int64]) -> NDArray[np.float64]:
        """The value at which each leaf begins; what lies before the first and behind the last is one half step."""
        low, high = self._bounds
        if self.grid is not None:
            first, last = self.grid.first - 0.5, self.grid.last + 0.5
            steps: NDArray[np.float64] = np.minimum(first + edges * self.per_leaf, last) * self.grid.step
            return steps
        half = least_half_cell((low, high))
        share = edges / self.leaves
        inner = low * (1 - share) + high * share
        return np.where(edges == 0, low - half, np.where(edges == self.leaves, high + half, inner))


def exact_codec(column: Column) -> CategoryCodec | NumericCodec | None:
    """The codec, without counts, of a column that has a code for each value; None for one that needs intervals."""
    if not column.is_numeric:
        return level_codec(column)
    grid, bounds = grid_of(column), column.bounds
    assert bounds is not None
    if grid is not None and grid.steps <= _MOST_EXACT:
        values = grid.value(np.arange(grid.steps))
    elif bounds[0] == bounds[1]:
        values = np.array(bounds[:1])
    else:
        return None
    # As the column's type has them: 0.1 of a float32 column is not the double 0.1.
    atoms = to_numbers(from_numbers(values, None, column.arrow_type))
    return NumericCodec(column, np.zeros(len(atoms) + column.nullable, np.int64), atoms, 0, None)


def range_of(column: Column) -> Range:
    """The leaves of a column that `exact_codec` has no codec for: no finer than 64-bit floats can bound."""
    grid, bounds = grid_of(column), column.bounds
    assert bounds is not None
    finest = 8 * float(np.spacing(max(abs(bounds[0]), abs(bounds[1]))))
    if grid is None:
        leaves = min(_MOST_LEAVES, max(1, int((bounds[1] / 2 - bounds[0] / 2) / finest * 2)))
        return Range(column=column, grid=None, leaves=leaves, per_leaf=0)
    per_leaf = max(-(-grid.steps // _MOST_LEAVES), math.ceil(finest / grid.step) if finest > grid.step else 1)
    return Range(column=column, grid=grid, leaves=-(-grid.steps // per_leaf), per_leaf=per_leaf)


def codes_query(codec: CategoryCodec | NumericCodec, rows_per_subject: int) -> Query:
    """Ask how often each code of an exact column occurs."""
    column = codec.column

    def statistic(table: pa.Table) -> NDArray[np.int64]:
        cells = pa.chunked_array([admit_cells(table[column.name], column)])
        codes = codec.encode(cells) if isinstance(codec, CategoryCodec) else codec.encode(cells)[0]
        return count_codes(codes, len(codec.counts))

    return Query(name=f"counts of {column.name!r}", sensitivity=float(rows_per_subject), statistic=statistic)


def shares(columns: tuple[Column, ...]) -> list[float]:
    """The part of the stage for each column: those that minimise the sum of expected total variation errors.

    A part p of a stage gives noise in proportion to p^-1/2, and an error of that times the codes c that share it;
    the sum of c p^-1/2 is least at p in proportion to c^(2/3).
    """
    weight = np.array([_codes(c) for c in columns]) ** (2 / 3)
    return [float(w) for w in weight / weight.sum()]


def _codes(column: Column) -> float:
    codec = exact_codec(column)
    if codec is not None:
        return float(len(codec.counts))
    return _INTERVALS * math.sqrt(Shape.of(range_of(column).leaves).depth)
