"""Category, ordinal and boolean columns: one code a declared level, then one for missing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jaxsynth import _core
from jaxsynth.codec.layout import Allowed, Codes, CodeSpec, code_dtype, exact
from jaxsynth.codec.stored import Stored, array_of, reading_of
from jaxsynth.errors import CodecError, ConditionError
from jaxsynth.schema import Column, Level
from jaxsynth.schema.arrow_types import storage_type
from jaxsynth.schema.cells import combine


@dataclass(frozen=True, eq=False)
class CategoryCodec:
    """Levels to codes and back.

    Attributes:
        column: the schema's column; its levels give the codes 0 .. L - 1, missing is the last code.
        counts: int64 (size,), occurrences of each code in the rows it was fitted on.
    """

    column: Column
    counts: NDArray[np.int64]

    @classmethod
    def fit(cls, column: Column, cells: pa.ChunkedArray) -> CategoryCodec:
        """Count the codes of `cells`."""
        empty = cls(column=column, counts=np.zeros(len(_levels(column)) + column.nullable, np.int64))
        codes = empty.encode(cells)
        return cls(column=column, counts=np.bincount(codes, minlength=len(empty.counts)).astype(np.int64))

    @property
    def position_dtype(self) -> None:
        """Exact codes carry no position."""
        return

    @cached_property
    def spec(self) -> CodeSpec:
        """What models see."""
        size = len(self.counts)
        rank = np.full(size, np.nan)
        if self.column.kind == "ordinal":
            levels = len(_levels(self.column))
            rank[:levels] = (np.arange(levels) + 0.5) / max(levels, 1)
        return CodeSpec(
            name=self.column.name, counts=self.counts, rank=rank, free=np.isnan(rank),
            has_position=np.zeros(size, np.bool_),
        )  # fmt: skip

    @cached_property
    def _values(self) -> pa.Array:
        """The levels as an Arrow array of the column's value type."""
        type_ = storage_type(self.column.arrow_type)
        levels = list(_levels(self.column))
        if pa.types.is_null(type_):
            return pa.nulls(len(levels))
        if pa.types.is_boolean(type_):
            return pa.array([bool(v) for v in levels], type_)
        if pa.types.is_integer(type_) or pa.types.is_floating(type_):
            return pa.array(levels, type_)
        return pa.array([str(v) for v in levels], pa.large_string()).cast(type_)

    def encode(self, cells: pa.ChunkedArray) -> Codes:
        """Codes (n,) of `cells`.

        Raises:
            CodecError: a cell is not a declared level, or missing where missing is not declared.
        """
        dtype = code_dtype(len(self.counts))
        if pa.types.is_null(cells.type):
            return np.zeros(len(cells), dtype)
        found, indices = _dictionary(cells)
        lookup = pc.index_in(found, self._values).to_numpy(zero_copy_only=False)
        # One slot more, for null: dictionary codes may be null, and so may the dictionary's own values.
        lookup = np.append(np.where(np.isnan(lookup.astype(np.float64)), -1, lookup).astype(np.int64), -1)
        codes = lookup[indices]
        null = np.append(~np.asarray(found.is_valid(), np.bool_), np.True_)[indices]
        self._refuse_unknown(found, indices, (codes < 0) & ~null)
        if null.any() and not self.column.nullable:
            raise CodecError(
                f"column {self.column.name!r}: null in row {int(null.argmax())}, the schema says no nulls; "
                "declare the column nullable"
            )
        return np.where(null, len(self.counts) - 1, codes).astype(dtype)

    def _refuse_unknown(self, found: pa.Array, indices: NDArray[np.int64], unknown: NDArray[np.bool_]) -> None:
        if unknown.any():
            row = int(unknown.argmax())
            raise CodecError(
                f"column {self.column.name!r}: {found[int(indices[row])].as_py()!r} in row {row} is not among "
                f"the {len(self._values)} declared levels; add it to the schema or clean the column"
            )

    def reading(self) -> _core.Reading:
        """What compiled code makes of the codes."""
        type_ = self.column.arrow_type
        if pa.types.is_dictionary(type_):
            return _core.Reading.levels(len(self._values), self.column.nullable, type_.index_type.byte_width)
        return reading_of(self._values, missing=self.column.nullable)

    def cells(self, stored: Stored) -> pa.Array:
        """Arrow cells of the column's exact type."""
        type_ = self.column.arrow_type
        if not pa.types.is_dictionary(type_):
            return array_of(self._values, stored)
        indices = stored.array(type_.index_type)
        # Not checked again: no code lies beyond the levels.
        return pa.DictionaryArray.from_arrays(indices, self._values, ordered=type_.ordered, safe=False)

    def allow(self, values: Collection[Level]) -> Allowed:
        """The codes of `values`.

        Raises:
            ConditionError: a value is not a level.
        """
        text = {_text(v): i for i, v in enumerate(_levels(self.column))}
        weight = np.zeros(len(self.counts))
        for value in values:
            if _text(value) not in text:
                shown = ", ".join(repr(v) for v in _levels(self.column)[:12])
                raise ConditionError(
                    f"condition on column {self.column.name!r}: {value!r} is not one of its levels ({shown}); "
                    "choose a level"
                )
            weight[text[_text(value)]] = 1.0
        return exact(weight)


def _text(value: Level) -> str:
    """Levels compare by text, so that True, 1 and "1" from a command line mean the same level."""
    return str(int(value)) if isinstance(value, bool) else str(value)


def _levels(column: Column) -> tuple[Level, ...]:
    if column.levels is None:
        return (False, True)
    return column.levels


def _dictionary(cells: pa.ChunkedArray) -> tuple[pa.Array, NDArray[np.int64]]:
    """The distinct values, and for each row its index among them (len(values) for null)."""
    array = combine(cells)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    null = array.indices.is_null().to_numpy(zero_copy_only=False)
    indices = array.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    return array.dictionary, np.where(null, len(array.dictionary), indices)
