from __future__ import annotations

from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from scipy import stats

from jaxsynth.privacy.levels import KeyQuery, count_subjects, level_query, select_keys, with_levels
from jaxsynth.schema import Column
from tests.privacy.fake_ledger import SCHEMA, tables


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("delta", [1e-3, 1e-6, 1e-12])
def test_the_threshold_keeps_lone_keys_hidden(k: int, delta: float) -> None:
    query = KeyQuery(name="levels", statistic=lambda _: {}, keys_per_subject=k, delta=delta)
    hidden = stats.norm.sf(query.threshold(7.0), loc=1, scale=7.0)  # one key of one subject
    assert k * hidden == pytest.approx(delta, rel=1e-6)
    assert -np.expm1(k * np.log1p(-hidden)) <= delta * (1 + 1e-9)


def test_lone_keys_are_seen_as_often_as_delta_says() -> None:
    query = KeyQuery(name="levels", statistic=lambda _: {}, keys_per_subject=3, delta=0.05)
    rng = np.random.default_rng(0)
    threshold = query.threshold(2.0)
    seen = sum(bool(select_keys({"a": 1, "b": 1, "c": 1}, rng.normal(0, 2, 3), threshold)) for _ in range(4000))
    assert seen <= stats.binom.ppf(1 - 1e-5, 4000, 0.05)
    assert seen >= 150


def test_keys_come_in_their_own_order_and_not_in_that_of_the_data() -> None:
    noise = np.array([0.5, 0.0, -1.0])
    assert select_keys({"b": 10, "a": 9, "c": 3}, noise, 5.0) == {"a": 9.0, "b": 10.5}
    assert list(select_keys({"b": 10, "a": 9, "c": 3}, noise, 5.0)) == ["a", "b"]
    assert list(select_keys({20: 9, 3: 9}, np.zeros(2), 5.0)) == [3, 20]


@given(tables())
@settings(max_examples=60, deadline=None)
def test_subjects_are_counted_once_a_level(table: pa.Table) -> None:
    for name in ("drug", "code", "grade", "void"):
        for subject in (None, "person"):
            expected = defaultdict(set)
            people = table["person"].to_pylist() if subject else range(table.num_rows)
            for who, level in zip(people, table[name].to_pylist(), strict=True):
                if level is not None:
                    expected[level].add(who)
            assert count_subjects(table, name, subject) == {k: len(v) for k, v in expected.items()}


@given(tables(least=1))
@settings(max_examples=60, deadline=None)
def test_one_subject_moves_the_counts_by_the_sensitivity_at_most(table: pa.Table) -> None:
    people = np.array(table["person"].to_pylist())
    k = int(np.bincount(people).max())
    for name in ("drug", "code"):
        query = level_query(SCHEMA[name], subject="person", rows_per_subject=k, delta=1e-6)
        whole = query.statistic(table)
        for who in set(people.tolist()):
            rest = query.statistic(table.filter(pa.array(people != who)))
            change = [whole[key] - rest.get(key, 0) for key in whole]
            assert set(rest) <= set(whole)
            assert max(change, default=0) <= 1
            assert np.linalg.norm(change) <= query.sensitivity + 1e-12


def test_all_other_levels_have_a_place() -> None:
    text = Column(name="x", kind="category", type="string", levels=("q",), inferred=("levels",))
    assert with_levels(text, {"a": 9.0, "OTHER": 7.0}).levels == ("a", "OTHER")
    assert with_levels(text, {}).levels == ("OTHER",)
    narrow = Column(name="c", kind="category", type=str(pa.dictionary("int8", "string")), levels=("a",))
    found = with_levels(narrow, {f"{i:03}": 9.0 + i for i in range(128)}).levels
    assert found is not None
    assert (len(found), found[0], found[-2:]) == (128, "001", ("127", "OTHER"))
    type_ = str(pa.dictionary(pa.int8(), pa.int64()))
    numbers = with_levels(Column(name="x", kind="category", type=type_, levels=(1,)), {3: 9.0})
    assert (numbers.levels, numbers.nullable) == ((3,), True)
    many = with_levels(
        Column(name="x", kind="category", type=type_, levels=(1,)), {i: float(i) for i in range(200)}
    )
    assert many.levels == tuple(range(72, 200))
