"""Rules between columns that every real row keeps: declared on the schema, checked on any table.

A rule holds in a row where any of its cells is null: nothing is known to contradict it there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jaxsynth.errors import SchemaError
from jaxsynth.schema.cells import to_numbers
from jaxsynth.schema.column import Level

Mask = NDArray[np.bool_]


class Constraint(Protocol):
    """What every rule offers."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it speaks of."""
        ...

    def violations(self, table: pa.Table) -> Mask:
        """True in the rows that break the rule. Shape (n,)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Inequality:
    """`low <= high` (or `<` when strict), for two numeric or time columns of one unit."""

    low: str
    high: str
    strict: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it speaks of."""
        return (self.low, self.high)

    def violations(self, table: pa.Table) -> Mask:
        """True where low exceeds high."""
        compare = pc.greater_equal if self.strict else pc.greater
        return _true(compare(table[self.low], table[self.high]))

    def __str__(self) -> str:
        return f"{self.low} {'<' if self.strict else '<='} {self.high}"


@dataclass(frozen=True, kw_only=True)
class Implication:
    """Where `when_column` is `when_value`, `then_column` is `then_value` or equals column `then_equals`."""

    when_column: str
    when_value: Level
    then_column: str
    then_value: Level | None = None
    then_equals: str | None = None

    def __post_init__(self) -> None:
        if (self.then_value is None) == (self.then_equals is None):
            raise SchemaError(
                f"implication on {self.when_column!r}: give exactly one of then_value and then_equals"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it speaks of."""
        third = () if self.then_equals is None else (self.then_equals,)
        return (self.when_column, self.then_column, *third)

    def violations(self, table: pa.Table) -> Mask:
        """True where the premise holds and the conclusion does not."""
        premise = _equals(table[self.when_column], self.when_value)
        if self.then_equals is not None:
            broken = pc.not_equal(table[self.then_column], table[self.then_equals])
        else:
            assert self.then_value is not None
            broken = pc.invert(_equals(table[self.then_column], self.then_value))
        return _true(pc.and_(premise, broken))

    def __str__(self) -> str:
        right = self.then_equals if self.then_equals is not None else repr(self.then_value)
        return f"{self.when_column} = {self.when_value!r} implies {self.then_column} = {right}"


@dataclass(frozen=True, kw_only=True)
class FunctionalDependency:
    """`determinant` fixes `dependent`, by the public `mapping` of (determinant, dependent) pairs."""

    determinant: str
    dependent: str
    mapping: tuple[tuple[Level, Level], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it speaks of."""
        return (self.determinant, self.dependent)

    def violations(self, table: pa.Table) -> Mask:
        """True where the pair is not in the mapping."""
        left, right = table[self.determinant], table[self.dependent]
        known = np.zeros(table.num_rows, np.bool_)
        for a, b in self.mapping:
            known |= _true(pc.and_(_equals(left, a), _equals(right, b)))
        present = _true(pc.and_(left.is_valid(), right.is_valid()))
        return present & ~known

    def __str__(self) -> str:
        return f"{self.determinant} determines {self.dependent}"


@dataclass(frozen=True, kw_only=True)
class FixedSum:
    """The sum over `parts` equals the number `total`, within `tolerance`."""

    parts: tuple[str, ...]
    total: float
    tolerance: float = 1e-9

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it speaks of."""
        return self.parts

    def violations(self, table: pa.Table) -> Mask:
        """True where the parts are all present and their sum is off."""
        total = np.zeros(table.num_rows)
        present = np.ones(table.num_rows, np.bool_)
        for name in self.parts:
            total += to_numbers(table[name])
            present &= np.asarray(table[name].is_valid(), np.bool_)
        return present & (np.abs(total - self.total) > self.tolerance)

    def __str__(self) -> str:
        return f"{' + '.join(self.parts)} = {self.total:g}"


_RULES: dict[str, Callable[..., Constraint]] = {
    "inequality": Inequality,
    "implication": Implication,
    "functional_dependency": FunctionalDependency,
    "fixed_sum": FixedSum,
}


def rule_to_json(rule: Constraint) -> dict[str, Any]:
    """The rule as JSON values, tagged with its name."""
    tag = next(t for t, c in _RULES.items() if c is type(rule))
    return {"rule": tag, **{k: v for k, v in asdict(rule).items() if v is not None}}  # type: ignore[call-overload]


def rule_from_json(data: dict[str, Any]) -> Constraint:
    """The rule that `rule_to_json` wrote.

    Raises:
        SchemaError: an unknown rule or wrong attributes.
    """
    tag = data.get("rule")
    if tag not in _RULES:
        raise SchemaError(f"constraint {tag!r} is unknown; use one of {', '.join(_RULES)}")
    values = {k: _tuples(v) for k, v in data.items() if k != "rule"}
    try:
        return _RULES[tag](**values)
    except TypeError as error:
        raise SchemaError(f"constraint {tag!r}: {error}") from error


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def _equals(column: pa.ChunkedArray, value: Level) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        return pc.equal(column, pa.scalar(value).cast(column.type))
    except pa.ArrowException as error:
        raise SchemaError(f"constraint value {value!r} does not fit a column of type {column.type}") from error


def _true(column: pa.ChunkedArray) -> Mask:
    return np.asarray(pc.fill_null(column, fill_value=False), np.bool_)
