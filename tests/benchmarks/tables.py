"""A small table with missing cells of every kind that peers must be given and give back."""

from __future__ import annotations

import pyarrow as pa

TABLE = pa.table(
    {
        "age": pa.array([30, None, 50, 40], pa.int64()),
        "dose": [0.5, 1.5, 2.5, 3.5],
        "dead": pa.array([1, 0, None, 1], pa.int64()),
        "group": pa.array(["a", None, "b", "a"], pa.large_string()),
    }
)
