"""`Column`: what is publicly known of one column. Frozen, validated where it is made, plain JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal, get_args

import pyarrow as pa

from jaxsynth.errors import SchemaError
from jaxsynth.schema.arrow_types import is_numeric, is_time, most_levels, parse_type

Kind = Literal[
    "continuous",
    "integer",
    "boolean",
    "category",
    "ordinal",
    "date",
    "datetime",
    "duration",
    "identifier",
    "text",
]
Output = Literal["model", "regenerate", "drop"]
Level = str | int | float | bool

NUMERIC_KINDS = frozenset({"continuous", "integer", "date", "datetime", "duration"})
NOT_MODELLED_KINDS = frozenset({"identifier", "text"})


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a schema.

    Attributes:
        name: the column's name, unique in its schema.
        kind: what the values mean; decides how they are encoded, compared and audited.
        type: the Arrow type as `str(pyarrow.DataType)` writes it; output has exactly this type.
        nullable: whether a cell may be missing.
        unit: unit of measurement, for people ("mmHg").
        resolution: the step between neighbouring values, in the column's own numbers (0.1 for one decimal;
            for dates, timestamps and durations in storage ticks). None: not on a decimal grid.
        bounds: (lowest, highest) value, inclusive, in the column's own numbers (ticks for times).
        levels: the admissible values of a boolean, category or ordinal column; in order for ordinal.
        pii: why this column counts as a direct identifier, such as "e-mail address"; None if it does not.
        output: "model" for learned columns; "regenerate" writes surrogate values, "drop" leaves it out.
        description: free words for people.
        inferred: the attributes that were read off data and not yet attested as public.

    Raises:
        SchemaError: attributes that contradict each other, naming the column.
    """

    name: str
    kind: Kind
    type: str
    nullable: bool = False
    unit: str | None = None
    resolution: float | None = None
    bounds: tuple[float, float] | None = None
    levels: tuple[Level, ...] | None = None
    pii: str | None = None
    output: Output = "model"
    description: str | None = None
    inferred: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        arrow = self.arrow_type
        if self.kind not in get_args(Kind):
            raise self._error(f"kind {self.kind!r} is unknown; use one of {', '.join(get_args(Kind))}")
        if self.kind in NUMERIC_KINDS and not (is_numeric(arrow) or is_time(arrow)):
            raise self._error(f"kind {self.kind!r} needs a number or time, its type is {self.type}")
        if self.kind in NOT_MODELLED_KINDS and self.output == "model":
            raise self._error(f"kind {self.kind!r} is never learned; set output to 'regenerate' or 'drop'")
        self._check_numbers()
        self._check_levels()

    def _check_numbers(self) -> None:
        if self.resolution is not None and not (self.resolution > 0 and math.isfinite(self.resolution)):
            raise self._error(f"resolution {self.resolution!r} is not a positive number")
        if self.bounds is not None:
            low, high = self.bounds
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise self._error(f"bounds {self.bounds!r} are not finite numbers with low <= high")

    def _check_levels(self) -> None:
        if self.levels is not None and len(set(self.levels)) != len(self.levels):
            raise self._error("levels repeat a value; list each level once")
        most = most_levels(self.arrow_type)
        if self.levels is not None and most is not None and len(self.levels) > most:
            raise self._error(
                f"{len(self.levels)} levels, {self.type} has at most {most}; set a type of wider indices"
            )
        if self.levels is None and self.kind in {"category", "ordinal"}:
            raise self._error(f"kind {self.kind!r} needs levels; list the admissible values")

    def _error(self, problem: str) -> SchemaError:
        return SchemaError(f"column {self.name!r}: {problem}")

    @cached_property
    def arrow_type(self) -> pa.DataType:
        """The Arrow type of input and output cells."""
        return parse_type(self.type)

    @property
    def modelled(self) -> bool:
        """Whether generators learn this column."""
        return self.output == "model"

    @property
    def is_numeric(self) -> bool:
        """Whether distances and rank statistics make sense: numbers, dates, times, durations."""
        return self.kind in NUMERIC_KINDS

    def to_json(self) -> dict[str, Any]:
        """Attributes that differ from their defaults, as JSON values."""
        out: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if value != f.default:
                out[f.name] = list(value) if isinstance(value, tuple) else value
        return out

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Column:
        """The column that `to_json` wrote.

        Raises:
            SchemaError: an attribute is missing, unknown or of the wrong type.
        """
        name = data.get("name", "?")
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(data) - known)
        if unknown:
            raise SchemaError(f"column {name!r}: unknown attribute {unknown[0]!r}; known are {sorted(known)}")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        try:
            return cls(**values)
        except TypeError as error:
            raise SchemaError(f"column {name!r}: {error}; see Column for the attributes") from error

    def attested(self) -> Column:
        """The same column with everything in it declared to be public knowledge."""
        return replace(self, inferred=())

    def changed(self, **changes: Any) -> Column:
        """A copy with `changes`; what is set by hand no longer counts as inferred."""
        kept = tuple(a for a in self.inferred if a not in changes)
        return replace(self, inferred=kept, **changes)
