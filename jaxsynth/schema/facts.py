"""What a column is described by, gathered from its cells; facts of parts merge into those of the whole."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jaxsynth.schema.arrow_types import is_stringlike
from jaxsynth.schema.cells import Numbers, combine, to_numbers, valid_mask
from jaxsynth.schema.column import Level

_MAX_DECIMALS = 12
_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Of some cells of one column.

    Attributes:
        cells: how many they are.
        nulls: how many of them are missing.
        low: the least number; None for what is no number, or if all are missing.
        high: the greatest.
        step: the coarsest natural step that every number is a multiple of; None where there is none.
        levels: distinct text in the order of its first cell, or a dictionary's whole vocabulary in its order.
    """

    cells: int
    nulls: int
    low: float | None = None
    high: float | None = None
    step: float | None = None
    levels: tuple[Level, ...] = ()

    @classmethod
    def of(cls, cells: pa.ChunkedArray) -> Facts:
        """Facts of a column of any type that has cells we can describe."""
        counted = cls(cells=len(cells), nulls=cells.null_count)
        if pa.types.is_null(cells.type) or pa.types.is_boolean(cells.type):
            return counted
        if is_stringlike(cells.type) or pa.types.is_dictionary(cells.type):
            return replace(counted, levels=_levels(cells))
        values = to_numbers(cells)[valid_mask(cells)]
        step = _step(values, cells.type)
        if not len(values):
            return replace(counted, step=step)
        return replace(counted, low=values.min().item(), high=values.max().item(), step=step)

    def merged(self, later: Facts) -> Facts:
        """Facts of these cells and of later ones of the same column."""
        lows = [x for x in (self.low, later.low) if x is not None]
        highs = [x for x in (self.high, later.high) if x is not None]
        new = not set(later.levels) <= set(self.levels)
        return Facts(
            cells=self.cells + later.cells,
            nulls=self.nulls + later.nulls,
            low=min(lows, default=None),
            high=max(highs, default=None),
            step=None if self.step is None or later.step is None else min(self.step, later.step),
            levels=tuple(dict.fromkeys(self.levels + later.levels)) if new else self.levels,
        )

    def bounded(self, levels: int) -> Facts:
        """With so many levels at most; the others are forgotten."""
        return self if len(self.levels) <= levels else replace(self, levels=self.levels[:levels])


def _levels(cells: pa.ChunkedArray) -> tuple[Level, ...]:
    if pa.types.is_dictionary(cells.type):
        # The dictionary is the column's declared vocabulary: kept whole and in its order.
        return tuple(dict.fromkeys(combine(cells).dictionary.drop_null().to_pylist()))
    return tuple(pc.unique(cells).drop_null().to_pylist())


def _step(values: Numbers, type_: pa.DataType) -> float | None:
    if pa.types.is_decimal(type_):
        return float(10.0**-type_.scale)
    if pa.types.is_temporal(type_):
        return _time_step(values, type_)
    if values.dtype == np.int64 or pa.types.is_integer(type_):
        return 1.0
    return _decimal_step(np.asarray(values, np.float64), type_)


def _time_step(values: Numbers, type_: pa.DataType) -> float:
    if pa.types.is_date32(type_):
        return 1.0
    day = _DAY[getattr(type_, "unit", "ms")]
    steps = (day, day // 24, day // 1440, day // 86_400, day // 86_400_000, day // 86_400_000_000)
    return next((float(s) for s in steps if s >= 1 and not np.any(values % s)), 1.0)


def _decimal_step(values: np.ndarray, type_: pa.DataType) -> float | None:
    native = type_.to_pandas_dtype()
    for decimals in range(_MAX_DECIMALS + 1):
        with np.errstate(over="ignore"):  # the largest doubles times a power of ten: no decimals then
            rounded = np.round(values, decimals)
        # Compared in the column's own precision: float32 0.1 is one decimal although its double is not.
        if np.array_equal(rounded.astype(native), values.astype(native)):
            return float(10.0**-decimals)
    return None
