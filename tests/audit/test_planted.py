from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from jaxsynth.audit import audit
from jaxsynth.audit.copying import CopyEvidence, copying
from jaxsynth.audit.inputs import AuditTables, read_tables
from jaxsynth.audit.planted import check_planted, self_test
from jaxsynth.errors import AuditError
from jaxsynth.schema import Schema


def _table(n: int, rng: np.random.Generator) -> pa.Table:
    return pa.table({"a": rng.normal(size=n), "b": rng.gamma(2, size=n), "c": rng.choice(["x", "y", "z"], n)})


def _case(seed: int, synthetic: int = 3000, train: int = 1000, holdout: int = 2000) -> AuditTables:
    rng = np.random.default_rng([seed, 97])
    rows = [_table(n, rng) for n in (synthetic, train, holdout)]
    return read_tables(rows[0], rows[1], rows[2], Schema.infer(rows[1]), threads=1)


@pytest.fixture(scope="module")
def cases() -> list[tuple[AuditTables, CopyEvidence]]:
    """A hundred real-vs-real tables, and what lies nearest their rows."""
    made = [_case(seed) for seed in range(100)]
    return [(tables, copying(tables)) for tables in made]


def test_half_a_percent_of_copies_is_found(cases: list[tuple[AuditTables, CopyEvidence]]) -> None:
    tests = [self_test(*case, 0.005, seed=seed) for seed, case in enumerate(cases)]
    assert {t.rows for t in tests} == {15}
    assert sum("exact_copies" in t.found for t in tests) >= 95


def test_without_copies_the_screens_stay_silent(cases: list[tuple[AuditTables, CopyEvidence]]) -> None:
    results = [evidence.results(seed=seed) for seed, (_, evidence) in enumerate(cases)]
    assert sum(any(r.verdict == "fail" for r in found) for found in results) <= 5


def test_a_planted_table_is_judged_as_if_it_had_been_given() -> None:
    tables = _case(0, 400, 200, 300)
    evidence = copying(tables)
    found = self_test(tables, evidence, 0.05, seed=3)
    rng = np.random.default_rng([3, 6])
    replaced, copied = rng.permutation(400)[:20], rng.integers(200, size=20)
    cells = [np.array(c.to_pylist(), object) for c in tables.synthetic]
    for column, train in zip(cells, tables.train, strict=True):
        column[replaced] = np.array(train.to_pylist(), object)[copied]
    given = AuditTables(
        synthetic=tuple(pa.array(c.tolist(), s.type) for c, s in zip(cells, tables.synthetic, strict=True)),
        train=tables.train,
        holdout=tables.holdout,
        schema=tables.schema,
    )
    assert found.results == copying(given).results(seed=3)
    assert (found.share, found.rows) == (0.05, 20)


def test_planting_leaves_the_evidence_as_it_was() -> None:
    tables = _case(1, 300, 200, 300)
    evidence = copying(tables)
    before = evidence.mine.distances.copy(), evidence.mine.rows.copy()
    self_test(tables, evidence, 0.5, seed=0)
    np.testing.assert_array_equal(evidence.mine.distances, before[0])
    np.testing.assert_array_equal(evidence.mine.rows, before[1])


@pytest.mark.parametrize(("share", "rows"), [(0.005, 2), (1e-9, 1), (0.01, 3), (1.0, 300), (0.07, 21)])
def test_shares_are_rounded_up_to_whole_rows(share: float, rows: int) -> None:
    tables = _case(2, 300, 50, 100)
    found = self_test(tables, copying(tables), share, seed=0)
    exact = next(r for r in found.results if r.name == "exact_copies")
    assert found.rows == rows
    assert exact.estimate == pytest.approx(rows / 300)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.0001, 5, float("nan"), float("inf")])
def test_bad_shares_are_refused(share: float) -> None:
    with pytest.raises(AuditError, match=r"planted is .*; give the share of synthetic rows to replace by copies"):
        check_planted(share)
    rows = pa.table({"x": np.arange(10.0)})
    with pytest.raises(AuditError, match="planted is"):
        audit(rows, train=rows, holdout=pa.table({"x": np.arange(10) + 0.5}), planted=share, audits=["copies"])


def test_the_audit_of_the_table_itself_knows_nothing_of_the_planted_rows() -> None:
    rng = np.random.default_rng(5)
    tables = [_table(n, rng) for n in (500, 300, 400)]
    plain, planted = (
        audit(tables[0], train=tables[1], holdout=tables[2], audits=["copies"], planted=p) for p in (None, 0.05)
    )
    assert plain.self_test is None
    assert planted.self_test is not None
    assert planted.self_test.found[0] == "exact_copies"
    assert planted.results == plain.results
    assert planted.groups == plain.groups
    assert planted.curves == plain.curves
