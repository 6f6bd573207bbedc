from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import jaxsynth as js
from jaxsynth.errors import CapabilityError, ConditionError, ConditionWarning, SchemaError

TINY = js.Autoregressive(
    embedding=4, hidden=32, batch=128, epochs=4, min_steps=600, dropout=0.1, learning_rate=1e-2
)


@pytest.fixture(scope="module")
def linked() -> pa.Table:
    """`b` is `a` in other words, `c` follows `a` by a tenth of its cells missing, `x` is continuous."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 4, 3000)
    return pa.table(
        {
            "a": pa.array(np.array(["p", "q", "r", "s"])[a], mask=rng.random(3000) < 0.1),
            "b": np.array(["P", "Q", "R", "S"])[a],
            "c": pa.array(a * 10 + rng.integers(0, 3, 3000), mask=rng.random(3000) < 0.1),
            "x": np.round(a * 100 + rng.normal(0, 20, 3000), 3),
        }
    )


@pytest.fixture(scope="module")
def fitted(linked: pa.Table) -> js.Synthesizer:
    return js.fit(linked, TINY, seed=0, progress=False)


def test_likely_rows_score_higher(fitted: js.Synthesizer, linked: pa.Table) -> None:
    real = fitted.log_prob(linked)
    broken = linked.set_column(1, "b", pa.array(linked["b"].to_pylist()[::-1]))
    assert real.shape == (3000,)
    assert real.dtype == np.float32
    assert real.mean() > fitted.log_prob(broken).mean() + 1
    np.testing.assert_allclose(fitted.log_prob(linked.slice(5, 7)), real[5:12], rtol=1e-4)
    assert fitted.log_prob(linked.slice(0, 0)).shape == (0,)


def test_values_never_seen_score_as_the_nearest_known(fitted: js.Synthesizer, linked: pa.Table) -> None:
    row = linked.slice(0, 1).set_column(2, "c", pa.array([25], pa.int64()))
    assert np.isfinite(fitted.log_prob(row)).all()


def test_nulls_are_filled_and_other_cells_kept(fitted: js.Synthesizer, linked: pa.Table) -> None:
    full = fitted.impute(linked, seed=1)
    assert full.schema.equals(linked.schema)
    assert sum(c.null_count for c in full.columns) == 0
    for name in linked.column_names:
        known = linked[name].is_valid()
        assert full[name].filter(known).equals(linked[name].filter(known))
    filled = full.filter(linked["a"].is_null())
    right = pc.equal(pc.utf8_upper(filled["a"]), filled["b"])
    assert np.mean(right.to_pylist()) > 0.9
    assert full.equals(fitted.impute(linked, seed=1))
    assert not full.equals(fitted.impute(linked, seed=2))


def test_imputation_of_a_table_without_rows_or_nulls(fitted: js.Synthesizer, linked: pa.Table) -> None:
    assert fitted.impute(linked.slice(0, 0), seed=0).num_rows == 0
    whole = linked.drop_null()
    assert fitted.impute(whole, seed=0).equals(whole)


def test_the_other_columns_follow_the_condition(fitted: js.Synthesizer) -> None:
    made = fitted.sample(2000, seed=0, where={"b": "R"})
    assert set(made["b"].to_pylist()) == {"R"}
    known = made["a"].drop_null()
    assert np.mean([v == "r" for v in known.to_pylist()]) > 0.7
    ranged = fitted.sample(2000, seed=0, where={"x": js.between(280, None), "a": ["r", "s"]})
    assert min(ranged["x"].to_pylist()) >= 280
    assert np.mean([v == "s" for v in ranged["a"].to_pylist()]) > 0.7


def test_a_condition_is_weighed(fitted: js.Synthesizer, linked: pa.Table) -> None:
    report = fitted.weigh({"b": "R"})
    assert report.probability == pytest.approx(np.mean([v == "R" for v in linked["b"].to_pylist()]), abs=0.05)
    assert report.effective_share == pytest.approx(1)
    assert "probability" in str(report)
    joint = fitted.weigh({"a": ["p", "q"], "b": ["P", "S"]})
    assert 0 < joint.effective_share < 1


def test_a_coarse_condition_is_warned_of(fitted: js.Synthesizer) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        share = fitted.weigh({"a": ["p", "q", "r"], "b": "S"}).effective_share
        fitted.sample(10, seed=0, where={"a": ["p", "q", "r"], "b": "S"})
    assert any(issubclass(w.category, ConditionWarning) for w in caught) == (share < 0.05)


def test_what_a_model_cannot_do_names_one_that_can(synth: js.Synthesizer, table: pa.Table) -> None:
    for call in (
        lambda: synth.log_prob(table),
        lambda: synth.impute(table, seed=0),
        lambda: synth.weigh({"sex": "male"}),
    ):
        with pytest.raises(CapabilityError, match="Autoregressive"):
            call()


def test_bad_input_is_refused(fitted: js.Synthesizer, linked: pa.Table) -> None:
    with pytest.raises(SchemaError, match="'c'"):
        fitted.impute(linked.drop_columns(["c"]), seed=0)
    with pytest.raises(ConditionError, match="seed"):
        fitted.impute(linked, seed=-1)
    with pytest.raises(ConditionError, match="nowhere"):
        fitted.weigh({"nowhere": 1})
