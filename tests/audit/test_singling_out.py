from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxsynth.audit.inputs import AuditTables, read_tables
from jaxsynth.audit.predicates import (
    Predicates,
    RankedTable,
    count_matches,
    random_predicates,
    rare_combinations,
    rare_values,
)
from jaxsynth.audit.ranks import joint_ranks
from jaxsynth.audit.residual import AttackEvidence
from jaxsynth.audit.singling_out import isolation, singling_out
from jaxsynth.errors import AuditError
from jaxsynth.schema import Column, Schema


def _people(n: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "age": rng.integers(0, 100, n),
            "pulse": pa.array(rng.normal(80, 15, n).round(1), mask=rng.random(n) < 0.1),
            "weight": rng.normal(70, 12, n),
            "sex": rng.choice(["female", "male"], n),
            "unit": pa.array(rng.choice(["icu", "ward", "er"], n)).dictionary_encode(),
        }
    )


def _read(synthetic: pa.Table, train: pa.Table, holdout: pa.Table) -> AuditTables:
    return read_tables(synthetic, train, holdout, Schema.infer(train), threads=1)


def _ranked(ranks: list[list[int]], is_ordered: list[bool]) -> RankedTable:
    return RankedTable.of([np.array(r, np.int32) for r in ranks], np.array(is_ordered))


def _brute(predicates: Predicates, table: RankedTable) -> list[int]:
    found = table.ranks[predicates.columns]
    inside = (predicates.low[..., None] <= found) & (found <= predicates.high[..., None])
    return list(inside.all(axis=1).sum(axis=1))


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 60), columns=st.integers(1, 5), width=st.integers(1, 4))
def test_matches_are_those_of_every_row_against_every_condition(
    seed: int, n: int, columns: int, width: int
) -> None:
    rng = np.random.default_rng(seed)
    table = RankedTable.of(list(rng.integers(-1, 6, (columns, n)).astype(np.int32)), rng.random(columns) < 0.5)
    for draw in (rare_combinations, random_predicates):
        predicates = draw(table, 20, min(width, columns), rng)
        assert count_matches(predicates, table).tolist() == _brute(predicates, table)


def test_many_matches_are_counted_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    table = RankedTable.of(list(rng.integers(-1, 9, (4, 500)).astype(np.int32)), np.ones(4, bool))
    predicates = random_predicates(table, 300, 3, rng)
    whole = count_matches(predicates, table)
    monkeypatch.setattr(sys.modules[count_matches.__module__], "_BLOCK", 100)
    np.testing.assert_array_equal(count_matches(predicates, table), whole)


def test_rare_values_are_those_of_one_row_and_the_extremes() -> None:
    table = _ranked([[0, 0, 2, 3, 3, -1], [4, 5, 5, 6, 6, 6]], [True, False])
    found = rare_values(table, 100, np.random.default_rng(0))
    top = np.iinfo(np.int32).max
    kept = sorted(zip(found.columns[:, 0], found.low[:, 0], found.high[:, 0], found.rows, strict=True))
    # Least and greatest of the first column are in two rows each.
    assert kept == [(0, -1, -1, 5), (0, 2, 2, 2), (1, 4, 4, 0)]
    alone = rare_values(_ranked([[5, 7, 7, 9]], [True]), 100, np.random.default_rng(0))
    assert sorted(zip(alone.low[:, 0], alone.high[:, 0], alone.rows, strict=True)) == [
        (0, 5, 0), (5, 5, 0), (9, 9, 3), (9, top, 3),
    ]  # fmt: skip


@pytest.mark.parametrize("rows", [50, 3000])
def test_rare_combinations_match_their_row_alone_and_are_distinct(rows: int) -> None:
    rng = np.random.default_rng(1)
    table = RankedTable.of(list(rng.integers(-1, 40, (5, rows)).astype(np.int32)), np.array([1, 1, 1, 0, 0], bool))
    found = rare_combinations(table, 200, 3, rng)
    assert len(found) == 200
    assert (count_matches(found, table) == 1).all()
    own = table.ranks[found.columns, found.rows[:, None]]
    assert ((found.low <= own) & (own <= found.high)).all()
    assert (np.diff(found.columns, axis=1) > 0).all()
    assert len(np.unique(np.hstack([found.columns, found.low, found.high]), axis=0)) == 200


def test_numbers_are_bounded_away_from_the_median_and_categories_equalled() -> None:
    rng = np.random.default_rng(2)
    table = RankedTable.of(
        [np.arange(101, dtype=np.int32), rng.permutation(101).astype(np.int32)], np.array([1, 0]) > 0
    )
    found = rare_combinations(table, 50, 2, rng)
    value = found.rows
    np.testing.assert_array_equal(found.low[:, 0], np.where(value > 50, value, 0))
    np.testing.assert_array_equal(found.high[:, 0], np.where(value > 50, np.iinfo(np.int32).max, value))
    np.testing.assert_array_equal(found.low[:, 1], found.high[:, 1])


@pytest.mark.parametrize(
    ("matches", "rows", "size"), [(0, 40, 10), (1, 40, 10), (5, 40, 10), (40, 40, 10), (2, 7, 7)]
)
def test_isolation_is_the_share_of_subsets_with_one_match(matches: int, rows: int, size: int) -> None:
    rng = np.random.default_rng(3)
    drawn = [np.sum(rng.permutation(rows)[:size] < matches) == 1 for _ in range(4000)]
    assert isolation(np.array([matches]), rows, size)[0] == pytest.approx(np.mean(drawn), abs=0.03)


def test_ranks_agree_across_types_and_encodings() -> None:
    number = Column(name="x", kind="continuous", type="double")
    found = joint_ranks(number, [pa.array([0.1, None, -0.0]), pa.array([0.1, 0.0], pa.float32())])
    assert [t.tolist() for t in found.tables] == [[1, -1, 0], [1, 0]]
    text = Column(name="c", kind="category", type="string", levels=("a", "b"))
    encoded = pa.array(["b", None, "a"]).dictionary_encode()
    a, b = joint_ranks(text, [pa.array(["a", "b", "a"]), encoded]).tables
    assert b.tolist() == [a[1], -1, a[0]]
    large = pa.array([2**62, 2**62 + 1])
    assert joint_ranks(Column(name="t", kind="integer", type="int64"), [large]).tables[0].tolist() == [0, 1]


def _leaking(n: int, m: int, leaked: float, seed: int) -> tuple[AttackEvidence, AttackEvidence]:
    train, holdout, fresh = _people(n, 3 * seed), _people(m, 3 * seed + 1), _people(n, 3 * seed + 2)
    copies = round(leaked * n)
    synthetic = pa.concat_tables([train.slice(0, copies), fresh.slice(copies)], promote_options="none")
    return singling_out(_read(synthetic.unify_dictionaries(), train, holdout), seed=seed, n_predicates=300)


def test_copies_are_singled_out() -> None:
    univariate, multivariate = (e.results(seed=0)[0] for e in _leaking(2000, 2000, 0.5, 0))
    assert (univariate.name, multivariate.name) == ("singling_out_univariate", "singling_out_multivariate")
    # Weights are continuous: the value of a copy fits its source alone, that of a fresh row fits nobody.
    assert univariate.excess == pytest.approx(0.5, abs=0.09)
    assert univariate.verdict == multivariate.verdict == "fail"


def test_a_smaller_holdout_leaves_the_residual_risk_as_it_is() -> None:
    risks = [[_leaking(2000, m, 0.3, s)[0].results(seed=0)[0].excess for s in range(6)] for m in (2000, 500)]
    assert np.mean(risks[1]) == pytest.approx(np.mean(risks[0]), abs=0.05)


@pytest.mark.parametrize(("n", "m"), [(1500, 1500), (1600, 400), (400, 1600)])
def test_without_a_leak_the_risk_is_zero_whatever_the_sizes(n: int, m: int) -> None:
    found = [[e.results(seed=0)[0] for e in _leaking(n, m, 0, seed)] for seed in range(20)]
    for results in zip(*found, strict=True):
        excess = np.array([r.excess for r in results])
        assert abs(excess.mean()) <= 3.5 * excess.std() / 20**0.5
        assert sum(r.verdict == "fail" for r in results) <= 3
        assert sum(r.excess_low > 0 or r.excess_high < 0 for r in results) <= 5


def test_evidence_belongs_to_the_synthetic_rows_of_the_predicates() -> None:
    train, holdout = _people(300, 0), _people(300, 1)
    synthetic = pa.concat_tables([_people(200, 2), _people(200, 2)])
    (found, _) = singling_out(_read(synthetic, train, holdout), seed=0)
    attacked, control = found.sides
    assert (attacked.table, control.table) == ("synthetic", "synthetic")
    np.testing.assert_array_equal(attacked.at, control.at)
    # The second half repeats the first, and equal rows count as one.
    assert len(attacked.at) > 100
    assert attacked.at.max() < 200


def test_a_table_without_rare_values_offers_no_attack() -> None:
    rng = np.random.default_rng(0)
    tables = [pa.table({"a": rng.choice(list("xy"), 200), "b": rng.choice(list("zw"), 200)}) for _ in range(3)]
    # Of the four combinations, each row is one once repetitions are dropped: only they can be described.
    univariate, multivariate = (e.results(seed=0)[0] for e in singling_out(_read(*tables), seed=0))
    assert (univariate.n, univariate.verdict, univariate.detectable) == (0, "underpowered", 1.0)
    assert multivariate.verdict == "underpowered"
    assert multivariate.n <= 4


def test_one_seed_one_answer() -> None:
    tables = _read(_people(300, 2), _people(300, 0), _people(200, 1))
    first, again, other = (singling_out(tables, seed=s, n_predicates=100) for s in (1, 1, 2))
    assert [e.results(seed=1) for e in first] == [e.results(seed=1) for e in again]
    assert [e.sides[0].at.tolist() for e in first] != [e.sides[0].at.tolist() for e in other]


@pytest.mark.parametrize("arguments", [{"n_predicates": 0}, {"n_columns": 0}])
def test_refuses(arguments: dict[str, Any]) -> None:
    tables = _read(_people(20, 0), _people(20, 1), _people(20, 2))
    with pytest.raises(AuditError, match="give positive numbers"):
        singling_out(tables, seed=0, **arguments)
