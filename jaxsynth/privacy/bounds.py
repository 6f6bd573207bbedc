"""Bounds of a number found under differential privacy, by a noisy histogram of magnitudes.

Cells are counted by sign and power of two, in units of the resolution or of the smallest normal float; the bounds
are the ends of the outermost bins whose noisy counts cannot be noise alone (Wilson et al. 2020, "Differentially
private SQL with bounded user contribution", section 5.1.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import ndtri

from jaxsynth.errors import PrivacyError
from jaxsynth.privacy.admit import count_codes
from jaxsynth.privacy.query import Query
from jaxsynth.schema import Column
from jaxsynth.schema.cells import Numbers, to_numbers, valid_mask

_FALSE = 1e-3  # probability that any empty bin of a column passes for a filled one


@dataclass(frozen=True, kw_only=True)
class Magnitudes:
    """Bins of numbers: 0, and [2^(i - 1), 2^i) units on either side of it, for i from 1 to `top`.

    Attributes:
        top: powers of two on each side.
        unit: the smallest magnitude, as a power of two or a resolution.
        grid: whether values are multiples of the unit.
    """

    top: int
    unit: float
    grid: bool

    @property
    def bins(self) -> int:
        """How many bins there are; 0 is the middle one."""
        return 2 * self.top + 1

    def bin_of(self, values: Numbers) -> NDArray[np.int64]:
        """The bin of each value, from 0 at the lowest. Shape (n,)."""
        x = np.asarray(values, np.float64)
        if self.grid:
            power = np.frexp(np.rint(x / self.unit))[1]
        else:
            power = np.frexp(x)[1] - (math.frexp(self.unit)[1] - 1)
        zero = (np.rint(x / self.unit) if self.grid else x) == 0
        place = np.where(zero, 0, np.clip(power, 1, self.top)) * np.sign(x).astype(np.int64)
        return place.astype(np.int64) + self.top

    def ends(self, bin_: int) -> tuple[float, float]:
        """The lowest and the highest value of a bin."""
        place = bin_ - self.top
        if place == 0:
            return 0.0, 0.0
        small = math.ldexp(self.unit, abs(place) - 1)
        large = 2 * small - self.unit if self.grid else 2 * small
        return (small, large) if place > 0 else (-large, -small)


def magnitudes(column: Column) -> Magnitudes:
    """The bins of a column: as many as its type has magnitudes."""
    type_ = column.arrow_type
    if pa.types.is_floating(type_):
        info = np.finfo(type_.to_pandas_dtype())
        tiny, most = float(info.tiny), float(info.max)
        unit = column.resolution or tiny
        top = math.frexp(most)[1] - math.frexp(unit)[1] + 1
        return Magnitudes(top=top, unit=unit, grid=column.resolution is not None)
    unit = column.resolution or 1.0
    digits = type_.precision * math.log2(10) if pa.types.is_decimal(type_) else type_.bit_width
    scale = 10.0**-type_.scale if pa.types.is_decimal(type_) else 1.0
    return Magnitudes(top=max(1, math.ceil(digits + math.log2(scale / unit))), unit=unit, grid=True)


def bounds_query(column: Column, rows_per_subject: int) -> Query:
    """Ask for the histogram of a column's magnitudes; missing, NaN and infinite cells are not counted."""
    bins = magnitudes(column)

    def statistic(table: pa.Table) -> NDArray[np.int64]:
        values = to_numbers(table[column.name])
        kept = values[valid_mask(table[column.name]) & np.isfinite(values)]
        return count_codes(bins.bin_of(kept), bins.bins)

    return Query(name=f"magnitudes of {column.name!r}", sensitivity=float(rows_per_subject), statistic=statistic)


def with_bounds(column: Column, noisy: NDArray[np.float64], noise: float) -> Column:
    """The column with bounds from the noisy histogram of its magnitudes.

    Args:
        column: a numeric column.
        noisy: the answer to `bounds_query`. Shape (bins,).
        noise: its standard deviation.

    Raises:
        PrivacyError: no bin stands out of the noise.
    """
    bins = magnitudes(column)
    filled = np.flatnonzero(noisy > -noise * float(ndtri(_FALSE / bins.bins)))
    if not len(filled):
        raise PrivacyError(
            f"column {column.name!r}: too few cells to find its bounds privately (noise of {noise:.0f} "
            f"cells a bin); declare them by schema.changed({column.name!r}, bounds=...), or leave the column out"
        )
    low, high = bins.ends(int(filled[0]))[0], bins.ends(int(filled[-1]))[1]
    return column.changed(bounds=_inside(column.arrow_type, low, high))


def _inside(type_: pa.DataType, low: float, high: float) -> tuple[float, float]:
    """The bounds cut to the type's range; whole numbers stay whole."""
    if pa.types.is_floating(type_):
        most = float(np.finfo(type_.to_pandas_dtype()).max)
        return max(low, -most), min(high, most)
    if pa.types.is_decimal(type_):
        most = (10.0**type_.precision - 1) * 10.0**-type_.scale
        return max(low, -most), min(high, most)
    least, most_int = _range(type_)
    return max(int(low), least), min(int(high), most_int)


def _range(type_: pa.DataType) -> tuple[int, int]:
    if pa.types.is_integer(type_):
        info = np.iinfo(type_.to_pandas_dtype())
        return int(info.min), min(int(info.max), 2**63 - 1)
    if pa.types.is_time(type_):
        return 0, {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}[type_.unit] - 1
    return -(2 ** (type_.bit_width - 1) - 1), 2 ** (type_.bit_width - 1) - 1
