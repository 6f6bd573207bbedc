from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jaxsynth.errors import AuditError, SchemaError, TableError
from jaxsynth.quality import evaluate
from jaxsynth.schema import Inequality, Schema


@pytest.fixture
def small() -> pa.Table:
    rng = np.random.default_rng(0)
    low = rng.normal(size=60)
    return pa.table({"low": low, "high": low + rng.random(60), "kind": rng.choice(["a", "b"], 60)})


def test_every_figure_comes_with_its_floor(three: Any) -> None:
    found = evaluate(three.synthetic, train=three.train, holdout=three.holdout, target="level")
    assert (found.n_train, found.n_holdout, found.n_synthetic) == (900, 500, 700)
    assert found.schema_digest == three.schema.digest
    assert len(found.columns) == len(found.marginals) == 12
    assert found.shape_error is not None
    assert found.shape_floor is not None
    assert found.shape_error > found.shape_floor
    assert found.trend_error is not None
    assert found.trend_floor is not None
    assert found.detection is not None
    assert found.detection_floor is not None
    assert found.detection > found.detection_floor
    assert found.utility is not None
    assert found.utility.target == "level"
    assert found.notes == ()


def test_evaluation_repeats(small: pa.Table) -> None:
    one, two = (evaluate(small, train=small, holdout=small, seed=3) for _ in range(2))
    assert one == two


def test_paths_are_read(small: pa.Table, tmp_path: Path) -> None:
    pq.write_table(small, tmp_path / "t.parquet")
    found = evaluate(tmp_path / "t.parquet", train=small, holdout=str(tmp_path / "t.parquet"))
    assert found.shape_error == 0.0


def test_the_schema_brings_target_and_rules(small: pa.Table) -> None:
    schema = replace(Schema.infer(small, target="kind"), constraints=(Inequality(low="low", high="high"),))
    swapped = small.set_column(0, "low", small["high"]).set_column(1, "high", small["low"])
    found = evaluate(swapped, train=small, holdout=small, schema=schema)
    assert found.violations == {"low <= high": (1.0, 0.0)}
    assert found.utility is not None
    assert found.utility.target == "kind"


def test_notes_say_what_is_left_out(small: pa.Table) -> None:
    mail = small.append_column("mail", pa.array([f"p{i}@x.org" for i in range(60)]))
    few = small.slice(0, 20).set_column(0, "low", pa.nulls(20, pa.float64()))
    found = evaluate(few, train=mail, holdout=small.set_column(2, "kind", pa.array(["a"] * 60)), target="kind")
    assert found.detection is None
    assert found.utility is None
    joined = " ".join(found.notes)
    assert "mail" in joined
    assert "no value there: low" in joined
    assert "smallest has 20" in joined
    assert "single value in the holdout" in joined


def test_one_row_does_not_crash(small: pa.Table) -> None:
    one = small.slice(0, 1)
    assert evaluate(one, train=one, holdout=one, target="kind").utility is None


@pytest.mark.parametrize("what", ["synthetic", "train", "holdout"])
def test_empty_tables_are_refused(small: pa.Table, what: str) -> None:
    tables = {"synthetic": small, "train": small, "holdout": small} | {what: small.slice(0, 0)}
    with pytest.raises(AuditError, match=f"{what}: no rows; give"):
        evaluate(tables["synthetic"], train=tables["train"], holdout=tables["holdout"])


@pytest.mark.parametrize("what", ["synthetic", "train", "holdout"])
def test_nan_is_refused(small: pa.Table, what: str) -> None:
    bad = small.set_column(0, "low", pa.array([float("nan")] + [0.0] * 59))
    tables = {"synthetic": small, "train": small, "holdout": small} | {what: bad}
    with pytest.raises(TableError, match=f"{what}: column 'low' holds 1 NaN"):
        evaluate(tables["synthetic"], train=tables["train"], holdout=tables["holdout"])


def test_unknown_targets_are_refused_by_name(small: pa.Table) -> None:
    with pytest.raises(AuditError, match=r"target: 'age' is not among the columns \['low', 'high', 'kind'\]"):
        evaluate(small, train=small, holdout=small, target="age")


def test_missing_columns_are_refused(small: pa.Table) -> None:
    with pytest.raises(AuditError, match="synthetic: lacks 1 of the 3 columns"):
        evaluate(small.drop_columns(["kind"]), train=small, holdout=small)


def test_incompatible_types_are_refused(small: pa.Table) -> None:
    with pytest.raises(AuditError, match=r"holdout: column 'kind' has type double"):
        evaluate(small, train=small, holdout=small.set_column(2, "kind", small["low"]))


def test_unsupported_types_are_refused(small: pa.Table) -> None:
    nested = small.append_column("list", pa.array([[1]] * 60))
    with pytest.raises(SchemaError, match="'list'"):
        evaluate(small, train=nested, holdout=small)


@pytest.mark.parametrize("seed", [-1, 1.5, True, "a"])
def test_bad_seeds_are_refused(small: pa.Table, seed: Any) -> None:
    with pytest.raises(AuditError, match="not a non-negative integer"):
        evaluate(small, train=small, holdout=small, seed=seed)
