from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.spatial.distance import cdist

from jaxsynth.audit.candidates import split
from jaxsynth.audit.density import FLOOR, K, membership_density
from jaxsynth.audit.inputs import AuditTables, read_tables
from jaxsynth.errors import AuditError
from jaxsynth.schema import Schema


def _real(n: int, rng: np.random.Generator) -> np.ndarray:
    x = rng.normal(size=(n, 6))
    x[:, 3:] += x[:, :3]
    return x


def _tables(
    synthetic: np.ndarray, train: np.ndarray, holdout: np.ndarray, *, threads: int = 0, decimals: int = 9
) -> AuditTables:
    arrow = [
        pa.table({f"x{j}": c for j, c in enumerate(x.T.round(decimals))}) for x in (synthetic, train, holdout)
    ]
    return read_tables(arrow[0], arrow[1], arrow[2], Schema.infer(pa.concat_tables(arrow)), threads=threads)


def _case(n: int, seed: int, noise: float | None, *, decimals: int = 9) -> AuditTables:
    """A release that repeats training rows with noise; independent of them for None."""
    rng = np.random.default_rng(seed)
    train, holdout, synthetic = (_real(n, rng) for _ in range(3))
    if noise is not None:
        synthetic = train[rng.integers(0, n, n)] + noise * rng.normal(size=train.shape)
    return _tables(synthetic, train, holdout, decimals=decimals)


def test_scores_match_all_pairs() -> None:
    rng = np.random.default_rng(0)
    synthetic, train, holdout = _real(80, rng), _real(60, rng), _real(90, rng)
    train[:4] = synthetic[0]
    evidence = membership_density(_tables(synthetic, train, holdout), seed=3)
    parts = split(60, 90, seed=3)
    width = np.ptp(np.concatenate([synthetic, train, holdout]).round(9), axis=0)

    def mean_log(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        near = np.sort(cdist(a.round(9) / width, b.round(9) / width, "cityblock"), axis=1)[:, :K]
        logs: np.ndarray = np.log(np.maximum(near, FLOOR)).mean(axis=1)
        return logs

    reference, release = holdout[parts.reference], holdout[parts.release]
    assert evidence.baseline is not None
    for rows, found, real in (
        (train[parts.members], evidence.scores.members, evidence.baseline.members),
        (holdout[parts.non_members], evidence.scores.non_members, evidence.baseline.non_members),
    ):
        np.testing.assert_allclose(found, mean_log(rows, reference) - mean_log(rows, synthetic), atol=1e-9)
        np.testing.assert_allclose(real, mean_log(rows, reference) - mean_log(rows, release), atol=1e-9)


def test_a_leaking_release_fails_and_a_smooth_one_passes() -> None:
    leak = membership_density(_case(3000, 1, 0.1), seed=0).results(seed=0)
    assert [r.verdict for r in leak[:2]] == ["fail", "fail"]
    assert leak[0].estimate > 0.7
    smooth = membership_density(_case(9000, 2, 3.0), seed=0).results(seed=0)
    assert [r.verdict for r in smooth] == ["pass"] * 3


def test_copies_lead_the_ranking() -> None:
    evidence = membership_density(_case(800, 3, 0.0), seed=0)
    copied = evidence.scores.members > np.quantile(evidence.scores.non_members, 0.99)
    assert 0.4 < np.mean(copied) < 0.8  # 1 - 1/e of the rows are drawn into the release


@pytest.mark.parametrize("decimals", [9, 0])
def test_an_innocent_release_fails_in_at_most_one_case_of_twenty(decimals: int) -> None:
    alarms = 0
    for seed in range(60):
        found = membership_density(_case(500, 100 + seed, None, decimals=decimals), seed=seed).results(seed=seed)
        alarms += any(r.verdict == "fail" for r in found)
    assert alarms <= 3


def test_threads_change_nothing() -> None:
    rng = np.random.default_rng(4)
    rows = [_real(n, rng) for n in (300, 200, 200)]
    one, two = (membership_density(_tables(*rows, threads=t), seed=1).results(seed=1) for t in (1, 2))
    assert one == two
    assert one != membership_density(_tables(*rows), seed=2).results(seed=2)


def test_the_smallest_tables() -> None:
    rng = np.random.default_rng(5)
    tables = _tables(_real(1, rng), _real(2, rng), _real(4, rng))
    assert [r.verdict for r in membership_density(tables, seed=0).results(seed=0)] == ["underpowered"] * 3
    with pytest.raises(AuditError, match="holdout: 3 rows, an audit needs at least 4"):
        membership_density(_tables(_real(1, rng), _real(2, rng), _real(3, rng)), seed=0)
