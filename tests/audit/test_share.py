from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.spatial import cKDTree

from jaxsynth.audit.clusters import Sample
from jaxsynth.audit.evidence import Rows
from jaxsynth.audit.inputs import AuditTables, read_tables
from jaxsynth.audit.result import AuditResult
from jaxsynth.audit.share import ShareEvidence, share_closer
from jaxsynth.schema import Schema


def _tables(synthetic: np.ndarray, train: np.ndarray, holdout: np.ndarray, *, threads: int = 0) -> AuditTables:
    arrow = [pa.table({f"x{j}": c for j, c in enumerate(x.T)}) for x in (synthetic, train, holdout)]
    return read_tables(arrow[0], arrow[1], arrow[2], Schema.infer(pa.concat_tables(arrow)), threads=threads)


def _judged(tables: AuditTables, seed: int = 0) -> AuditResult:
    return share_closer(tables, seed=seed).results(seed=seed)[0]


def _evidence(mine: list[float], real: list[float]) -> ShareEvidence:
    """Rows of a cluster each."""
    n, m = len(mine), len(real)
    return ShareEvidence(
        Rows("synthetic", np.arange(n)),
        Rows("holdout", np.arange(m)),
        Sample(np.arange(n), np.array(mine)),
        Sample(np.arange(n, n + m), np.array(real)),
    )


def test_shares_match_a_tree_of_scipy() -> None:
    rng = np.random.default_rng(0)
    synthetic, train, holdout = (rng.normal(size=(n, 3)) for n in (300, 150, 400))
    synthetic[:5] = train[:5]
    width = np.ptp(np.concatenate([synthetic, train, holdout]), axis=0)
    found = share_closer(_tables(synthetic, train, holdout), seed=3)
    # The training table is smaller than half of the holdout: all of it is the first sample.
    unseen = np.setdiff1d(np.arange(400), found.holdout.at)
    assert len(unseen) == 150
    trees = [cKDTree(x / width) for x in (train, holdout[unseen])]
    for rows, sample in ((synthetic, found.mine), (holdout[found.holdout.at], found.real)):
        (near, at), (other, _) = (tree.query(rows / width, p=1) for tree in trees)
        np.testing.assert_array_equal(sample.hits, np.where(near < other, 1.0, 0.0))
        np.testing.assert_array_equal(sample.clusters, at)
    assert found.mine.hits[:5].tolist() == [1.0] * 5
    result = found.results(seed=3)[0]
    assert (result.estimate, result.baseline) == (found.mine.hits.mean(), found.real.hits.mean())
    assert result.excess == pytest.approx(result.estimate - result.baseline)
    assert (result.n, result.n_baseline, result.unit, result.excess_kind) == (
        300,
        250,
        "share of rows",
        "difference",
    )


@pytest.mark.parametrize(("n", "h", "size"), [(1000, 300, 150), (100, 301, 100), (5, 4, 2), (2, 5, 2)])
def test_both_samples_are_equally_large(n: int, h: int, size: int) -> None:
    rng = np.random.default_rng(1)
    found = share_closer(_tables(*(rng.normal(size=(k, 2)) for k in (500, n, h))), seed=0)
    assert len(found.holdout.at) == len(found.real.hits) == h - size
    assert (np.diff(found.holdout.at) > 0).all()
    assert found.mine.clusters.max() < size
    assert found.synthetic.at.tolist() == list(range(500))


def test_equal_distances_count_one_half() -> None:
    rng = np.random.default_rng(2)
    synthetic, train, holdout = (rng.integers(0, 2, (n, 1)).astype(float) for n in (50, 40, 80))
    found = share_closer(_tables(synthetic, train, holdout), seed=0)
    assert (found.mine.hits == 0.5).all()
    result = found.results(seed=0)[0]
    assert (result.estimate, result.baseline, result.excess) == (0.5, 0.5, 0.0)
    assert result.verdict != "fail"


ALONE = 0.8  # the confidence of four questions together at which each has 95 %


def test_copies_lie_nearer_and_the_farthest_rows_do_not() -> None:
    rng = np.random.default_rng(3)
    train, holdout = rng.normal(size=(1000, 4)), rng.normal(size=(2000, 4))
    copied = _judged(_tables(train, train, holdout))
    assert (copied.estimate, copied.verdict) == (1.0, "fail")
    spared = _judged(_tables(holdout[:500], train, holdout))
    assert spared.excess < 0
    assert spared.verdict != "fail"


def test_jittered_rows_are_found() -> None:
    rng = np.random.default_rng(4)
    train, holdout = rng.normal(size=(2000, 4)), rng.normal(size=(4000, 4))
    mixed = np.concatenate([train[:300] + 0.02 * rng.normal(size=(300, 4)), rng.normal(size=(1700, 4))])
    assert _judged(_tables(mixed, train, holdout)).verdict == "fail"
    assert _judged(_tables(rng.normal(size=(2000, 4)), train, holdout)).verdict != "fail"


def test_the_interval_covers_no_excess_of_exchangeable_rows() -> None:
    inside, failed = 0, 0
    for seed in range(300):
        rng = np.random.default_rng([seed, 99])
        tables = _tables(*(rng.normal(size=(n, 2)) for n in (900, 500, 1000)), threads=1)
        evidence = share_closer(tables, seed=seed)
        (result,) = evidence.results(seed=seed)
        alone = evidence.results(seed=seed, confidence=ALONE)[0]
        inside += alone.excess_low <= 0 <= alone.excess_high
        failed += result.verdict == "fail"
    assert 0.93 <= inside / 300 <= 0.97
    assert failed <= 15


def test_limits_widen_with_the_confidence() -> None:
    rng = np.random.default_rng(6)
    found = _evidence(rng.integers(0, 2, 500).tolist(), rng.integers(0, 2, 300).tolist())
    narrow, wide = (found.results(seed=0, confidence=c)[0] for c in (0.95, 0.995))
    for low, high in (("low", "high"), ("baseline_low", "baseline_high"), ("excess_low", "excess_high")):
        assert getattr(wide, low) < getattr(narrow, low)
        assert getattr(wide, high) > getattr(narrow, high)
    assert wide.detectable > narrow.detectable
    assert wide.confidence == 0.995


def test_limits_of_single_rows_are_those_of_two_independent_shares() -> None:
    mine, real = [1.0] * 600 + [0.0] * 400, [1.0] * 300 + [0.0] * 300
    result = _evidence(mine, real).results(seed=0, confidence=ALONE)[0]
    error = np.sqrt(0.24 / 1000 + 0.25 / 600)
    assert result.excess == pytest.approx(0.1)
    assert (result.excess_low, result.excess_high) == pytest.approx(
        (0.1 - 1.96 * error, 0.1 + 1.96 * error), abs=0.004
    )
    assert result.detectable == pytest.approx((1.96 + 0.8416) * error, rel=0.06)


def test_some_of_the_rows_and_one_row() -> None:
    found = _evidence([1.0, 0.0, 1.0], [0.0, 1.0])
    some = found.among(np.array([True, False, True]), np.array([False, True]))
    assert some.sides[0].at.tolist() == [0, 2]
    assert some.sides[1].at.tolist() == [1]
    assert some.mine.clusters.tolist() == [0, 2]
    result = some.results(seed=0)[0]
    assert (result.estimate, result.baseline, result.n, result.n_baseline) == (1.0, 1.0, 2, 1)
    assert (result.detectable, result.verdict) == (1.0, "underpowered")


def test_one_seed_one_result_whatever_the_threads() -> None:
    rng = np.random.default_rng(7)
    tables = [rng.normal(size=(n, 3)) for n in (400, 300, 500)]
    first = _judged(_tables(*tables, threads=1), 5)
    assert first == _judged(_tables(*tables, threads=2), 5)
    assert first != _judged(_tables(*tables), 6)
