"""The values that a numeric column can publicly take: multiples of its resolution inside its bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jaxsynth.errors import SchemaError
from jaxsynth.schema import Column
from jaxsynth.schema.cells import Numbers, round_to

_MOST_STEPS = 2**48  # beyond, 64-bit floats cannot tell the steps apart


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Evenly spaced values.

    Attributes:
        first: the lowest value in steps.
        last: the highest value in steps.
        step: distance of neighbours, in the column's own numbers.
    """

    first: int
    last: int
    step: float

    @property
    def steps(self) -> int:
        """How many values there are."""
        return self.last - self.first + 1

    def index(self, values: Numbers) -> NDArray[np.int64]:
        """The number of the nearest value, from 0 at the lowest. Shape (n,)."""
        if values.dtype == np.int64 and self.step == 1:
            return np.asarray(np.clip(values, self.first, self.last) - self.first, np.int64)
        with np.errstate(over="ignore"):  # an infinite quotient is clipped like any other
            steps = np.clip(np.rint(values / self.step), self.first, self.last)
        return np.asarray(steps, np.int64) - self.first

    def value(self, index: NDArray[np.int64]) -> Numbers:
        """The values of numbers that `index` gave: int64 if the step is whole, else float64."""
        if self.step == int(self.step):
            return np.asarray((index + self.first) * int(self.step), np.int64)
        return round_to(np.asarray((index + self.first) * self.step, np.float64), self.step)


def grid_of(column: Column) -> Grid | None:
    """The grid of a numeric column with bounds; None where there is none that 64-bit floats can tell apart.

    Raises:
        SchemaError: no multiple of the resolution lies inside the bounds.
    """
    low, high = _bounds(column)
    step = column.resolution or finest(column.arrow_type)
    if step is None or (high - low) / step > _MOST_STEPS:
        return None
    # Bounds such as 0.3 are multiples of 0.1 but for their last bit.
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    if first > last:
        raise SchemaError(
            f"column {column.name!r}: no multiple of its resolution {step} lies in its bounds {column.bounds}; "
            "widen the bounds"
        )
    return Grid(first=first, last=last, step=step)


def finest(type_: pa.DataType) -> float | None:
    """The step between neighbouring values of a type, in a column's own numbers; None for floating point."""
    if pa.types.is_decimal(type_):
        return float(10.0**-type_.scale)
    if pa.types.is_date64(type_):
        return 86_400_000.0
    return None if pa.types.is_floating(type_) else 1.0


def nearest_admitted(column: Column, values: Numbers) -> Numbers:
    """Each value moved to the nearest one that the bounds and the resolution admit. Shape (n,)."""
    low, high = _bounds(column)
    if values.dtype == np.int64:
        info = np.iinfo(np.int64)
        values = np.clip(values, max(math.ceil(low), info.min), min(math.floor(high), info.max))
    else:
        values = np.clip(values, low, high)
    grid = grid_of(column)
    return values if grid is None else grid.value(grid.index(values))


def _bounds(column: Column) -> tuple[float, float]:
    if column.bounds is None:
        raise SchemaError(f"column {column.name!r}: private training needs its bounds; declare them")
    return column.bounds
