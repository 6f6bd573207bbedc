from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from scipy.spatial.distance import cdist

from jaxsynth.audit import AuditReport, audit
from jaxsynth.audit.run import AuditName
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
        real = {"train": table.slice(0, 600), "holdout": table.slice(600, 400)}
        failed += bool(audit(table.slice(1000), **real, audits=["copies"], seed=seed, threads=1).failed)
    assert failed <= 2


@pytest.mark.parametrize("seed", range(4))
def test_one_percent_of_planted_copies_is_found(seed: int) -> None:
    train, holdout = _patients(1000, 3 * seed), _patients(1000, 3 * seed + 1)
    fresh = _patients(4950, 3 * seed + 2)
    report = audit(
        pa.concat_tables([fresh, train.slice(17, 50)], promote_options="none").unify_dictionaries(),
        train=train,
        holdout=holdout,
        audits=["copies"],
    )
    assert "exact_copies" in report.failed
    assert report["exact_copies"].estimate == pytest.approx(0.01)


def test_jittered_copies_are_found_without_an_exact_one() -> None:
    train, holdout, synthetic = _patients(1000, 1), _patients(1500, 2), _patients(3000, 3)
    jittered = train.slice(0, 300)
    jittered = jittered.set_column(0, "age", pc.add(jittered["age"], 0.01))
    report = audit(pa.concat_tables([synthetic, jittered]), train=train, holdout=holdout, audits=["copies"])
    assert report["exact_copies"].estimate == 0
    assert set(report.failed) == {"near_copies", "dcr", "nndr"}


def test_dcr_matches_scipy() -> None:
    rng = np.random.default_rng(0)
    train, holdout, synthetic = (rng.normal(size=(n, 3)) for n in (200, 100, 300))
    width = np.ptp(train, axis=0)
    tables = [pa.table({f"x{j}": x[:, j] for j in range(3)}) for x in (synthetic, train, holdout)]
    report = audit(tables[0], train=tables[1], holdout=tables[2], audits=["copies"])
    for rows, found in ((synthetic, report["dcr"].estimate), (holdout, report["dcr"].baseline)):
        nearest = cdist(rows / width, train / width, "cityblock").min(axis=1)
        assert found == pytest.approx(np.quantile(nearest, 0.05, method="inverted_cdf"))


def test_one_seed_one_report_whatever_the_threads() -> None:
    tables = {"train": _patients(300, 0), "holdout": _patients(200, 1)}
    first = audit(_patients(200, 2), **tables, subgroups=["sex"], planted=0.02, seed=5, threads=1)
    assert first == audit(_patients(200, 2), **tables, subgroups=["sex"], planted=0.02, seed=5, threads=2)
    assert first != audit(_patients(200, 2), **tables, subgroups=["sex"], planted=0.02, seed=6)
    assert (first.n_train, first.n_holdout, first.n_synthetic, first.seed) == (300, 200, 200, 5)
    assert first.schema_digest == Schema.infer(tables["train"]).digest
    assert [c.name for c in first.curves] == ["dcr", "nndr"]
    assert first.audience == "internal"


COPIES = ["exact_copies", "near_copies", "dcr", "nndr", "dcr_share"]
MEMBERSHIP = [f"membership_{a}_{f}" for a in ("density", "features") for f in ("auc", "tpr_1", "tpr_01")]
SINGLING_OUT = ["singling_out_univariate", "singling_out_multivariate"]
INFERENCE = [f"inference_{c}" for c in ("age", "pulse", "creatinine", "sex", "unit", "died")]
SMALL = {"train": _patients(120, 0), "holdout": _patients(100, 1)}


def _names(report: AuditReport) -> list[str]:
    return [r.name for r in report.results]


def test_all_audits_are_run_unless_some_are_named() -> None:
    everything = audit(_patients(80, 2), **SMALL)
    assert _names(everything) == [*COPIES, *MEMBERSHIP, *SINGLING_OUT, "linkability", *INFERENCE]
    for result in everything.results:
        assert (
            -1 <= result.excess_low <= result.excess <= result.excess_high <= 1
            or result.excess_kind == "shortfall"
        )
        assert result.threat
        assert result.question.endswith("?")
    cases: list[tuple[list[AuditName], list[str]]] = [
        (["copies"], COPIES),
        (["membership"], MEMBERSHIP),
        (["singling_out"], SINGLING_OUT),
        (["linkability"], ["linkability"]),
        (["inference", "copies"], [*INFERENCE, *COPIES]),
    ]
    for names, found in cases:
        some = audit(_patients(80, 2), **SMALL, audits=names)
        assert _names(some) == found
        assert [some[n] for n in found] == [everything[n] for n in found]
        assert bool(some.curves) is ("copies" in names)


def test_every_figure_is_broken_down_by_outlyingness_and_subgroups() -> None:
    train, holdout, synthetic = _patients(1500, 0), _patients(1600, 1), _patients(1700, 2)
    report = audit(
        synthetic, train=train, holdout=holdout, audits=["copies", "membership"], subgroups=["sex", "died"]
    )
    assert [(g.by, g.group) for g in report.groups] == [
        ("sex", "female"), ("sex", "male"), ("died", "false"), ("died", "true"),
        *(("outlyingness", f"tenth {i}") for i in range(1, 11)),
    ]  # fmt: skip
    groups = {g.group: g.results for g in report.groups}
    exact = [next(r for r in groups[s] if r.name == "exact_copies") for s in ("female", "male")]
    assert sum(r.n for r in exact) == 1700
    assert sum(r.n_baseline for r in exact) == 1600
    assert {r.confidence for r in groups["female"]} == {0.975}
    assert {r.confidence for r in groups["tenth 1"]} == {0.995}
    assert {r.confidence for r in report.results} == {0.95}


def test_vulnerable_records_are_listed_with_what_the_attack_thinks_of_them() -> None:
    outlier = _patients(1, 7).set_column(0, "age", pa.array([400.0])).set_column(2, "creatinine", pa.array([90.0]))
    train = pa.concat_tables([_patients(99, 0), outlier])
    real = {"train": train, "holdout": SMALL["holdout"]}
    found = audit(_patients(80, 2), **real, audits=["copies"]).vulnerable
    assert len(found) == 20
    assert found[0].row == 99
    assert all(v.suspicion is None for v in found)
    assert [v.outlyingness for v in found] == sorted((v.outlyingness for v in found), reverse=True)
    attacked = audit(_patients(80, 2), **real, audits=["membership"]).vulnerable
    assert [v.row for v in attacked] == [v.row for v in found]
    assert any(v.suspicion is not None for v in attacked)


def test_only_the_secrets_that_are_named_are_guessed() -> None:
    report = audit(_patients(80, 2), **SMALL, audits=["inference"], secrets=["died", "sex"])
    assert _names(report) == ["inference_died", "inference_sex"]
    with pytest.raises(AuditError, match="inference: 'race' is not a modelled column"):
        audit(_patients(80, 2), **SMALL, audits=["inference"], secrets=["race"])


def test_one_column_leaves_out_what_needs_two() -> None:
    rng = np.random.default_rng(0)
    train, holdout, synthetic = (pa.table({"x": rng.normal(size=100)}) for _ in range(3))
    assert _names(audit(synthetic, train=train, holdout=holdout)) == [*COPIES, *MEMBERSHIP, *SINGLING_OUT]
    for name in ("linkability", "inference"):
        with pytest.raises(AuditError, match="at least"):
            audit(synthetic, train=train, holdout=holdout, audits=[name])


@dataclass(frozen=True)
class HandMade:
    """Releases of generators that repeat what they have seen, with noise."""

    releases: tuple[pa.Table, ...]
    inside: np.ndarray


def _release(rows: pa.Table, seen: np.ndarray, n: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    taken = rows.take(rng.choice(np.flatnonzero(seen), n))
    return taken.set_column(0, "age", pa.array(taken["age"].to_numpy() + rng.normal(0, 0.5, n)))


def _shadows(train: pa.Table, holdout: pa.Table, n: int) -> HandMade:
    pool = pa.concat_tables([train, holdout]).unify_dictionaries()
    rng = np.random.default_rng(0)
    inside = np.stack([rng.permutation(len(pool)) < len(pool) // 2 for _ in range(n)])
    return HandMade(tuple(_release(pool, own, len(train), i) for i, own in enumerate(inside)), inside)


def test_shadows_add_membership_by_likelihood_ratios() -> None:
    train, holdout = _patients(300, 0), _patients(300, 1)
    synthetic = _release(train, np.ones(300, bool), 300, 99)
    real: dict[str, Any] = {"train": train, "holdout": holdout, "audits": ["membership"]}
    plain = audit(synthetic, **real)
    report = audit(synthetic, **real, shadows=_shadows(train, holdout, 8))
    ratios = [f"membership_{a}_{f}" for a in ("lira", "rmia") for f in ("auc", "tpr_1", "tpr_01")]
    assert _names(report) == [*MEMBERSHIP, *ratios]
    assert report.results[: len(MEMBERSHIP)] == plain.results
    for name in ("membership_lira_auc", "membership_rmia_auc"):
        assert report[name].estimate > 0.6
        assert report[name].baseline == 0.5
        assert report[name].verdict == "fail"
    assert (
        audit(_patients(300, 5), **real, shadows=_shadows(train, holdout, 8))["membership_lira_auc"].excess < 0.1
    )


def test_shadows_of_other_tables_are_refused() -> None:
    shadows = _shadows(SMALL["train"], SMALL["holdout"], 4)
    with pytest.raises(AuditError, match="inside"):
        audit(
            _patients(80, 2),
            **SMALL,
            audits=["membership"],
            shadows=HandMade(shadows.releases, shadows.inside[:, 1:]),
        )
    lacking = HandMade((shadows.releases[0], *(t.drop(["sex"]) for t in shadows.releases[1:])), shadows.inside)
    with pytest.raises(AuditError, match="shadow 1: lacks column 'sex'"):
        audit(_patients(80, 2), **SMALL, audits=["membership"], shadows=lacking)


def test_json_round_trip_with_everything(tmp_path: Path) -> None:
    shadows = _shadows(SMALL["train"], SMALL["holdout"], 4)
    report = audit(_patients(80, 2), **SMALL, subgroups=["sex"], secrets=["died"], shadows=shadows, planted=0.05)
    assert report.self_test is not None
    assert report.groups
    assert report.vulnerable
    report.save(tmp_path / "audit.json")
    assert AuditReport.from_json(json.loads((tmp_path / "audit.json").read_text(encoding="utf8"))) == report


def test_progress_names_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    audit(_patients(80, 2), **SMALL, audits=["copies", "singling_out"], progress=True)
    streams = capsys.readouterr()
    assert [line.split("  ")[0] for line in streams.err.splitlines()] == [
        "audit 1/5: nearest training rows",
        "audit 2/5: copies",
        "audit 3/5: singling out",
        "audit 4/5: outlying records",
        "audit 5/5: groups and intervals",
    ]
    audit(_patients(80, 2), **SMALL, audits=["copies"])
    assert capsys.readouterr() == ("", "")
    assert streams.out == ""


def test_an_interrupted_audit_stops_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    threads = threading.active_count()
    monkeypatch.setattr(sys.modules["jaxsynth.audit.run"], "linkability", stop)
    with pytest.raises(KeyboardInterrupt):
        audit(_patients(80, 2), **SMALL, audits=["copies", "linkability", "inference"], progress=True)
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == threads
    assert "inference" not in capsys.readouterr().err


ENDLESS = """
import numpy as np, pyarrow as pa
from jaxsynth.audit import audit
rng = np.random.default_rng(0)
rows = [pa.table({f"x{j}": rng.normal(size=150_000) for j in range(30)}) for _ in range(3)]
audit(rows[0], train=rows[1], holdout=rows[2], audits=["copies"], progress=True)
"""


def test_ctrl_c_ends_a_search_at_once() -> None:
    with subprocess.Popen([sys.executable, "-c", ENDLESS], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "nearest training rows" in process.stderr.readline()
        time.sleep(0.5)  # now it searches
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert process.returncode not in {0, 2}


def test_paths_and_extra_columns(tmp_path: Path) -> None:
    train, holdout, synthetic = _patients(50, 0), _patients(40, 1), _patients(30, 2)
    numbered = holdout.append_column("record_id", pa.array([f"MRN{i:06}" for i in range(40)]))
    pq.write_table(numbered, tmp_path / "holdout.parquet")
    assert audit(synthetic, train=train, holdout=tmp_path / "holdout.parquet", audits=["copies"]) == audit(
        synthetic, train=train, holdout=holdout, audits=["copies"]
    )


def test_no_cell_is_in_the_json() -> None:
    levels = ("secret-a", "secret-b")
    schema = Schema(columns=(Column(name="c", kind="category", type="string", levels=levels),))
    table = pa.table({"c": [*levels, "secret-c", "secret-d"]})
    report = audit(table, train=table, holdout=pa.table({"c": ["other"] * 4}), schema=schema, planted=0.5)
    assert "secret" not in json.dumps(report.to_json())


def test_a_holdout_cut_from_the_training_rows_is_refused() -> None:
    train = _patients(500, 0)
    with pytest.raises(AuditError, match=r"holdout: 200 of 200 rows are also in train, 0.0% are expected"):
        audit(_patients(100, 1), train=train, holdout=train.slice(0, 200))


def test_repetitions_by_chance_are_not_refused() -> None:
    rng = np.random.default_rng(0)
    train, holdout, synthetic = (pa.table({"c": rng.choice(list("abcd"), 500)}) for _ in range(3))
    report = audit(synthetic, train=train, holdout=holdout, audits=["copies"])
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
        ({"holdout": FRESH.slice(0, 3)}, "holdout: 3 rows, an audit needs at least 4"),
        ({"holdout": FRESH.drop(["sex"])}, "holdout: lacks column 'sex'"),
        (
            {"synthetic": TABLE.set_column(0, "age", pa.array(["old"] * 10))},
            "synthetic: column 'age' has type string, the schema says double; cast it",
        ),
        ({"seed": -1}, "seed is -1"),
        ({"threads": -1}, "threads is -1"),
        (
            {"audits": ["copies", "luck"]},
            "audits: 'luck' is no audit; choose from copies, membership, singling_out",
        ),
        ({"audits": []}, "audits: none is named; leave it out for all"),
        ({"subgroups": ["race"]}, "subgroup: 'race' is not a modelled column"),
        ({"planted": 0.0}, "planted is 0.0; give the share"),
        ({"planted": 1.5}, "planted is 1.5; give the share"),
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
