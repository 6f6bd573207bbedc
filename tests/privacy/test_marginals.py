from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxsynth.privacy.marginals import codes_query, exact_codec, range_of, shares
from jaxsynth.schema import Column
from tests.privacy.fake_ledger import SCHEMA, tables

NUMERIC = [c for c in SCHEMA.modelled if c.is_numeric]
EXACT = {"age", "one", "stay", "ill", "drug", "ward", "code", "grade", "void"}


def test_columns_of_few_public_values_are_exact() -> None:
    assert {c.name for c in SCHEMA.modelled if exact_codec(c) is not None} == EXACT
    age = Column(name="x", kind="integer", type="int16", bounds=(0, 128))
    assert exact_codec(age) is None
    assert exact_codec(age.changed(bounds=(1, 128))) is not None


def test_the_stage_is_shared_by_public_quantities() -> None:
    parts = dict(zip([c.name for c in SCHEMA.modelled], shares(SCHEMA.modelled), strict=True))
    assert sum(parts.values()) == pytest.approx(1)
    assert parts["ill"] < parts["drug"] < parts["age"]
    codes = np.array([2.0, 4.0, 111.0])
    best_parts = codes ** (2 / 3) / (codes ** (2 / 3)).sum()
    optimum = (codes / best_parts**0.5).sum()
    rng = np.random.default_rng(0)
    for other in rng.dirichlet(np.ones(3), 200):
        assert (codes / other**0.5).sum() >= optimum - 1e-9


@pytest.mark.parametrize("column", [c for c in NUMERIC if c.name not in EXACT], ids=lambda c: c.name)
def test_leaves_tile_the_range(column: Column) -> None:
    range_ = range_of(column)
    leaves = np.unique(np.linspace(0, range_.leaves, 1000).astype(np.int64))
    values = range_.value_at(leaves)
    assert (np.diff(values) > 0).all()
    assert column.bounds is not None
    assert range_.leaves <= 1 << 20
    middle = (range_.value_at(leaves[:-1]) + range_.value_at(leaves[:-1] + 1)) / 2
    if range_.grid is None or range_.per_leaf > 1:
        assert np.array_equal(range_.leaf_of(middle), leaves[:-1])
    else:
        assert np.array_equal(range_.leaf_of(range_.grid.value(leaves[:-1])), leaves[:-1])
    assert bool(len(range_.candidates)) == (range_.per_leaf != 1)


def test_narrow_ranges_of_large_numbers_have_fewer_leaves() -> None:
    column = Column(name="x", kind="continuous", type="double", bounds=(1e15, 1e15 + 20))
    range_ = range_of(column)
    assert range_.leaves < 40
    assert (np.diff(range_.value_at(np.arange(range_.leaves + 1))) > 0).all()


@given(tables(), st.sampled_from([1, 2]))
@settings(max_examples=40, deadline=None)
def test_one_subject_moves_the_counts_by_the_sensitivity_at_most(table: pa.Table, k: int) -> None:
    for column in (c for c in SCHEMA.modelled if c.name in EXACT):
        codec = exact_codec(replace(column, resolution=1.0) if column.kind == "duration" else column)
        assert codec is not None
        query = codes_query(codec, k)
        whole = query.statistic(table)
        assert whole.sum() == table.num_rows
        for start in range(0, table.num_rows, k):
            rest = pa.concat_tables([table.slice(0, start), table.slice(start + k)])
            assert np.linalg.norm(whole - query.statistic(rest)) <= query.sensitivity == k
