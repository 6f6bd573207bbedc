"""`Projection`: generated rows moved onto the schema's rules, cell by cell, never dropping a row.

A row that keeps every rule keeps every byte. In a row that does not, rules are repaired in the schema's order
until none is broken: `repairs` says how each kind is. Rules that undo each other are tried again with moves
that cannot run in circles; what is left has nullable cells of a broken rule emptied; and if even that is not
enough, the tied cells are those of the most similar of some hundred made-up rows that keep the rules. Every
stage is bounded, and what becomes of a row depends on that row alone, so batches may be cut anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jaxsynth.codec import Codec
from jaxsynth.codec.category import CategoryCodec
from jaxsynth.errors import SchemaError
from jaxsynth.sample.condition import Between, Where, limits
from jaxsynth.sample.domain import Domain
from jaxsynth.sample.narrow import narrow, refuse_contradictions
from jaxsynth.sample.repairs import repairs_of
from jaxsynth.sample.settle import Component, components
from jaxsynth.sample.slots import Index, Rows, Slot
from jaxsynth.schema import Column, Level, Schema
from jaxsynth.schema.arrow_types import is_stringlike, is_time, storage_type
from jaxsynth.schema.constraints import Constraint, FunctionalDependency, Implication

Range = tuple[float, float]
Allowed = Mapping[str, Sequence[Level] | Sequence[Range]]
Counts = Mapping[str, Mapping[Level, int]]


@dataclass(frozen=True, eq=False)
class Projection:
    """Enforces the rules of one schema under one condition; make it once, apply it to every batch.

    Attributes:
        components: the rules, those that share columns together.
    """

    components: tuple[Component, ...]

    @classmethod
    def of(cls, codec: Codec, where: Where | None = None) -> Projection:
        """The projection for what a trained codec decodes.

        Args:
            codec: its schema has the rules; its counts say which level is the most frequent.
            where: the user's condition, which `condition.resolve` accepts. Conditioned columns change only where
                a rule cannot be kept without, and then only to values that satisfy the condition.

        Raises:
            ConditionError: the condition contradicts a rule.
            SchemaError: rules contradict each other or do not fit their columns.
        """
        counts = {
            c.column.name: dict(zip(_levels(c.column), c.counts.tolist(), strict=False))
            for c in codec.columns
            if isinstance(c, CategoryCodec)
        }
        return cls.build(codec.schema, allowed=_allowed(codec, where or {}), counts=counts)

    @classmethod
    def build(cls, schema: Schema, *, allowed: Allowed | None = None, counts: Counts | None = None) -> Projection:
        """The projection for a schema.

        Args:
            schema: columns and rules. A rule on a column that is left out of the output speaks of no cell.
            allowed: conditioned column -> its levels, or ranges (low, high) of its numbers.
            counts: column -> level -> how often it was seen.

        Raises:
            ConditionError: `allowed` contradicts a rule.
            SchemaError: rules contradict each other or do not fit their columns.
        """
        rules = [r for r in schema.constraints if _speaks_of_cells(r, schema)]
        refuse_contradictions(rules)
        slots = _slots([schema[n] for n in dict.fromkeys(n for r in rules for n in r.columns)], counts or {})
        for rule in rules:
            _check_types(rule, slots)
        narrowed = narrow(rules, slots)
        conditioned = {n: _restricted(slots[n], a) for n, a in (allowed or {}).items() if n in slots}
        if conditioned:
            narrowed = narrow(rules, {**slots, **conditioned})
        return cls(components(narrowed, repairs_of(rules, narrowed)))

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with every rule kept in every row; values stay on their grids, in bounds and conditions.

        Args:
            batch: decoded rows; columns that no rule speaks of, and rows that keep all rules, are not touched.

        Raises:
            SchemaError: rows that no allowed change brings to keep the rules.
        """
        for component in self.components:
            rows = _read(batch, component.slots)
            at = np.flatnonzero(component.broken(rows))
            if len(at):
                old, new = rows.take(at), rows.take(at)
                component.settle(new)
                batch = _write(batch, component.slots, at, old, new)
        return batch


def _read(batch: pa.RecordBatch, slots: Iterable[Slot]) -> Rows:
    read = {s.name: s.read(batch.column(batch.schema.get_field_index(s.name))) for s in slots}
    return Rows({n: v for n, (v, _) in read.items()}, {n: m for n, (_, m) in read.items()})


def _write(batch: pa.RecordBatch, slots: Iterable[Slot], at: Index, old: Rows, new: Rows) -> pa.RecordBatch:
    for slot in slots:
        values, valid = new.values[slot.name], new.valid[slot.name]
        changed = np.flatnonzero((values != old.values[slot.name]) | (valid != old.valid[slot.name]))
        if len(changed):
            i = batch.schema.get_field_index(slot.name)
            cells = slot.replace(batch.column(i), at[changed], values[changed], valid[changed])
            batch = batch.set_column(i, batch.schema.field(i), cells)
    return batch


def _speaks_of_cells(rule: Constraint, schema: Schema) -> bool:
    columns = [schema[n] for n in rule.columns]
    if any(c.output == "drop" or pa.types.is_null(c.arrow_type) for c in columns):
        return False
    for column in columns:
        if not column.modelled:
            raise SchemaError(
                f"constraint '{rule}': column {column.name!r} is regenerated from the row number, so the rule "
                "cannot be kept; drop the constraint, or set the column's output to 'drop'"
            )
    return True


def _slots(columns: Sequence[Column], counts: Counts) -> dict[str, Slot]:
    texts = sorted({str(v) for c in columns if is_stringlike(c.arrow_type) for v in _levels(c)})
    vocabulary = {text: i for i, text in enumerate(texts)}
    return {c.name: _slot(c, vocabulary, counts.get(c.name, {})) for c in columns}


def _slot(column: Column, vocabulary: dict[str, int], counts: Mapping[Level, int]) -> Slot:
    type_ = column.arrow_type
    empty = Domain.listed(type_, np.empty(0, np.int64))
    slot = Slot(column=column, domain=empty, free=True, vocabulary=vocabulary, weights={})
    if column.is_numeric:
        return replace(slot, domain=Domain.of(column))
    values = [slot.constant(v) for v in _levels(column)]
    weights = {slot.constant(v): float(n) for v, n in counts.items()}
    return replace(slot, domain=Domain.listed(type_, np.array(values)), weights=weights)


def _levels(column: Column) -> tuple[Level, ...]:
    return (False, True) if column.levels is None and column.kind == "boolean" else column.levels or ()


def _allowed(codec: Codec, where: Where) -> dict[str, Any]:
    """`where`, which is valid for `codec`, as levels and ranges."""
    known = {c.column.name: c for c in codec.columns}
    out: dict[str, Any] = {}
    for name, wanted in where.items():
        several = isinstance(wanted, Iterable) and not isinstance(wanted, (str, bytes))
        values, one = list(wanted) if several else [wanted], known[name]
        if isinstance(one, CategoryCodec):
            weight = one.allow(values).weight
            out[name] = [v for v, w in zip(_levels(one.column), weight, strict=False) if w > 0]
        else:
            ranges = [v if isinstance(v, Between) else Between(v, v) for v in values]
            out[name] = [limits(codec, {name: r})[name] for r in ranges]
    return out


def _restricted(slot: Slot, allowed: Sequence[Any]) -> Slot:
    """The slot inside a condition."""
    if not slot.column.is_numeric:
        wanted = np.array([slot.constant(v) for v in allowed])
        return replace(slot, domain=slot.domain.only(wanted), free=False)
    parts = [slot.domain.within(*r) for r in allowed]
    if len(parts) > 1 or parts[0].empty:
        # A list of values, or a range between two neighbours of the grid, which output is clipped to.
        ends = np.array([end for r in allowed for end in r if np.isfinite(end)])
        dtype = np.int64 if parts[0].integral else np.float64
        return replace(slot, domain=Domain.listed(slot.column.arrow_type, ends.astype(dtype)), free=False)
    return replace(slot, domain=parts[0], free=False)


def _check_types(rule: Constraint, slots: Mapping[str, Slot]) -> None:
    names = rule.columns
    if isinstance(rule, Implication):
        names = () if rule.then_equals is None else (rule.then_column, rule.then_equals)
    elif isinstance(rule, FunctionalDependency):
        return
    types = [storage_type(slots[n].column.arrow_type) for n in names]
    text = any(slots[n].is_text for n in names)
    fit = all(_comparable(types[0], t) for t in types[1:]) and not (text and not isinstance(rule, Implication))
    if not fit:
        shown = ", ".join(f"{n!r} is {t}" for n, t in zip(names, types, strict=True))
        raise SchemaError(f"constraint '{rule}': {shown}; give columns of one type, numbers or times of one unit")


def _comparable(a: pa.DataType, b: pa.DataType) -> bool:
    if a != b and (is_time(a) or is_time(b)):
        return False  # ticks of two units
    try:
        pc.equal(pa.array([], a), pa.array([], b))
    except pa.ArrowException:
        return False
    return True
