"""Surrogate identifiers: unique, made from the row number alone, so they can carry nothing of a person."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from jaxsynth.schema import Column
from jaxsynth.schema.arrow_types import is_stringlike


def surrogates(column: Column, start: int, rows: int) -> pa.Array:
    """Values for rows `start .. start + rows - 1` of a regenerated column, of its Arrow type.

    Numbers count from 1; text is the column's name and the count, or an address at example.com (reserved
    by RFC 2606). Small integer types wrap around.
    """
    numbers = np.arange(start + 1, start + rows + 1, dtype=np.int64)
    type_ = column.arrow_type
    if not is_stringlike(type_):
        if not pa.types.is_integer(type_):
            return pa.nulls(rows, type_)
        most = int(np.iinfo(type_.to_pandas_dtype()).max)
        return pa.array((numbers - 1) % most + 1, pa.int64()).cast(type_)
    if column.pii == "e-mail address":
        text = [f"person{i}@example.com" for i in numbers]
    else:
        prefix = re.sub(r"\W+", "-", column.name).strip("-") or "id"
        text = [f"{prefix}-{i:09d}" for i in numbers]
    return pa.array(text, pa.large_string()).cast(type_)
