from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from scipy.spatial.distance import cdist

from jaxsynth.audit import audit
from jaxsynth.errors import AuditError, TableError
from jaxsynth.schema import Column, Schema


def _patients(n: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    sick = rng.random(n) < 0.3
    return pa.table(
        {
            "age": rng.normal(60, 12, n).round(2),
            "pulse": pa.array(rng.normal(80 + 10 * sick, 15, n).round(1), mask=rng.random(n) < 0.1),
            "creatinine": rng.lognormal(0.2 + 0.5 * sick, 0.5),
            "sex": rng.choice(["female", "male"], n),
            "unit": pa.array(rng.choice(["icu", "ward", "er"], n)).dictionary_encode(),
            "died": sick,
        }
    )


def test_real_against_real_rarely_fails() -> None:
    failed = 0
    for seed in range(40):
        table = _patients(1800, seed)
        failed += bool(
            audit(table.slice(1000), train=table.slice(0, 600), holdout=table.slice(600, 400), seed=seed).failed
        )
    assert failed <= 2


@pytest.mark.parametrize("seed", range(4))
def test_one_percent_of_planted_copies_is_found(seed: int) -> None:
    train, holdout = _patients(1000, 3 * seed), _patients(1000, 3 * seed + 1)
    fresh = _patients(4950, 3 * seed + 2)
    report = audit(
        pa.concat_tables([fresh, train.slice(17, 50)], promote_options="none").unify_dictionaries(),
        train=train,
        holdout=holdout,
    )
    assert "exact_copies" in report.failed
    assert report["exact_copies"].estimate == pytest.approx(0.01)


def test_jittered_copies_are_found_without_an_exact_one() -> None:
    train, holdout, synthetic = _patients(1000, 1), _patients(1500, 2), _patients(3000, 3)
    jittered = train.slice(0, 300)
    jittered = jittered.set_column(0, "age", pc.add(jittered["age"], 0.01))
    report = audit(pa.concat_tables([synthetic, jittered]), train=train, holdout=holdout)
    assert report["exact_copies"].estimate == 0
    assert set(report.failed) == {"near_copies", "dcr", "nndr"}


def test_dcr_matches_scipy() -> None:
    rng = np.random.default_rng(0)
    train, holdout, synthetic = (rng.normal(size=(n, 3)) for n in (200, 100, 300))
    width = np.ptp(train, axis=0)
    tables = [pa.table({f"x{j}": x[:, j] for j in range(3)}) for x in (synthetic, train, holdout)]
    report = audit(tables[0], train=tables[1], holdout=tables[2])
    for rows, found in ((synthetic, report["dcr"].estimate), (holdout, report["dcr"].baseline)):
        nearest = cdist(rows / width, train / width, "cityblock").min(axis=1)
        assert found == pytest.approx(np.quantile(nearest, 0.05, method="inverted_cdf"))


def test_one_seed_one_report_whatever_the_threads() -> None:
    tables = {"train": _patients(300, 0), "holdout": _patients(200, 1)}
    first = audit(_patients(200, 2), **tables, seed=5, threads=1)
    assert first == audit(_patients(200, 2), **tables, seed=5, threads=2)
    assert first != audit(_patients(200, 2), **tables, seed=6)
    assert (first.n_train, first.n_holdout, first.n_synthetic, first.seed) == (300, 200, 200, 5)
    assert first.schema_digest == Schema.infer(tables["train"]).digest
    assert [c.name for c in first.curves] == ["dcr", "nndr"]


def test_paths_and_extra_columns(tmp_path: Path) -> None:
    train, holdout, synthetic = _patients(50, 0), _patients(40, 1), _patients(30, 2)
    numbered = holdout.append_column("record_id", pa.array([f"MRN{i:06}" for i in range(40)]))
    pq.write_table(numbered, tmp_path / "holdout.parquet")
    assert audit(synthetic, train=train, holdout=tmp_path / "holdout.parquet") == audit(
        synthetic, train=train, holdout=holdout
    )


def test_no_cell_is_in_the_json() -> None:
    schema = Schema(columns=(Column(name="c", kind="category", type="string", levels=("secret-a", "secret-b")),))
    table = pa.table({"c": ["secret-a", "secret-b"]})
    report = audit(table, train=table, holdout=pa.table({"c": ["other", "other"]}), schema=schema)
    assert "secret" not in json.dumps(report.to_json())


def test_a_holdout_cut_from_the_training_rows_is_refused() -> None:
    train = _patients(500, 0)
    with pytest.raises(AuditError, match=r"holdout: 200 of 200 rows are also in train, 0.0% are expected"):
        audit(_patients(100, 1), train=train, holdout=train.slice(0, 200))


def test_repetitions_by_chance_are_not_refused() -> None:
    rng = np.random.default_rng(0)
    train, holdout, synthetic = (pa.table({"c": rng.choice(list("abcd"), 500)}) for _ in range(3))
    report = audit(synthetic, train=train, holdout=holdout)
    assert report["exact_copies"].baseline == 1.0
    assert not report.failed


TABLE = _patients(10, 0)
FRESH = _patients(10, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"synthetic": TABLE.slice(0, 0)}, "synthetic: 0 rows, an audit needs at least 1"),
        (
            {"train": TABLE.slice(0, 1), "schema": Schema.infer(TABLE)},
            "train: 1 rows, an audit needs at least 2",
        ),
        ({"holdout": FRESH.slice(0, 1)}, "holdout: 1 rows, an audit needs at least 2"),
        ({"holdout": FRESH.drop(["sex"])}, "holdout: lacks column 'sex'"),
        (
            {"synthetic": TABLE.set_column(0, "age", pa.array(["old"] * 10))},
            "synthetic: column 'age' has type string, the schema says double; cast it",
        ),
        ({"seed": -1}, "seed is -1"),
        ({"threads": -1}, "threads is -1"),
    ],
)
def test_refuses(arguments: dict[str, Any], message: str) -> None:
    request = {"synthetic": TABLE, "train": TABLE, "holdout": FRESH, **arguments}
    with pytest.raises(AuditError, match=message):
        audit(request.pop("synthetic"), **request)


@pytest.mark.parametrize("what", ["synthetic", "train", "holdout"])
def test_refuses_nan(what: str) -> None:
    bad = TABLE.set_column(0, "age", pa.array([float("nan")] * 10))
    tables = {"synthetic": TABLE, "train": TABLE, "holdout": FRESH, what: bad}
    with pytest.raises(TableError, match=f"{what}: column 'age' holds 10 NaN cells"):
        audit(tables["synthetic"], train=tables["train"], holdout=tables["holdout"])
