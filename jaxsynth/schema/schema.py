"""`Schema`: the public description of a table. Immutable; JSON on disk; checked against tables here."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jaxsynth.atomic import write_bytes
from jaxsynth.errors import SchemaError
from jaxsynth.schema.arrow_types import storage_type
from jaxsynth.schema.cells import to_numbers, valid_mask
from jaxsynth.schema.column import Column
from jaxsynth.schema.constraints import Constraint, rule_from_json, rule_to_json

_FORMAT = "jaxsynth-schema"
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Schema:
    """Columns and the rules between them: public knowledge, nothing fitted.

    Attributes:
        columns: in table order, names unique.
        primary_key: the column that identifies a row, if any.
        subject: the column that identifies a person, the unit of privacy; None: each row is a person.
        target: the column downstream models predict.
        constraints: rules that hold in every real row.
    """

    columns: tuple[Column, ...]
    primary_key: str | None = None
    subject: str | None = None
    target: str | None = None
    constraints: tuple[Constraint, ...] = ()

    def __post_init__(self) -> None:
        names = self.names
        repeated = {n for n in names if names.count(n) > 1}
        if repeated:
            raise SchemaError(f"schema: column {sorted(repeated)[0]!r} is listed twice; names must be distinct")
        for role in ("primary_key", "subject", "target"):
            self._known(getattr(self, role), f"{role}")
        for rule in self.constraints:
            for name in rule.columns:
                self._known(name, f"constraint '{rule}'")

    def _known(self, name: str | None, what: str) -> None:
        if name is not None and name not in self.names:
            raise SchemaError(f"schema: {what} names column {name!r}, which is not in {list(self.names)}")

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise SchemaError(f"schema: no column {name!r}; columns are {list(self.names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(c.name for c in self.columns)

    @property
    def modelled(self) -> tuple[Column, ...]:
        """The columns that generators learn."""
        return tuple(c for c in self.columns if c.modelled)

    @property
    def output(self) -> tuple[Column, ...]:
        """The columns of generated tables: all but the dropped ones."""
        return tuple(c for c in self.columns if c.output != "drop")

    @cached_property
    def arrow(self) -> pa.Schema:
        """The Arrow schema of generated tables."""
        return pa.schema([pa.field(c.name, c.arrow_type, c.nullable) for c in self.output])

    def changed(self, column: str, /, **changes: Any) -> Schema:
        """A copy with attributes of one column set, as in `schema.changed("age", unit="years")`."""
        new = self[column].changed(**changes)
        return replace(self, columns=tuple(new if c.name == column else c for c in self.columns))

    def declare_public(self) -> Schema:
        """A copy in which the caller attests that all inferred bounds and levels are public knowledge."""
        return replace(self, columns=tuple(c.attested() for c in self.columns))

    @classmethod
    def infer(cls, table: Any, *, subject: str | None = None, target: str | None = None) -> Schema:
        """Describe a table: kinds, levels, bounds, resolutions and direct identifiers, all marked inferred.

        Args:
            table: anything `jaxsynth` takes for a table.
            subject: the column that identifies a person.
            target: the column downstream models predict.

        Raises:
            TableError: unreadable, NaN or infinite cells, repeated column names.
            SchemaError: a column of a type that has no cells we could describe (lists, structs, binary).
        """
        from jaxsynth.schema.infer import infer_columns

        return cls(columns=infer_columns(table, subject=subject), subject=subject, target=target)

    def to_json(self) -> dict[str, Any]:
        """The schema as JSON values."""
        roles = {r: getattr(self, r) for r in ("primary_key", "subject", "target")}
        return {
            "format": _FORMAT,
            "version": _VERSION,
            **{k: v for k, v in roles.items() if v is not None},
            "columns": [c.to_json() for c in self.columns],
            "constraints": [rule_to_json(r) for r in self.constraints],
        }

    @classmethod
    def from_json(cls, data: Any, *, what: str = "schema") -> Schema:
        """The schema that `to_json` wrote.

        Raises:
            SchemaError: not a schema, of a newer version, or not well formed.
        """
        if not isinstance(data, dict) or data.get("format") != _FORMAT:
            raise SchemaError(f"{what}: not a jaxsynth schema; write one with `jaxsynth schema DATA`")
        version = data.get("version")
        if not isinstance(version, int) or version > _VERSION:
            raise SchemaError(f"{what}: schema version {version!r}, this release reads up to {_VERSION}; upgrade")
        roles = {r: data.get(r) for r in ("primary_key", "subject", "target")}
        columns = tuple(Column.from_json(c) for c in data.get("columns", []))
        rules = tuple(rule_from_json(r) for r in data.get("constraints", []))
        return cls(columns=columns, constraints=rules, **roles)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the schema as JSON, atomically.

        Raises:
            OutputError: the file cannot be written.
        """
        text = json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n"
        write_bytes(Path(path), text.encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Schema:
        """Read a schema file.

        Raises:
            SchemaError: missing, not JSON, or not a schema.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf8"))
        except OSError as error:
            raise SchemaError(f"schema: cannot read {str(path)!r}: {error.strerror}; check the path") from error
        except ValueError as error:
            raise SchemaError(f"schema: {str(path)!r} is not JSON: {error}") from error
        return cls.from_json(data, what=str(path))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, hexadecimal."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def check(self, table: pa.Table, *, what: str = "table") -> None:
        """Refuse a table that disagrees: missing or extra columns, types, nulls, bounds, levels.

        Raises:
            SchemaError: naming the column, what was found and what was declared.
        """
        self.check_form(table, what=what)
        for column in self.modelled:
            _check_cells(column, table[column.name], f"{what}: column {column.name!r}")

    def check_form(self, table: pa.Table, *, what: str = "table") -> None:
        """Refuse a table with missing or extra columns, or other types; no cell is looked at.

        Raises:
            SchemaError: naming the column, what was found and what was declared.
        """
        missing = [n for n in self.names if n not in table.column_names]
        extra = [n for n in table.column_names if n not in self.names]
        if missing or extra:
            problem = f"lacks column {missing[0]!r}" if missing else f"has column {extra[0]!r} not in the schema"
            raise SchemaError(f"{what}: {problem}; schema has {list(self.names)}, table {table.column_names}")
        for column in self.modelled:
            found = table[column.name].type
            if found != column.arrow_type:
                raise SchemaError(
                    f"{what}: column {column.name!r} has type {found}, the schema says {column.type}; cast it or "
                    "infer anew"
                )

    def violations(self, table: pa.Table) -> dict[str, int]:
        """How many rows break each constraint, by the constraint's text."""
        return {
            str(rule): int(rule.violations(table).sum())
            for rule in self.constraints
            if all(name in table.column_names for name in rule.columns)
        }


def _check_cells(column: Column, cells: pa.ChunkedArray, where: str) -> None:
    if cells.null_count and not column.nullable:
        raise SchemaError(f"{where} has {cells.null_count} nulls, the schema says none; declare it nullable")
    if column.is_numeric and column.bounds is not None:
        _check_bounds(column, cells, where)
    if column.levels is not None:
        _check_levels(column, cells, where)


def _check_bounds(column: Column, cells: pa.ChunkedArray, where: str) -> None:
    assert column.bounds is not None
    values = to_numbers(cells)[valid_mask(cells)]
    outside = values[(values < column.bounds[0]) | (values > column.bounds[1])]
    if len(outside):
        raise SchemaError(
            f"{where} holds {outside[0]} ({len(outside)} cells outside), the schema's bounds are "
            f"{column.bounds}; widen the bounds or clean the column"
        )


def _check_levels(column: Column, cells: pa.ChunkedArray, where: str) -> None:
    assert column.levels is not None
    found = pc.unique(cells.cast(storage_type(cells.type))).drop_null()
    unknown = np.setdiff1d(np.array([str(v) for v in found.to_pylist()]), [str(v) for v in column.levels])
    if len(unknown):
        raise SchemaError(
            f"{where} holds {str(unknown[0])!r}, not among its {len(column.levels)} levels; "
            "add the level to the schema or clean the column"
        )
