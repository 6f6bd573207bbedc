"""The first pass over a table that does not fit into memory: its schema, and what its codec is fitted from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jaxsynth.errors import SchemaError, TableError
from jaxsynth.out_of_core.draws import draw_rows, within
from jaxsynth.out_of_core.ordered import in_order
from jaxsynth.out_of_core.sizes import Sizes
from jaxsynth.out_of_core.tally import Tally
from jaxsynth.schema import Column, Schema, pii
from jaxsynth.schema.arrow_types import is_numeric, is_time
from jaxsynth.schema.facts import Facts
from jaxsynth.schema.infer import column_of, identifier, require_supported
from jaxsynth.streams import RowStream
from jaxsynth.tables import check_finite

MOST_LEVELS = 1 << 16  # of a column, more than which are kept for no table

Tell = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Survey:
    """What is known of a table once all of it was seen.

    Attributes:
        schema: given or inferred; all rows agree with it.
        rows: how many there are.
        sample: rows drawn uniformly, in the table's order; all of them if they are few.
        facts: of each column, over all rows.
        tallies: of each numeric column, over all rows; None where too many values are distinct.
    """

    schema: Schema
    rows: int
    sample: pa.Table
    facts: Mapping[str, Facts]
    tallies: Mapping[str, Tally | None]


class _Seen(NamedTuple):
    """What is known of some rows."""

    facts: dict[str, Facts]
    tallies: dict[str, Tally | None]
    sample: pa.Table
    rows: int


def survey(
    stream: RowStream, schema: Schema | None, *, seed: int, sizes: Sizes, tell: Tell | None = None
) -> Survey:
    """Read all rows once.

    Direct identifiers are recognised by a sample of the rows; everything else is over all of them.

    Args:
        stream: the rows.
        schema: the table's description; inferred if None.
        seed: of the sample.
        sizes: bounds on what is kept.
        tell: called with the number of rows read.

    Raises:
        TableError: unreadable, no rows, unequal files, NaN or infinite cells.
        SchemaError: the schema disagrees with the rows, a column has a type without cells that could be
            described, or too many levels.
    """
    rows = stream.check()
    for field in stream.dataset.schema if schema is None else ():
        require_supported(field.name, field.type)
    sampled = draw_rows(rows, sizes.sampled(rows, stream.columns), np.random.default_rng([seed, 0]))
    whole: _Seen | None = None
    parts: list[pa.Table] = []
    for seen in in_order(lambda item: _look(*item, schema, sampled), stream.tables()):
        whole = seen if whole is None else _merged(whole, seen)
        parts.append(seen.sample)
        if tell is not None:
            tell(whole.rows)
    require_rows(rows, 0 if whole is None else whole.rows)
    assert whole is not None
    sample = pa.concat_tables(parts)
    described = _described(sample, whole.facts) if schema is None else schema
    return Survey(described, rows, sample, whole.facts, whole.tallies)


def require_rows(expected: int, found: int) -> None:
    """Raise `TableError` if the files changed under our hands."""
    if expected != found:
        raise TableError(
            f"table: {found:,} rows where there were {expected:,} before: its files changed while they were read; "
            "fit again once nothing writes to them"
        )


def _look(start: int, table: pa.Table, schema: Schema | None, sampled: NDArray[np.int64]) -> _Seen:
    check_finite(table, start=start)
    if schema is not None:
        schema.check(table, what=f"table, rows from {start}")
    names = table.column_names if schema is None else [c.name for c in schema.modelled]
    facts = {name: Facts.of(table[name]) for name in names}
    tallies = {name: Tally.of(table[name]) for name in names if _counts(table[name].type)}
    own = within(sampled, start, table.num_rows)
    sample = table if len(own) == table.num_rows else table.take(own)
    return _Seen(facts, tallies, sample, table.num_rows)


def _counts(type_: pa.DataType) -> bool:
    return is_numeric(type_) or is_time(type_)


def _merged(whole: _Seen, seen: _Seen) -> _Seen:
    facts = {name: own.merged(seen.facts[name]).bounded(MOST_LEVELS + 1) for name, own in whole.facts.items()}
    tallies = {name: own and own.merged(seen.tallies[name]) for name, own in whole.tallies.items()}
    return _Seen(facts, tallies, seen.sample, whole.rows + seen.rows)


def _described(sample: pa.Table, facts: Mapping[str, Facts]) -> Schema:
    return Schema(columns=tuple(_column(name, sample[name], facts[name]) for name in sample.column_names))


def _column(name: str, sample: pa.ChunkedArray, facts: Facts) -> Column:
    finding = pii.find(name, sample) or _find_numbered(sample, facts)
    if finding is not None:
        return identifier(name, sample.type, finding, nullable=facts.nulls > 0)
    if len(facts.levels) > MOST_LEVELS:
        raise SchemaError(
            f"column {name!r}: more than {MOST_LEVELS:,} levels; group them, or leave the column out, or give a "
            "schema that has it as an identifier or text"
        )
    return column_of(name, sample.type, facts)


def _find_numbered(sample: pa.ChunkedArray, facts: Facts) -> pii.Finding | None:
    """Row numbers are consecutive in the whole table and no longer in a sample of it."""
    known = facts.cells - facts.nulls
    if not pa.types.is_integer(sample.type) or known < pii.MIN_ROWS or facts.low is None or facts.high is None:
        return None
    present = sample.drop_null()
    if facts.high - facts.low != known - 1 or len(present.unique()) < len(present):
        return None
    return pii.Finding(kind="identifier", reason="record number", output="regenerate")
