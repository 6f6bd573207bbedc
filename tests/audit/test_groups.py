from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from jaxsynth.audit import AuditReport, audit
from jaxsynth.audit.copying import copying
from jaxsynth.audit.density import membership_density
from jaxsynth.audit.evidence import Evidence, Rows, TableName
from jaxsynth.audit.groups import LEAST_ROWS, MISSING, MOST_LEVELS, break_down, by_column, by_outlyingness
from jaxsynth.audit.inputs import AuditTables, read_tables
from jaxsynth.errors import AuditError
from jaxsynth.schema import Schema


def _tables(synthetic: pa.Table, train: pa.Table, holdout: pa.Table) -> AuditTables:
    return read_tables(synthetic, train, holdout, Schema.infer(train), threads=1)


def _patients(n: int, rng: np.random.Generator) -> pa.Table:
    columns = {f"x{j}": rng.normal(size=n) for j in range(3)}
    return pa.table({**columns, "sex": rng.choice(["female", "male", "other"], n, p=[0.6, 0.3, 0.1])})


def _column(cells: pa.Array, more: dict[str, pa.Array] | None = None) -> pa.Table:
    return pa.table({"g": cells, "x": np.arange(len(cells)) / 7, **(more or {})})


def test_rows_are_in_the_group_of_their_own_cell() -> None:
    parts: dict[TableName, list[str | None]] = {
        "synthetic": ["b", "a", None, "b"],
        "train": ["a", "b", "b", "a"],
        "holdout": ["b", None, "a", "a", "a"],
    }
    labels = by_column(_tables(*(_column(pa.array(p).dictionary_encode()) for p in parts.values())), "g")
    assert (labels.by, labels.names) == ("g", (MISSING, "a", "b"))
    for name, cells in parts.items():
        for codes in (labels.patients, labels.released):
            assert [labels.names[c] for c in codes[name]] == [c or MISSING for c in cells]


@pytest.mark.parametrize(
    ("cells", "names", "codes"),
    [
        (pa.array([True, False, None, True]), (MISSING, "false", "true"), [2, 1, 0, 2]),
        (pa.array([3, 1, 2, 3]), ("1", "2", "3"), [2, 0, 1, 2]),
        (pa.array([0.5, 1.5, None, 0.5]), (MISSING, "0.5", "1.5"), [1, 2, 0, 1]),
    ],
)
def test_any_column_of_few_values_makes_groups(cells: pa.Array, names: tuple[str, ...], codes: list[int]) -> None:
    labels = by_column(_tables(*[_column(cells)] * 3), "g")
    assert labels.names == names
    assert labels.patients["train"].tolist() == codes


def test_a_level_of_one_table_alone_is_a_group_all_the_same() -> None:
    labels = by_column(_tables(*(_column(pa.array(list(x))) for x in ("aabz", "abab", "aabb"))), "g")
    assert labels.names == ("a", "b", "z")
    assert labels.patients["synthetic"].tolist() == [0, 0, 1, 2]


def test_too_many_values_are_refused() -> None:
    most = pa.array([f"{i:02}" for i in range(MOST_LEVELS)] * 10)
    assert len(by_column(_tables(*[_column(most)] * 3), "g").names) == MOST_LEVELS == 20
    one_more = _column(pa.array([*most.to_pylist(), None]))
    with pytest.raises(AuditError, match=r"subgroup: column 'g' has 21 different values, .* at most 20; give"):
        by_column(_tables(one_more, _column(most), _column(most)), "g")


def test_unknown_columns_are_refused() -> None:
    tables = _tables(*[_column(pa.array(list("aabb")))] * 3)
    with pytest.raises(AuditError, match=r"subgroup: 'ward' is not a modelled column; these are \['g', 'x'\]"):
        by_column(tables, "ward")


def test_columns_that_are_not_learned_are_unknown() -> None:
    rows = _column(pa.array(list("ab") * 20), {"id": pa.array([f"MRN{i:06}" for i in range(40)])})
    with pytest.raises(AuditError, match="'id' is not a modelled column"):
        by_column(_tables(rows, rows, rows), "id")


def test_released_rows_are_in_the_tenth_of_the_training_row_they_lie_nearest() -> None:
    train = np.arange(100.0)
    labels = by_outlyingness(
        train, np.array([5.0, 95.5]), synthetic=np.array([99, 0, 55]), holdout=np.array([0, 42])
    )
    assert labels.by == "outlyingness"
    assert labels.names[0] == "tenth 1"
    assert labels.names[-1] == "tenth 10"
    assert labels.of(Rows("synthetic", np.arange(3)), "synthetic").tolist() == [9, 0, 5]
    # Beside released rows a holdout row stands in for one of them; attacked itself, it has a tenth of its own.
    assert labels.of(Rows("holdout", np.arange(2)), "synthetic").tolist() == [0, 4]
    assert labels.of(Rows("holdout", np.arange(2)), "train").tolist() == [0, 9]
    assert labels.of(Rows("train", np.array([99, 3])), "train").tolist() == [9, 0]


def _case(seed: int, n: int = 1500) -> AuditTables:
    rng = np.random.default_rng(seed)
    return _tables(*(_patients(n, rng) for _ in range(3)))


def test_a_group_is_judged_on_its_own_rows_at_the_confidence_of_all() -> None:
    tables = _case(0)
    evidence: list[Evidence] = [copying(tables), membership_density(tables, seed=1)]
    found = break_down(evidence, by_column(tables, "sex"), seed=1)
    assert [(g.by, g.group) for g in found] == [("sex", "female"), ("sex", "male"), ("sex", "other")]
    cells = {
        name: np.array(t[-1].to_pylist()) for name, t in (("train", tables.train), ("holdout", tables.holdout))
    }
    cells["synthetic"] = np.array(tables.synthetic[-1].to_pylist())
    for group in found[:2]:
        masks = [[cells[side.table][side.at] == group.group for side in e.sides] for e in evidence]
        expected = [
            r
            for e, (a, b) in zip(evidence, masks, strict=True)
            for r in e.among(a, b).results(seed=1, confidence=1 - 0.05 / 3)
        ]
        assert list(group.results) == expected
        assert {r.confidence for r in group.results} == {1 - 0.05 / 3}


def test_figures_of_few_rows_are_left_out() -> None:
    rng = np.random.default_rng(2)

    def rows(rare: int) -> pa.Table:
        sex = np.array(["rare"] * rare + ["common"] * (300 - rare))
        return _patients(300, rng).set_column(3, "sex", pa.array(sex))

    few, enough = LEAST_ROWS - 1, LEAST_ROWS
    for counts, kept in (((few, 100, 100), False), ((100, 100, few), False), ((enough, 1, enough), True)):
        tables = _tables(*(rows(c) for c in counts))
        found = {g.group: g.results for g in break_down([copying(tables)], by_column(tables, "sex"), seed=0)}
        assert bool(found["rare"]) is kept
        assert len(found["common"]) == 4
        assert all(min(r.n, r.n_baseline) >= LEAST_ROWS for rs in found.values() for r in rs)


def _failing(report: AuditReport) -> set[tuple[str, str]]:
    return {(g.by, g.group) for g in report.groups for r in g.results if r.verdict == "fail"}


def test_a_leak_in_one_subgroup_is_found_there_alone() -> None:
    rng = np.random.default_rng(3)
    train, holdout, fresh = _patients(2000, rng), _patients(3000, rng), _patients(3000, rng)
    others = train.filter(np.array(train["sex"]) == "other").slice(0, 40)
    report = audit(
        pa.concat_tables([fresh, others]), train=train, holdout=holdout, audits=["copies"], subgroups=["sex"]
    )
    failing = {group for by, group in _failing(report) if by == "sex"}
    assert failing == {"other"}
    found = next(g for g in report.groups if g.group == "other")
    exact = next(r for r in found.results if r.name == "exact_copies")
    assert exact.estimate == pytest.approx(40 / exact.n)
    assert exact.verdict == "fail"


def test_copies_of_outlying_patients_are_found_in_the_tenth_tenth() -> None:
    rng = np.random.default_rng(4)
    train, holdout, fresh = _patients(2000, rng), _patients(3000, rng), _patients(3000, rng)
    far = np.argsort(-np.linalg.norm(np.stack([train[f"x{j}"].to_numpy() for j in range(3)]), axis=0))[:20]
    report = audit(pa.concat_tables([fresh, train.take(far)]), train=train, holdout=holdout, audits=["copies"])
    assert _failing(report) == {("outlyingness", "tenth 10")}
    tenth = next(g for g in report.groups if g.group == "tenth 10")
    assert "exact_copies" in {r.name for r in tenth.results if r.verdict == "fail"}
    assert report["exact_copies"].estimate == pytest.approx(20 / 3020)


def test_membership_of_outlying_patients_is_found_in_the_tenth_tenth() -> None:
    rng = np.random.default_rng(5)
    train, holdout, fresh = _patients(3000, rng), _patients(6000, rng), _patients(3000, rng)
    radius = np.linalg.norm(np.stack([train[f"x{j}"].to_numpy() for j in range(3)]), axis=0)
    far = np.argsort(-radius)[:150]
    report = audit(pa.concat_tables([fresh, train.take(far)]), train=train, holdout=holdout, audits=["membership"])
    areas = {g.group: r for g in report.groups for r in g.results if r.name == "membership_density_auc"}
    assert areas["tenth 10"].verdict == "fail"
    assert areas["tenth 1"].verdict != "fail"
    assert areas["tenth 10"].excess > 0.1


def test_real_rows_rarely_fail_in_any_group() -> None:
    failed = 0
    for seed in range(40):
        rng = np.random.default_rng([seed, 98])
        tables = [_patients(n, rng) for n in (1000, 800, 1000)]
        report = audit(
            tables[0],
            train=tables[1],
            holdout=tables[2],
            audits=["copies"],
            subgroups=["sex"],
            seed=seed,
            threads=1,
        )
        failed += bool(_failing(report))
    assert failed <= 2
