"""A ledger without accounting, whose noise the tests choose; schemas and tables with cells of every kind."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from numpy.typing import NDArray

from jaxsynth.privacy.levels import KeyQuery, select_keys
from jaxsynth.privacy.query import Query
from jaxsynth.schema import Column, Level, Schema


class FakeLedger:
    """Answers with numpy's noise, or with answers that were recorded before."""

    def __init__(
        self, table: pa.Table, *, mu: float = 1.0, seed: int = 0, rows_per_subject: int = 1, scale: float = 1.0
    ) -> None:
        self._table, self._mu, self._scale = table, mu, scale
        self._rng = np.random.default_rng(seed)
        self.rows_per_subject = rows_per_subject
        self.spent = 0.0
        self.queries: list[Query | KeyQuery] = []
        self.answers: list[NDArray[np.float64]] = []

    def noise(self, query: Query | KeyQuery, *, stage: str, part: float = 1.0) -> float:
        return query.sensitivity / (self._mu * float(np.sqrt(part)))

    def _drawn(self, query: Query | KeyQuery, stage: str, part: float, size: int) -> NDArray[np.float64]:
        self.spent += part
        self.queries.append(query)
        return self._rng.normal(0, self._scale * self.noise(query, stage=stage, part=part), size)

    def measure(self, query: Query, *, stage: str, part: float = 1.0) -> NDArray[np.float64]:
        counts = query.statistic(self._table)
        assert counts.dtype == np.int64
        answer = counts + self._drawn(query, stage, part, len(counts))
        self.answers.append(answer)
        return answer

    def select(self, query: KeyQuery, *, stage: str, part: float = 1.0) -> dict[Level, float]:
        counts = query.statistic(self._table)
        noise = self._drawn(query, stage, part, len(counts))
        return select_keys(counts, noise, query.threshold(self.noise(query, stage=stage, part=part)))


class Replayed(FakeLedger):
    """Gives another ledger's answers again and has no table."""

    def __init__(self, other: FakeLedger) -> None:
        super().__init__(pa.table({}), mu=other._mu, rows_per_subject=other.rows_per_subject)
        self._left = list(other.answers)

    def measure(self, query: Query, *, stage: str, part: float = 1.0) -> NDArray[np.float64]:
        return self._left.pop(0)


def _column(name: str, kind: Any, type_: pa.DataType, **more: Any) -> Column:
    return Column(name=name, kind=kind, type=str(type_), **more)


_DAY = 86_400_000
SCHEMA = Schema(
    columns=(
        _column("person", "identifier", pa.int64(), output="regenerate"),
        _column("age", "integer", pa.uint8(), bounds=(0, 110), resolution=1.0),
        _column("lab", "continuous", pa.float64(), bounds=(-5, 300), resolution=0.1, nullable=True),
        _column("odd", "continuous", pa.float64(), bounds=(0.25, 900.6), resolution=0.5),
        _column("raw", "continuous", pa.float32(), bounds=(-1, 1)),
        _column("one", "continuous", pa.float64(), bounds=(2.5, 2.5), nullable=True),
        _column("big", "integer", pa.uint64(), bounds=(0, 2**62), nullable=True),
        _column("cost", "continuous", pa.decimal128(9, 2), bounds=(0, 5000)),
        _column("day", "date", pa.date32(), bounds=(10_000, 20_000), nullable=True),
        _column("when", "datetime", pa.timestamp("ms"), bounds=(0, 20_000 * _DAY), resolution=float(_DAY)),
        _column("stay", "duration", pa.duration("s"), bounds=(0, 100)),
        _column("ill", "boolean", pa.bool_()),
        _column("drug", "category", pa.string(), levels=("a", "b", "OTHER"), nullable=True),
        _column("ward", "category", pa.large_string(), levels=("north", "south")),
        _column("code", "category", pa.dictionary(pa.int8(), pa.int32()), levels=(10, 20), nullable=True),
        _column(
            "grade", "ordinal", pa.dictionary(pa.int8(), pa.string(), ordered=True), levels=("low", "mid", "high")
        ),
        _column("void", "category", pa.null(), levels=(), nullable=True),
    ),
    subject="person",
)

_FLOATS = [
    0.0,
    -0.0,
    0.04,
    0.06,
    2.5,
    -7.3,
    1e-300,
    5e-324,
    1e300,
    -1e300,
    float("nan"),
    float("inf"),
    -float("inf"),
]
_CELLS: dict[str, list[Any]] = {
    "person": [0, 1, 2, 3],
    "age": [0, 17, 110, 111, 255],
    "lab": [*_FLOATS, 0.1, 0.30000000000000004, 299.97, 300.04],
    "odd": [*_FLOATS, 0.25, 0.5, 3.1, 900.6],
    "raw": [*_FLOATS[:6], -1.0, 1.0, 0.1, 3e38, *_FLOATS[-3:]],
    "one": _FLOATS,
    "big": [0, 1, 2**53 + 1, 2**62, 2**62 + 1, 2**63, 2**64 - 1],
    "cost": [decimal.Decimal(c) for c in ("0.00", "0.01", "4999.99", "5000.01", "-3.50", "1234567.89")],
    "day": [dt.date(1, 1, 1), dt.date(1999, 12, 31), dt.date(2020, 2, 29), dt.date(9999, 12, 31)],
    "when": [dt.datetime(1900, 1, 1, 5), dt.datetime(1999, 12, 31, 23), dt.datetime(2100, 1, 1, 1, 2, 3)],
    "stay": [dt.timedelta(seconds=s) for s in (-99, 0, 7, 100, 101, 10**9)],
    "ill": [False, True],
    "drug": ["a", "b", "c", ""],
    "ward": ["north", "south", "west"],
    "code": [10, 20, 30],
    "grade": ["low", "mid", "high", "higher"],
    "void": [None],
}


def _array(name: str, cells: list[Any]) -> pa.Array:
    type_ = SCHEMA[name].arrow_type
    if pa.types.is_dictionary(type_):
        values = sorted({c for c in cells if c is not None}, key=str)
        indices = pa.array([None if c is None else values.index(c) for c in cells], type_.index_type)
        return pa.DictionaryArray.from_arrays(indices, pa.array(values, type_.value_type), ordered=type_.ordered)
    return pa.array(cells, type_)


def _cells(rng: np.random.Generator, name: str, rows: int) -> pa.Array:
    null = (rng.random(rows) < 0.2) & (name != "person")
    picked = rng.integers(0, len(_CELLS[name]), rows)
    return _array(name, [None if n else _CELLS[name][i] for n, i in zip(null, picked, strict=True)])


def tables(least: int = 0, most: int = 12) -> st.SearchStrategy[pa.Table]:
    """Tables of the schema's types whose cells it need not admit."""

    def build(rows: int, seed: int) -> pa.Table:
        rng = np.random.default_rng(seed)
        return pa.table({name: _cells(rng, name, rows) for name in _CELLS})

    return st.builds(build, st.integers(least, most), st.integers(0, 2**32))
