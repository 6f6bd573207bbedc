from __future__ import annotations

import numpy as np
import pyarrow as pa
from scipy.spatial.distance import cdist

from jaxsynth.audit.copies import exact_copies, near_copies
from jaxsynth.audit.copying import CopyEvidence, copying, nearest_training
from jaxsynth.audit.distance import dcr, nndr
from jaxsynth.audit.inputs import AuditTables, read_tables
from jaxsynth.schema import Schema


def _case(seed: int = 0, *, threads: int = 0) -> tuple[AuditTables, list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    rows = [rng.normal(size=(n, 3)) for n in (300, 200, 120)]
    rows[0][:30] = rows[1][:30]
    arrow = [pa.table({f"x{j}": c for j, c in enumerate(x.T)}) for x in rows]
    return read_tables(arrow[0], arrow[1], arrow[2], Schema.infer(arrow[1]), threads=threads), rows


def _found() -> CopyEvidence:
    return copying(_case()[0])


def test_the_two_nearest_training_rows_match_all_pairs() -> None:
    tables, (synthetic, train, holdout) = _case()
    found, width = copying(tables), np.ptp(train, axis=0)
    for rows, near in ((synthetic, found.mine), (holdout, found.real)):
        pairs = cdist(rows / width, train / width, "cityblock")
        np.testing.assert_allclose(near.distances, np.sort(pairs, axis=1)[:, :2], atol=1e-12)
        np.testing.assert_array_equal(near.rows, pairs.argmin(axis=1))
    assert (found.mine.distances[:30, 0] == 0).all()
    assert found.mine.rows[:30].tolist() == list(range(30))


def test_training_rows_are_their_own_neighbours() -> None:
    tables, _ = _case()
    near = nearest_training(tables, tables.train)
    assert near.rows.tolist() == list(range(200))
    assert (near.distances[:, 0] == 0).all()
    assert (near.distances[:, 1] > 0).all()


def test_every_row_of_both_tables_is_looked_at() -> None:
    attacked, baseline = _found().sides
    assert (attacked.table, baseline.table) == ("synthetic", "holdout")
    assert attacked.at.tolist() == list(range(300))
    assert baseline.at.tolist() == list(range(120))


def test_the_results_are_the_four_screens() -> None:
    found = _found()
    first = found.mine.distances[:, 0], found.real.distances[:, 0]
    for confidence in (0.95, 0.995):
        assert found.results(seed=4, confidence=confidence) == (
            exact_copies(*first, seed=4, confidence=confidence),
            near_copies(*first, seed=4, confidence=confidence),
            dcr(found.mine, found.real, seed=4, confidence=confidence),
            nndr(found.mine, found.real, seed=4, confidence=confidence),
        )
    exact = found.results(seed=4)[0]
    assert (exact.estimate, exact.baseline, exact.verdict) == (0.1, 0.0, "fail")


def test_the_curves_are_of_both_figures() -> None:
    found = _found()
    first, second = found.curves
    assert (first.name, second.name) == ("dcr", "nndr")
    assert (first.synthetic[0], first.synthetic[-1]) == (0.0, found.mine.distances[:, 0].max())
    assert first.holdout[100] == np.median(found.real.distances[:, 0])
    assert second.holdout[100] == np.median(found.real.ratios)
    assert second.synthetic[-1] <= 1


def test_some_rows_are_judged_as_if_they_were_all() -> None:
    tables, _ = _case()
    found = copying(tables)
    attacked, baseline = np.arange(300) % 3 == 0, np.arange(120) >= 40
    some = found.among(attacked, baseline)
    assert some.sides[0].at.tolist() == list(range(0, 300, 3))
    assert some.sides[1].at.tolist() == list(range(40, 120))
    np.testing.assert_array_equal(some.mine.distances, found.mine.distances[attacked])
    np.testing.assert_array_equal(some.mine.rows, found.mine.rows[attacked])
    np.testing.assert_array_equal(some.real.distances, found.real.distances[baseline])
    again = some.among(np.arange(100) < 50, np.ones(80, bool))
    assert again.sides[0].at.tolist() == list(range(0, 150, 3))


def test_one_row_a_side_is_underpowered() -> None:
    one = _found().among(np.arange(300) == 299, np.arange(120) == 0)
    for result in one.results(seed=0, confidence=0.995):
        assert (result.n, result.n_baseline, result.verdict) == (1, 1, "underpowered")
        assert result.excess_low <= result.excess <= result.excess_high


def test_threads_do_not_show() -> None:
    one, two = (copying(_case(threads=t)[0]) for t in (1, 2))
    assert one.results(seed=1) == two.results(seed=1)
    np.testing.assert_array_equal(one.mine.rows, two.mine.rows)
