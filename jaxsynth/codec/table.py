"""`Codec`: all modelled columns of a schema together, table <-> `Encoded`; fitted once, saved as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jaxsynth import _core
from jaxsynth.codec.category import CategoryCodec
from jaxsynth.codec.layout import Codes, CodeSpec, Encoded
from jaxsynth.codec.numeric import NumericCodec
from jaxsynth.codec.quantile import Quantiles
from jaxsynth.codec.repeats import ROWS, find_repeats, repeat_of
from jaxsynth.codec.stored import store
from jaxsynth.codec.surrogate import surrogates
from jaxsynth.schema import Column, Schema

ColumnCodec = CategoryCodec | NumericCodec

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Codec:
    """Table <-> compact arrays, exactly invertible up to each column's declared resolution.

    Attributes:
        schema: what is public.
        columns: one codec a modelled column, in schema order. Holds what was fitted: private knowledge.
        repeats: for each column, the numbers of those whose value it often has. Private knowledge, too.
    """

    schema: Schema
    columns: tuple[ColumnCodec, ...]
    repeats: tuple[tuple[int, ...], ...]

    @classmethod
    def fit(cls, schema: Schema, table: pa.Table, *, max_intervals: int = 128) -> Codec:
        """Fit to a table that `schema.check` accepts.

        Args:
            schema: the table's description.
            table: the training rows, at least one.
            max_intervals: most interval codes for a continuous column.
        """
        fitted = tuple(_fit_column(c, table[c.name], max_intervals) for c in schema.modelled)
        return cls.of_columns(schema, fitted, table)

    @classmethod
    def of_columns(cls, schema: Schema, fitted: tuple[ColumnCodec, ...], table: pa.Table) -> Codec:
        """With these codecs; what repeats what is looked for in the table."""
        sample = table.take(np.linspace(0, table.num_rows - 1, min(ROWS, table.num_rows)).astype(np.int64))
        codes = [_codes(c, sample[c.column.name]) for c in fitted]
        return cls(schema=schema, columns=fitted, repeats=find_repeats(fitted, codes))

    @cached_property
    def layout(self) -> tuple[CodeSpec, ...]:
        """What models see of the columns."""
        return tuple(
            replace(c.spec, repeats=tuple(repeat_of(self.columns, i, source) for source in sources))
            for i, (c, sources) in enumerate(zip(self.columns, self.repeats, strict=True))
        )

    def encode(self, table: pa.Table, *, nearest: bool = False) -> Encoded:
        """Codes and positions of the modelled columns.

        Args:
            table: n rows with the modelled columns.
            nearest: a number that an exact column has no code for is taken as the nearest one that it has.

        Raises:
            CodecError: a cell that the schema or the fitted values do not know, naming column and row.
        """
        codes, positions = [], []
        for codec in self.columns:
            cells = table[codec.column.name]
            if isinstance(codec, CategoryCodec):
                codes.append(codec.encode(cells))
                continue
            code, position = codec.encode(cells, nearest=nearest)
            codes.append(code)
            if position is not None:
                positions.append(position)
        return Encoded(tuple(codes), tuple(positions))

    def decode(self, *parts: Encoded, start: int = 0) -> pa.RecordBatch:
        """A record batch of the schema's output columns.

        Args:
            *parts: rows, one part after the other.
            start: the number of the first row; regenerated identifiers are functions of the row number.

        Raises:
            ValueError: a code is none of its column's.
        """
        rows = sum(part.rows for part in parts)
        stored = store(self._readings, parts)
        cells = {c.column.name: c.cells(s) for c, s in zip(self.columns, stored, strict=True)}
        arrays = [cells[c.name] if c.modelled else surrogates(c, start, rows) for c in self.schema.output]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema.arrow)

    @cached_property
    def _readings(self) -> list[_core.Reading]:
        return [codec.reading() for codec in self.columns]

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled and copied: all but compiled objects, which are made again."""
        return {name: value for name, value in self.__dict__.items() if name != "_readings"}

    def state(self) -> tuple[list[dict[str, Any]], Arrays]:
        """The fitted part as JSON values and named arrays."""
        described: list[dict[str, Any]] = []
        arrays: Arrays = {}
        for i, codec in enumerate(self.columns):
            arrays[f"codec/{i}/counts"] = codec.counts
            described.append({"name": codec.column.name, "kind": "category"})
            if isinstance(codec, NumericCodec):
                described[-1] |= {"kind": "numeric", "intervals": codec.intervals, "repeats": self.repeats[i]}
                arrays[f"codec/{i}/atoms"] = codec.atoms
                if codec.quantiles is not None:
                    arrays[f"codec/{i}/values"] = codec.quantiles.values
                    arrays[f"codec/{i}/ranks"] = codec.quantiles.ranks
        return described, arrays

    @classmethod
    def from_state(cls, schema: Schema, described: list[dict[str, Any]], arrays: Mapping[str, Any]) -> Codec:
        """The codec that `state` described."""
        columns = [_column_from_state(schema[d["name"]], d, i, arrays) for i, d in enumerate(described)]
        repeats = tuple(tuple(d.get("repeats", ())) for d in described)
        return cls(schema=schema, columns=tuple(columns), repeats=repeats)


def _codes(codec: ColumnCodec, cells: pa.ChunkedArray) -> Codes:
    return codec.encode(cells) if isinstance(codec, CategoryCodec) else codec.encode(cells)[0]


def _fit_column(column: Column, cells: pa.ChunkedArray, max_intervals: int) -> ColumnCodec:
    if column.is_numeric:
        return NumericCodec.fit(column, cells, max_intervals)
    return CategoryCodec.fit(column, cells)


def _column_from_state(column: Column, data: dict[str, Any], i: int, arrays: Mapping[str, Any]) -> ColumnCodec:
    counts = np.asarray(arrays[f"codec/{i}/counts"])
    if data["kind"] == "category":
        return CategoryCodec(column, counts)
    quantiles = None
    if data["intervals"]:
        quantiles = Quantiles(values=arrays[f"codec/{i}/values"], ranks=arrays[f"codec/{i}/ranks"])
    return NumericCodec(column, counts, arrays[f"codec/{i}/atoms"], int(data["intervals"]), quantiles)
