"""Tables in the form that the peers take them, and back: text categories, and missing numbers as two columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

MISSING = "?"
FLAG = " is missing"  # no column of the sets ends so


@dataclass(frozen=True)
class Prepared:
    """A table without missing cells.

    Attributes:
        frame: numbers with the median for missing, categories as text with "?" for missing, and a flag
            column for each number that has missing cells.
        discrete: names of the categories and flags.
        notes: what was done, for the record.
    """

    frame: pd.DataFrame
    discrete: list[str]
    notes: list[str]


def text_categories(table: pa.Table, categories: list[str]) -> pd.DataFrame:
    """Categories as text objects, numbers as they are; missing stays missing."""
    frame: pd.DataFrame = table.to_pandas()
    for name in categories:
        frame[name] = frame[name].map(_text, na_action="ignore").astype(object)
    return frame


def _text(value: object) -> str:
    # Integers with missing cells reach pandas as floats.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def without_missing(table: pa.Table, categories: list[str]) -> Prepared:
    """For generators that refuse missing cells."""
    frame = text_categories(table, categories)
    frame[categories] = frame[categories].astype(object).fillna(MISSING)
    flagged = [n for n in frame.columns if n not in categories and frame[n].isna().any()]
    flags = {n + FLAG: np.where(frame[n].isna(), "yes", "no") for n in flagged}
    frame[flagged] = frame[flagged].fillna(frame[flagged].median())
    frame = pd.concat([frame, pd.DataFrame(flags, index=frame.index)], axis=1)
    notes = [f"{len(flagged)} numbers: median for missing, and a flag column"] if flagged else []
    return Prepared(frame, [*categories, *flags], notes)


def restored(frame: pd.DataFrame, schema: pa.Schema, categories: list[str]) -> pa.Table:
    """Undo both: flags become missing cells again, and every column gets its type in the training table."""
    columns = []
    for field in schema:
        cells = frame[field.name]
        if field.name + FLAG in frame.columns:
            cells = cells.mask(frame[field.name + FLAG] == "yes")
        columns.append(_typed(cells, field.type, category=field.name in categories))
    return pa.table(columns, schema=pa.schema([pa.field(f.name, f.type) for f in schema]))


def _typed(cells: pd.Series, type_: pa.DataType, *, category: bool) -> pa.Array:
    if category:
        if not pa.types.is_large_string(type_):
            # A peer may put a word of its own for a rare level, which no number can hold.
            cells = cells.where(cells.astype(str).str.fullmatch(r"-?\d+"), None)
        text = cells.astype(object).where(cells.notna() & (cells != MISSING), None)
        return pa.array(text, pa.large_string(), from_pandas=True).cast(type_)
    values = pd.to_numeric(cells).to_numpy(dtype=np.float64, na_value=np.nan)
    whole = np.round(values) if pa.types.is_integer(type_) else values
    return pa.array(whole, from_pandas=True).cast(type_)
