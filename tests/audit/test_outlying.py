from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.spatial.distance import cdist

from jaxsynth.audit.density import membership_density
from jaxsynth.audit.inputs import AuditTables, read_tables
from jaxsynth.audit.outlying import decile_labels, outlyingness, vulnerable_records
from jaxsynth.errors import AuditError
from jaxsynth.neighbours import search
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


def test_two_training_rows_are_enough() -> None:
    tables = _tables(np.zeros((1, 1)), np.array([[0.0], [2.0]]), np.zeros((2, 1)))
    assert outlyingness(tables).tolist() == [1.0, 1.0]
    assert decile_labels(outlyingness(tables), np.arange(2)).tolist() == [1, 1]


def test_deciles_hold_a_tenth_each() -> None:
    values = np.random.default_rng(1).permutation(1000).astype(float)
    labels = decile_labels(values, np.arange(1000))
    assert np.bincount(labels).tolist() == [0] + [100] * 10
    assert labels[values.argmin()] == 1
    assert labels[values.argmax()] == 10
    assert (np.diff(labels[np.argsort(values)]) >= 0).all()


def test_equal_values_share_a_decile() -> None:
    values = np.repeat([0.0, 1.0, 2.0], [50, 45, 5])
    labels = decile_labels(values, np.arange(100))
    assert len(set(labels[:50])) == len(set(labels[50:95])) == len(set(labels[95:])) == 1
    assert labels[0] < labels[60] < labels[99] == 10


def test_a_copy_of_an_outlier_lands_in_its_decile() -> None:
    tables, _ = _case(200, 2)
    nearest = search(tables.train, tables.synthetic, tables.schema, k=1).rows[:, 0]
    labels = decile_labels(outlyingness(tables), nearest)
    assert nearest[0] == 17
    assert labels[0] == 10
    assert len(labels) == 201


def test_vulnerable_records_are_the_most_outlying() -> None:
    tables, _ = _case(200, 3)
    values = outlyingness(tables)
    found = vulnerable_records(tables, 20)
    assert found.rows[0] == 17
    assert len(set(found.rows)) == 20
    np.testing.assert_array_equal(found.outlyingness, np.sort(values)[::-1][:20])
    np.testing.assert_array_equal(values[found.rows], found.outlyingness)
    assert np.isnan(found.suspicion).all()
    assert len(vulnerable_records(tables, 10**6).rows) == 200


def test_suspicion_is_a_percentile_among_unseen_rows() -> None:
    tables, _ = _case(200, 4)
    evidence = membership_density(tables, seed=0)
    found = vulnerable_records(tables, 200, evidence=evidence)
    scored = dict(zip(evidence.members.at.tolist(), evidence.scores.members, strict=True))
    for row, percentile in zip(found.rows.tolist(), found.suspicion, strict=True):
        if row in scored:
            assert percentile == pytest.approx(100 * np.mean(evidence.scores.non_members < scored[row]))
        else:
            assert np.isnan(percentile)
    assert np.isfinite(found.suspicion).sum() == len(scored) == 100


def test_refuses_no_records() -> None:
    with pytest.raises(AuditError, match="n is 0"):
        vulnerable_records(_case(20, 5)[0], 0)
