"""sdmetrics' single-table quality report as the oracle: every column, every pair, and the averages."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from jaxsynth.quality.result import average
from jaxsynth.quality.shapes import column_scores
from jaxsynth.quality.trends import pair_scores
from jaxsynth.schema import Schema

_TYPES = {"boolean": "boolean", "category": "categorical", "ordinal": "categorical", "date": "datetime",
          "datetime": "datetime"}  # fmt: skip


def oracle(real: pa.Table, other: pa.Table, schema: Schema, *, thresholds: bool = False) -> tuple[Any, Any, Any]:
    """Column details, pair details and the two property scores."""
    meta = {"columns": {c.name: {"sdtype": _TYPES.get(c.kind, "numerical")} for c in schema}}
    with warnings.catch_warnings():  # pandas' and scipy's own, about constant and object columns
        warnings.simplefilter("ignore")
        from sdmetrics.reports.single_table import QualityReport

        report = QualityReport()
        report.num_rows_subsample = None
        if not thresholds:
            report.real_correlation_threshold = report.real_association_threshold = 0
        report.generate(_frame(real), _frame(other), meta, verbose=False)
        details = [report.get_details(name) for name in ("Column Shapes", "Column Pair Trends")]
        return details[0], details[1], report.get_properties().set_index("Property")["Score"]


def _frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    for name in table.column_names:
        if pa.types.is_date32(table.schema.field(name).type):
            frame[name] = pd.to_datetime(frame[name])
        if pa.types.is_decimal(table.schema.field(name).type):
            frame[name] = frame[name].astype(float)
        if pa.types.is_dictionary(table.schema.field(name).type):
            frame[name] = frame[name].astype(object)
    return frame


def _close(mine: float | None, score: float) -> bool:
    return math.isnan(score) if mine is None else abs(mine - (1 - score)) < 1e-3


@pytest.mark.parametrize("which", ["synthetic", "holdout"])
def test_column_shapes_agree(three: Any, which: str) -> None:
    columns, _, totals = oracle(three.train, getattr(three, which), three.schema)
    theirs = dict(zip(columns["Column"], columns["Score"], strict=True))
    mine = column_scores(three.coded)
    attribute = "error" if which == "synthetic" else "floor"
    assert {c.name for c in mine} == set(theirs)
    for column in mine:
        assert _close(getattr(column, attribute), theirs[column.name]), column.name
    assert _close(average([getattr(c, attribute) for c in mine]), totals["Column Shapes"])


@pytest.mark.parametrize("which", ["synthetic", "holdout"])
def test_pair_trends_agree(three: Any, which: str) -> None:
    _, pairs, totals = oracle(three.train, getattr(three, which), three.schema)
    theirs = {(a, b): s for a, b, s in zip(pairs["Column 1"], pairs["Column 2"], pairs["Score"], strict=True)}
    mine = pair_scores(three.coded)
    attribute = "error" if which == "synthetic" else "floor"
    assert len(mine) == len(theirs) == 66
    for pair in mine:
        assert _close(getattr(pair, attribute), theirs[pair.left, pair.right]), (pair.left, pair.right)
    assert any(p.error is None for p in mine)  # the constant column
    assert _close(average([getattr(p, attribute) for p in mine]), totals["Column Pair Trends"])


def test_associated_pairs_agree_with_the_default_thresholds(three: Any) -> None:
    _, pairs, totals = oracle(three.train, three.synthetic, three.schema, thresholds=True)
    kept = pairs[pairs["Meets Threshold?"].fillna(value=False)]
    strong = set(zip(kept["Column 1"], kept["Column 2"], strict=True))
    mine = [p for p in pair_scores(three.coded) if p.strong]
    assert {(p.left, p.right) for p in mine} == strong
    assert _close(average([p.error for p in mine]), totals["Column Pair Trends"])


def test_columns_without_values_agree(three: Any) -> None:
    """A column that is null throughout one table is not scored by either."""
    empty = three.synthetic.set_column(0, "x", pa.nulls(three.synthetic.num_rows, pa.float64()))
    columns, pairs, _ = oracle(three.train, empty, three.schema)
    from jaxsynth.quality.frames import frames

    coded = frames(three.schema, train=three.train, holdout=three.holdout, synthetic=empty)
    theirs = dict(zip(columns["Column"], columns["Score"], strict=True))
    assert all(_close(c.error, theirs[c.name]) for c in column_scores(coded))
    both = {(a, b): s for a, b, s in zip(pairs["Column 1"], pairs["Column 2"], pairs["Score"], strict=True)}
    assert all(_close(p.error, both[p.left, p.right]) for p in pair_scores(coded))


def test_values_beyond_float_noise_agree() -> None:
    """Sums like 0.1 + 0.2 count as equal to 0.3."""
    a = pa.table({"v": np.array([0.3, 0.5, 0.7] * 20), "w": np.arange(60.0)})
    b = pa.table({"v": np.array([0.1 + 0.2, 0.5, 0.7] * 20), "w": np.arange(60.0) ** 2})
    schema = Schema.infer(a)
    columns, _, _ = oracle(a, b, schema)
    from jaxsynth.quality.frames import frames

    mine = column_scores(frames(schema, train=a, holdout=a, synthetic=b))
    assert [c.error for c in mine] == pytest.approx([1 - s for s in columns["Score"]], abs=1e-12)
    assert mine[0].error == 0
