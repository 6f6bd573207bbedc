"""What a schema file says publicly about a table, and the table in that form; nothing is read off the cells."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.peers.cells import FLAG, MISSING, text_categories

_NUMERIC = ("integer", "continuous")
Number = float | int


@dataclass(frozen=True)
class Public:
    """The schema, for a table without missing cells.

    Attributes:
        levels: column -> its levels as text, with "?" last where cells may be missing; a number that may be
            missing has a flag column of levels "no" and "yes".
        bounds: number -> its smallest and largest value.
        integers: those numbers that are whole.
        nullable: numbers that have a flag column.
    """

    levels: dict[str, list[str]]
    bounds: dict[str, tuple[Number, Number]]
    integers: frozenset[str]
    nullable: tuple[str, ...]

    @classmethod
    def load(cls, path: Path) -> Public:
        """Read a saved `jaxsynth.Schema`."""
        columns = json.loads(path.read_text())["columns"]
        numbers = [c for c in columns if c["kind"] in _NUMERIC]
        levels = {c["name"]: _levels(c) for c in columns if c["kind"] not in _NUMERIC}
        nullable = tuple(c["name"] for c in numbers if c.get("nullable"))
        return cls(
            levels={**levels, **{name + FLAG: ["no", "yes"] for name in nullable}},
            bounds={c["name"]: (c["bounds"][0], c["bounds"][1]) for c in numbers},
            integers=frozenset(c["name"] for c in numbers if c["kind"] == "integer"),
            nullable=nullable,
        )

    @property
    def categories(self) -> list[str]:
        """Names of the table's own categories, without flags."""
        return [name for name in self.levels if not name.endswith(FLAG)]

    def prepared(self, table: pa.Table) -> pd.DataFrame:
        """Categories as text with "?" for missing, numbers within the bounds, the lower bound for missing."""
        frame = text_categories(table, self.categories)
        frame[self.categories] = frame[self.categories].astype(object).fillna(MISSING)
        flags = {n + FLAG: np.where(frame[n].isna(), "yes", "no") for n in self.nullable}
        for name, (lower, upper) in self.bounds.items():
            frame[name] = frame[name].fillna(lower).clip(lower, upper)
        return pd.concat([frame, pd.DataFrame(flags, index=frame.index, dtype=object)], axis=1)

    def example(self, columns: list[str]) -> pd.DataFrame:
        """Rows made up from the schema that hold every level and both bounds, in the given order of columns."""
        values: dict[str, list[str] | list[Number]] = {
            **self.levels,
            **{name: list(pair) for name, pair in self.bounds.items()},
        }
        rows = max(map(len, values.values()))
        return pd.DataFrame({n: [values[n][i % len(values[n])] for i in range(rows)] for n in columns})


def _levels(column: dict[str, object]) -> list[str]:
    levels = column.get("levels", [False, True])
    assert isinstance(levels, list)
    return [*map(str, levels), *([MISSING] if column.get("nullable") else [])]
