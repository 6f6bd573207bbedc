"""Numbers, dates, timestamps and durations: exact codes for frequent values, intervals for the rest.

Codes are, in this order: exact values ("atoms": all values of a column with few distinct ones, else only
inflated values such as a 0 in 90 % of rows), then intervals of equal probability, then missing. A cell in
an interval also has a position inside it, uniform by construction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jaxsynth import _core
from jaxsynth.codec.layout import Allowed, Codes, CodeSpec, code_dtype
from jaxsynth.codec.quantile import Quantiles, fit_quantiles
from jaxsynth.codec.stored import Stored, array_of, reading_of
from jaxsynth.errors import CodecError, ConditionError
from jaxsynth.schema import Column
from jaxsynth.schema.cells import Numbers, from_numbers, round_to, scale_and_step, to_numbers, valid_mask

MAX_EXACT = 1024  # distinct values that may each have a code
_PER_EXACT = 8  # occurrences a value on average, for a column to be exact
_INFLATED = 0.015  # share of the present cells from which one value is a state of its own
_HEAVY = 0.05  # share from which an exact value stands out of its neighbours
_PER_INTERVAL = 32
_LARGEST = 1e300  # their differences and slopes stay finite in float64
_POINT = 2.0**-20  # share of its interval that a point condition counts as


@dataclass(frozen=True, eq=False)
class NumericCodec:
    """Numbers to codes with positions, and back.

    Attributes:
        column: the schema's column.
        counts: int64 (size,), occurrences of each code in the rows it was fitted on.
        atoms: (a,) int64 or float64, sorted values that have a code each.
        intervals: how many interval codes there are; 0 for exact columns.
        quantiles: the distribution of values outside the atoms; None for exact columns.
    """

    column: Column
    counts: NDArray[np.int64]
    atoms: Numbers
    intervals: int
    quantiles: Quantiles | None

    @classmethod
    def fit(cls, column: Column, cells: pa.ChunkedArray, max_intervals: int) -> NumericCodec:
        """Choose atoms and intervals from `cells` and count the codes."""
        values = to_numbers(cells)[valid_mask(cells)]
        empty = cls.of_atoms(column, choose_atoms(*np.unique(values, return_counts=True)), values, max_intervals)
        codes, _ = empty.encode(cells)
        return replace(empty, counts=np.bincount(codes, minlength=len(empty.counts)).astype(np.int64))

    @classmethod
    def of_atoms(cls, column: Column, atoms: Numbers, values: Numbers, max_intervals: int) -> NumericCodec:
        """With these atoms, and intervals for those `values` (n,) that are none; nothing is counted yet.

        Raises:
            CodecError: numbers beyond 1e300 between the atoms.
        """
        rest = values[~np.isin(values, atoms)].astype(np.float64)
        intervals = 0 if len(rest) == 0 else _count_intervals(len(rest), max_intervals)
        quantiles = fit_quantiles(rest, _bounds(column, rest), column.resolution) if len(rest) else None
        size = len(atoms) + intervals + column.nullable
        return cls(column, np.zeros(size, np.int64), atoms, intervals, quantiles)

    @cached_property
    def spec(self) -> CodeSpec:
        """What models see."""
        a, size = len(self.atoms), len(self.counts)
        rank = np.full(size, np.nan)
        present = self.values[: a + self.intervals]
        order = np.argsort(present, kind="stable")
        mass = self.counts[: len(present)][order] + 1e-9
        rank[order] = (np.cumsum(mass) - mass / 2) / mass.sum() if len(present) else rank[order]
        heavy = self.counts >= _HEAVY * max(int(self.counts.sum()), 1)
        free = np.isnan(rank) | heavy
        has_position = np.zeros(size, np.bool_)
        has_position[a : a + self.intervals] = True
        free &= ~has_position
        return CodeSpec(self.column.name, self.counts, rank, free, has_position)

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """The value of each code, float64 (size,): an interval's middle, NaN for missing."""
        missing = np.full(int(self.column.nullable), np.nan)
        if self.quantiles is None:
            return np.concatenate([self.atoms.astype(np.float64), missing])
        middles = self.quantiles.value((np.arange(self.intervals) + 0.5) / self.intervals)
        return np.concatenate([self.atoms.astype(np.float64), self._on_grid(middles), missing])

    def codes_of(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """The code that holds each of n values, int64 (n,), -1 where none does."""
        codes, held = self._find_atoms(values)
        if self.quantiles is not None:
            interval, _ = self.quantiles.locate(values, self.intervals)
            within = (self.quantiles.values[0] <= values) & (values <= self.quantiles.values[-1])
            codes, held = np.where(held, codes, len(self.atoms) + interval), held | within
        return np.where(held, codes, -1)

    @cached_property
    def position_dtype(self) -> type[np.floating] | None:
        """float32 where 24 bits inside an interval keep the declared resolution, else float64."""
        if self.quantiles is None:
            return None
        step = self.quantiles.steepest / self.intervals * 2.0**-23
        fine = self.column.resolution is not None and step > self.column.resolution / 4
        return np.float64 if fine else np.float32

    def encode(
        self, cells: pa.ChunkedArray, *, nearest: bool = False
    ) -> tuple[Codes, NDArray[np.floating] | None]:
        """Codes (n,) and, for continuous columns, positions (n,).

        Args:
            cells: n cells of the column.
            nearest: an exact column takes a value it has no code for as the nearest one it has.

        Raises:
            CodecError: a null that is not declared, or a value that an exact column has no code for.
        """
        values, valid = to_numbers(cells), valid_mask(cells)
        if not self.column.nullable and not valid.all():
            raise CodecError(
                f"column {self.column.name!r}: null in row {int((~valid).argmax())}, the schema says no nulls; "
                "declare the column nullable"
            )
        codes, is_atom = self._find_atoms(values)
        if nearest and self.quantiles is None and len(self.atoms):
            below = np.maximum(codes - 1, 0)
            codes = np.where(np.abs(values - self.atoms[below]) < np.abs(self.atoms[codes] - values), below, codes)
            is_atom[:] = True
        codes[~valid] = len(self.counts) - 1
        rest = valid & ~is_atom
        positions = None
        if self.quantiles is not None:
            interval, position = self.quantiles.locate(values[rest].astype(np.float64), self.intervals)
            codes[rest] = len(self.atoms) + interval
            positions = np.zeros(len(values), self.position_dtype)
            positions[rest] = position
        elif rest.any():
            row = int(rest.argmax())
            raise CodecError(
                f"column {self.column.name!r}: {values[row]} in row {row} is not among the {len(self.atoms)} "
                "values seen when the codec was fitted; fit on a table that holds it or clean the column"
            )
        return codes.astype(code_dtype(len(self.counts))), positions

    def _find_atoms(self, values: Numbers) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        codes = np.zeros(len(values), np.int64)
        if len(self.atoms) == 0:
            return codes, np.zeros(len(values), np.bool_)
        near = np.minimum(np.searchsorted(self.atoms, values), len(self.atoms) - 1)
        return near.astype(np.int64), self.atoms[near] == values

    def reading(self) -> _core.Reading:
        """What compiled code makes of the codes."""
        if self.quantiles is None:
            return reading_of(self._cells, missing=self.column.nullable)
        q = self.quantiles
        return _core.Reading.numbers(
            self.atoms, self.intervals, q.values, q.ranks, q.starts, self._grid, self.column.nullable
        )

    def cells(self, stored: Stored) -> pa.Array:
        """Arrow cells of the column's exact type, on its declared resolution and inside its bounds."""
        if self.quantiles is None:
            return array_of(self._cells, stored)
        return stored.masked(from_numbers(np.frombuffer(stored.cells), None, self.column.arrow_type))

    @cached_property
    def _cells(self) -> pa.Array:
        """The values of an exact column."""
        return from_numbers(self.atoms, None, self.column.arrow_type)

    @cached_property
    def _grid(self) -> tuple[float, float, float, float]:
        """Scale, step, and both ends of the values that there are; scale 0 without a resolution."""
        scale, step = (0.0, 1.0) if self.column.resolution is None else scale_and_step(self.column.resolution)
        return scale, step, *(self.column.bounds or (-np.inf, np.inf))

    def _on_grid(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.column.resolution is not None:
            x = round_to(x, self.column.resolution)
        if self.column.bounds is not None:
            x = np.clip(x, *self.column.bounds)
        return x

    def allow(self, low: float, high: float) -> Allowed:
        """The codes, and parts of intervals, that decode to values in [low, high].

        Raises:
            ConditionError: no value of the column lies there.
        """
        size, a = len(self.counts), len(self.atoms)
        weight, begin, end = np.zeros(size), np.zeros(size), np.ones(size)
        weight[:a] = (self.atoms >= low) & (self.atoms <= high)
        if self.quantiles is not None:
            u_low, u_high = self.quantiles.rank(np.array(self._cell_edges(low, high))) * self.intervals
            index = np.arange(self.intervals)
            part = slice(a, a + self.intervals)
            begin[part] = np.clip(u_low - index, 0, 1)
            end[part] = np.clip(u_high - index, 0, 1)
            weight[part] = np.maximum(end[part] - begin[part], 0)
            inside = self.quantiles.values[0] <= low <= self.quantiles.values[-1]
            if low == high and inside and not (weight > 0).any():
                # A single point of a column without a grid: its interval, and the one position in it.
                weight[a + np.clip(int(u_low), 0, self.intervals - 1)] = _POINT
        if not (weight > 0).any():
            raise ConditionError(
                f"condition on column {self.column.name!r}: no value between {low} and {high}; "
                f"its values lie in {self.column.bounds}"
            )
        return Allowed(weight, begin, end)

    def _cell_edges(self, low: float, high: float) -> tuple[float, float]:
        """The range of unrounded values that round into [low, high]."""
        r = self.column.resolution
        if r is None:
            return low, high
        first, last = np.ceil(round(low / r, 6)) * r, np.floor(round(high / r, 6)) * r
        return first - 0.4999 * r, last + 0.4999 * r


def choose_atoms(distinct: Numbers, counts: NDArray[np.int64]) -> Numbers:
    """The values that have a code each: all if they are few and frequent, else the inflated ones.

    Args:
        distinct: the values of a column, sorted.
        counts: int64, how often each occurs.
    """
    inflated = _inflated(counts)
    # Judged without the inflated values: a pile of zeros must not make a few hundred unique values "frequent".
    rest = counts[~inflated]
    if len(distinct) == 1 or (len(distinct) <= MAX_EXACT and rest.sum() >= _PER_EXACT * len(rest)):
        return distinct
    return distinct[inflated]


def inflated_values(values: Numbers) -> Numbers:
    """Those of `values` (n,) that are states of their own."""
    distinct, counts = np.unique(values, return_counts=True)
    out: Numbers = distinct[_inflated(counts)]
    return out


def _inflated(counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    return counts >= max(_INFLATED * int(counts.sum()), _PER_EXACT)


def _count_intervals(rows: int, most: int) -> int:
    """A power of two with at least `_PER_INTERVAL` rows an interval, between 1 and `most`."""
    return int(min(most, 1 << max(rows // _PER_INTERVAL, 1).bit_length() - 1))


def _bounds(column: Column, values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = column.bounds or (float(values.min()), float(values.max()))
    if max(-low, high) > _LARGEST:
        raise CodecError(
            f"column {column.name!r}: values or bounds of {low:g} and {high:g}; numbers beyond {_LARGEST:g} "
            "cannot be coded, so make them missing or scale the column"
        )
    return low, high
