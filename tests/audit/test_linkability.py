from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.spatial.distance import cdist

from jaxsynth.audit.inputs import AuditTables, read_tables
from jaxsynth.audit.linkability import linkability
from jaxsynth.errors import AuditError
from jaxsynth.schema import Schema


def _numbers(n: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table({f"x{j}": rng.normal(size=n) for j in range(6)})


def _read(synthetic: pa.Table, train: pa.Table, holdout: pa.Table) -> AuditTables:
    return read_tables(synthetic, train, holdout, Schema.infer(train), threads=1)


@pytest.mark.parametrize("k", [1, 3])
def test_links_are_those_of_brute_force(k: int) -> None:
    train, holdout, synthetic = _numbers(150, 0), _numbers(120, 1), _numbers(40, 2)
    found = linkability(_read(synthetic, train, holdout), seed=0, parts=(["x0", "x3"], ["x1", "x5"]), k=k)
    width = {n: np.ptp(np.asarray(train[n])) for n in train.column_names}
    for table, successes in ((train, found.attacked), (holdout, found.control)):
        near = []
        for part in (["x0", "x3"], ["x1", "x5"]):
            a, b = (np.stack([np.asarray(t[n]) / width[n] for n in part], axis=1) for t in (table, synthetic))
            near.append(np.argsort(cdist(a, b, "cityblock"), axis=1)[:, :k])
        expected = [bool(set(p) & set(q)) for p, q in zip(*near, strict=True)]
        assert successes.tolist() == expected


@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_naive_rate_is_that_of_random_rows(k: int) -> None:
    tables = _read(_numbers(8, 2), _numbers(20, 0), _numbers(20, 1))
    rng = np.random.default_rng(0)
    links = [bool(set(rng.permutation(8)[:k]) & set(rng.permutation(8)[:k])) for _ in range(4000)]
    assert linkability(tables, seed=0, k=k).naive[0] == pytest.approx(np.mean(links), abs=0.03)


def test_copies_are_linked() -> None:
    train, holdout, fresh = _numbers(1000, 0), _numbers(1000, 1), _numbers(1000, 2)
    synthetic = pa.concat_tables([train.slice(0, 400), fresh.slice(400)])
    (found,) = linkability(_read(synthetic, train, holdout), seed=0).results(seed=0)
    assert (found.name, found.verdict, found.n, found.n_baseline) == ("linkability", "fail", 1000, 1000)
    assert found.excess == pytest.approx(0.4, abs=0.05)


def test_strangers_are_not() -> None:
    verdicts, low = [], 0
    for seed in range(30):
        tables = _read(*(_numbers(800, 3 * seed + i) for i in range(3)))
        (found,) = linkability(tables, seed=seed, k=3).results(seed=seed)
        verdicts.append(found.verdict)
        low += found.excess_low > 0
    assert verdicts.count("fail") <= 2
    # Where nobody is linked, the attack is no better than guessing.
    assert verdicts.count("pass") >= 10
    assert low <= 3


def test_ties_link_nobody_by_themselves() -> None:
    """Two parts that say next to nothing: nearest rows are random ones of a hundred, not the first of them."""
    rng = np.random.default_rng(0)
    tables = [pa.table({"a": rng.choice(["x", "y"], n), "b": rng.choice(["x", "y"], n)}) for n in (400, 500, 500)]
    found = [linkability(_read(*tables), seed=s).attacked.mean() for s in range(40)]
    # Four pairs of values, each linked or not for all its rows at once, with probability about 100 / 200^2.
    assert np.mean(found) <= 0.03


def test_targets_and_halves_follow_the_seed() -> None:
    tables = _read(_numbers(300, 2), _numbers(300, 0), _numbers(50, 1))
    first, again, other = (linkability(tables, seed=s, n_targets=100) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.attacked, again.attacked)
    np.testing.assert_array_equal(first.sides[0].at, again.sides[0].at)
    assert first.sides[0].at.tolist() != other.sides[0].at.tolist()
    assert (first.sides[0].table, first.sides[1].table) == ("train", "holdout")
    assert len(np.unique(first.sides[0].at)) == 100
    assert first.sides[1].at.tolist() == list(range(50))


def test_threads_do_not_matter() -> None:
    sources = _numbers(300, 2), _numbers(300, 0), _numbers(50, 1)
    one, two = (read_tables(*sources, None, threads=t) for t in (1, 2))
    np.testing.assert_array_equal(linkability(one, seed=0).attacked, linkability(two, seed=0).attacked)


def test_naive_links_of_many_rows_are_computed() -> None:
    tables = _read(_numbers(3000, 2), _numbers(20, 0), _numbers(20, 1))
    expected = 1 - math.prod((3000 - 10 - i) / (3000 - i) for i in range(10))
    assert linkability(tables, seed=0, k=10).naive[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parts": (["x0"], ["y"])}, "linkability: 'y' is not a modelled column"),
        ({"parts": (["x0"], ["x0", "x1"])}, "none in both"),
        ({"parts": (["x0"], [])}, "none empty"),
        ({"k": 0}, "k is 0"),
        ({"k": 21}, "k is 21"),
        ({"n_targets": 0}, "n_targets is 0"),
    ],
)
def test_refuses(arguments: dict[str, Any], message: str) -> None:
    tables = _read(_numbers(20, 2), _numbers(20, 0), _numbers(20, 1))
    with pytest.raises(AuditError, match=message):
        linkability(tables, seed=0, **arguments)


def test_refuses_a_single_column() -> None:
    tables = [_numbers(20, s).select(["x0"]) for s in range(3)]
    with pytest.raises(AuditError, match="at least two"):
        linkability(_read(*tables), seed=0)
