"""`Domain`: the values a generated cell may take, and the admissible value nearest to any number."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from jaxsynth.schema import Column
from jaxsynth.schema.cells import Numbers, round_to

Mask = NDArray[np.bool_]
Side = Literal[-1, 1]

_FAR = 2**62  # stands for "no bound" of 64-bit integers; leaves room to step without overflow


@dataclass(frozen=True, kw_only=True, eq=False)
class Domain:
    """Admissible values: the sorted `points`, or the multiples of `step` (all floats if None) in [low, high].

    Numbers are those of `schema.cells.to_numbers`. A value is admissible as the column's type stores it: for
    a float32 column 0.1 means the float32 nearest to it, and where a step is finer than the type resolves,
    the neighbouring float is one step away.

    Attributes:
        type: Arrow type of the cells.
        step: the column's resolution, in integers at least 1.
        low: lowest value, itself admissible.
        high: highest value, itself admissible.
        points: sorted, for columns with levels; None for a grid.
    """

    type: pa.DataType
    step: float | None
    low: float
    high: float
    points: Numbers | None = None

    @classmethod
    def of(cls, column: Column) -> Domain:
        """The values that a numeric column's resolution and bounds admit."""
        type_ = column.arrow_type
        integral = not (pa.types.is_floating(type_) or pa.types.is_decimal(type_))
        step = _step(column, type_, integral=integral)
        low, high = _type_bounds(type_)
        whole = cls(type=type_, step=step, low=low, high=high)
        return whole.within(*(column.bounds or (low, high)))

    @classmethod
    def listed(cls, type_: pa.DataType, values: Numbers) -> Domain:
        """These values and no others."""
        points = np.unique(values)
        ends = (points[0].item(), points[-1].item()) if len(points) else (1, 0)
        return cls(type=type_, step=None, low=ends[0], high=ends[1], points=points)

    @property
    def empty(self) -> bool:
        """Whether no value is left."""
        return self.low > self.high

    @property
    def single(self) -> float | None:
        """The value, if there is but one."""
        return self.low if self.low == self.high else None

    def contains(self, x: Numbers) -> Mask:
        """Which of `x` are admissible."""
        if self.points is not None:
            return np.isin(x, self.points)
        inside = (x >= self.low) & (x <= self.high)
        on_grid: Mask = self._snap(np.clip(x, self.low, self.high)) == x
        return inside & on_grid

    def nearest(self, x: Numbers, side: Side, *, strict: bool = False) -> tuple[Numbers, Mask]:
        """The admissible value nearest to each of `x` that is not above it (`side` -1) or not below it (1).

        Args:
            x: shape (n,).
            side: on which side of `x` to stay.
            strict: exclude `x` itself.

        Returns:
            Values (n,) and where they exist (n,); values that do not exist are meaningless.
        """
        if self.empty:
            return x, np.zeros(len(x), np.bool_)
        if self.points is not None:
            before = (side < 0) == strict
            i = np.searchsorted(self.points, x, "left" if before else "right") - (side < 0)
            return self.points[np.clip(i, 0, len(self.points) - 1)], (i >= 0) & (i < len(self.points))
        near = self._snap(np.clip(x, self.low, self.high))
        gap = side * (near - x)
        near = np.where(gap <= 0 if strict else gap < 0, self._next(near, side), near)
        return near, (near >= self.low) & (near <= self.high)

    def closest(self, x: Numbers) -> Numbers:
        """The admissible value closest to each of `x`; the domain must not be empty."""
        if self.points is None:
            return self._snap(np.clip(x, self.low, self.high))
        i = np.clip(np.searchsorted(self.points, x), 1, max(len(self.points) - 1, 1))
        left, right = self.points[i - 1], self.points[np.minimum(i, len(self.points) - 1)]
        return np.where(x - left <= right - x, left, right)

    def within(self, low: float, high: float) -> Domain:
        """The part in [low, high]."""
        if self.points is not None:
            return Domain.listed(self.type, self.points[(self.points >= low) & (self.points <= high)])
        first, has_first = self.nearest(self._numbers([max(low, self.low)]), 1)
        last, has_last = self.nearest(self._numbers([min(high, self.high)]), -1)
        if not (has_first[0] and has_last[0] and first[0] <= last[0]):
            return replace(self, low=1, high=0)
        return replace(self, low=first[0].item(), high=last[0].item())

    def only(self, values: Numbers) -> Domain:
        """The part that is among `values`."""
        return Domain.listed(self.type, values[self.contains(values)])

    def without(self, value: float) -> Domain:
        """All but `value`; a grid loses it only at its ends."""
        if self.points is not None:
            return Domain.listed(self.type, self.points[self.points != value])
        low, high = self._numbers([self.low]), self._numbers([self.high])
        first = self.nearest(low, 1, strict=True)[0] if value == self.low else low
        last = self.nearest(high, -1, strict=True)[0] if value == self.high else high
        return replace(self, low=first[0].item(), high=last[0].item())

    @property
    def integral(self) -> bool:
        """Whether values are whole numbers or ticks."""
        return not (pa.types.is_floating(self.type) or pa.types.is_decimal(self.type))

    def _numbers(self, values: ArrayLike) -> Numbers:
        return np.asarray(values, None if self.integral else np.float64)

    def _snap(self, x: Numbers) -> Numbers:
        """Round to the grid, as stored."""
        if not self.integral:
            exact: NDArray[np.float64] = x.astype(np.float64)
            return self._store(exact if self.step is None else round_to(exact, self.step))
        step = int(self.step or 1)
        if x.dtype.kind == "f":
            rounded: NDArray[np.int64] = (np.rint(x / step) * step).astype(np.int64)
            return rounded
        ticks: NDArray[np.int64] = x.astype(np.int64)
        return (ticks + step // 2) // step * step

    def _store(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        if pa.types.is_decimal(self.type):
            return np.round(x, max(self.type.scale, 0))
        return x.astype(self.type.to_pandas_dtype()).astype(np.float64)

    def _next(self, x: Numbers, side: Side) -> Numbers:
        """One step on, or one float on where a step is lost in rounding."""
        if self.integral:
            return x + side * int(self.step or 1)
        dtype = self.type.to_pandas_dtype() if pa.types.is_floating(self.type) else np.float64
        with np.errstate(over="ignore"):  # past the largest float lies infinity, which is no admissible value
            moved = x if self.step is None else self._snap(x + side * self.step)
            neighbour = np.nextafter(x.astype(dtype), dtype(side * math.inf)).astype(np.float64)
        return np.where(side * (moved - x) > 0, moved, neighbour)


def _step(column: Column, type_: pa.DataType, *, integral: bool) -> float | None:
    if integral:
        natural = 86_400_000 if pa.types.is_date64(type_) else 1
        declared = column.resolution or natural
        return int(declared) if declared >= 1 and float(declared).is_integer() else natural
    if pa.types.is_decimal(type_):
        return float(max(column.resolution or 0.0, 10.0 ** -max(type_.scale, 0)))
    return column.resolution


def _type_bounds(type_: pa.DataType) -> tuple[Any, Any]:
    if pa.types.is_floating(type_):
        most = float(np.finfo(type_.to_pandas_dtype()).max)
        return -most, most
    if pa.types.is_decimal(type_):
        most = float(10.0 ** min(type_.precision - type_.scale, 15)) - 10.0 ** -max(type_.scale, 0)
        return -most, most
    if pa.types.is_integer(type_):
        info = np.iinfo(type_.to_pandas_dtype())
        return max(int(info.min), -_FAR), min(int(info.max), _FAR)
    if pa.types.is_time(type_):
        return 0, 86_400 * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[type_.unit] - 1
    return (-(2**31), 2**31 - 1) if pa.types.is_date32(type_) else (-_FAR, _FAR)
