from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.spatial.distance import cdist

from jaxsynth.audit.density import membership_density
from jaxsynth.audit.inputs import AuditTables, read_tables
from jaxsynth.audit.outlying import outlyingness, outlyingness_of, tenths, vulnerable_records
from jaxsynth.schema import Schema


def _tables(*rows: np.ndarray) -> AuditTables:
    arrow = [pa.table({f"x{j}": c for j, c in enumerate(x.T)}) for x in rows]
    return read_tables(arrow[0], arrow[1], arrow[2], Schema.infer(arrow[1]), threads=0)


def _case(n: int, seed: int) -> tuple[AuditTables, np.ndarray]:
    rng = np.random.default_rng(seed)
    train = rng.normal(size=(n, 3))
    train[17] = 9.0
    return _tables(np.concatenate([train[17:18], rng.normal(size=(n, 3))]), train, rng.normal(size=(n, 3))), train


def test_outlyingness_matches_all_pairs() -> None:
    tables, train = _case(120, 0)
    scaled = train / np.ptp(train, axis=0)
    near = np.sort(cdist(scaled, scaled, "cityblock"), axis=1)[:, 1:6]
    np.testing.assert_allclose(outlyingness(tables), near.mean(axis=1), atol=1e-12)


def test_outlyingness_of_other_rows_matches_all_pairs() -> None:
    tables, train = _case(120, 1)
    width = np.ptp(train, axis=0)
    for cells in (tables.holdout, tables.synthetic, tables.train):
        rows = np.stack([c.to_numpy() for c in cells], axis=1)
        near = np.sort(cdist(rows / width, train / width, "cityblock"), axis=1)[:, :5]
        np.testing.assert_allclose(outlyingness_of(tables, cells), near.mean(axis=1), atol=1e-12)


def test_two_training_rows_are_enough() -> None:
    tables = _tables(np.zeros((1, 1)), np.array([[0.0], [2.0]]), np.ones((4, 1)))
    assert outlyingness(tables).tolist() == [1.0, 1.0]
    assert outlyingness_of(tables, tables.holdout).tolist() == [0.5] * 4
    assert tenths(outlyingness(tables), outlyingness(tables)).tolist() == [0, 0]


def test_tenths_hold_a_tenth_each() -> None:
    values = np.random.default_rng(1).permutation(1000).astype(float)
    found = tenths(values, values)
    assert np.bincount(found).tolist() == [100] * 10
    assert found[values.argmin()] == 0
    assert found[values.argmax()] == 9
    assert (np.diff(found[np.argsort(values)]) >= 0).all()


def test_equal_values_share_a_tenth() -> None:
    values = np.repeat([0.0, 1.0, 2.0], [50, 45, 5])
    found = tenths(values, values)
    assert len(set(found[:50])) == len(set(found[50:95])) == len(set(found[95:])) == 1
    assert found[0] < found[60] < found[99] == 9


def test_other_rows_fall_in_the_tenths_of_the_training_rows() -> None:
    found = tenths(np.arange(1.0, 101.0), np.array([-5.0, 10.0, 10.5, 55.0, 90.0, 90.5, 1e9]))
    assert found.tolist() == [0, 0, 1, 5, 8, 9, 9]


def test_vulnerable_records_are_the_most_outlying() -> None:
    values = outlyingness(_case(200, 3)[0])
    found = vulnerable_records(values, 20)
    rows = [v.row for v in found]
    assert rows[0] == 17
    assert len(set(rows)) == 20
    assert [v.outlyingness for v in found] == np.sort(values)[::-1][:20].tolist() == values[rows].tolist()
    assert all(v.suspicion is None for v in found)
    assert len(vulnerable_records(values, 10**6)) == 200


def test_among_equals_the_first_rows_are_listed() -> None:
    assert [v.row for v in vulnerable_records(np.array([1.0, 2.0, 2.0, 1.0, 2.0]), 4)] == [1, 2, 4, 0]


def test_suspicion_is_a_percentile_among_unseen_rows() -> None:
    tables, _ = _case(200, 4)
    evidence = membership_density(tables, seed=0)
    found = vulnerable_records(outlyingness(tables), 200, evidence=evidence)
    scored = dict(zip(evidence.members.at.tolist(), evidence.scores.members, strict=True))
    for record in found:
        if record.row in scored:
            below = np.mean(evidence.scores.non_members < scored[record.row])
            assert record.suspicion == pytest.approx(100 * below)
        else:
            assert record.suspicion is None
    assert sum(v.suspicion is not None for v in found) == len(scored) == 100


def test_a_copied_outlier_is_listed_first_and_most_suspect() -> None:
    tables, _ = _case(400, 6)
    for seed in range(20):
        evidence = membership_density(tables, seed=seed)
        if 17 in evidence.members.at:
            first = vulnerable_records(outlyingness(tables), 1, evidence=evidence)[0]
            assert (first.row, first.suspicion) == (17, 100.0)
            return
    pytest.fail("row 17 was never attacked")
