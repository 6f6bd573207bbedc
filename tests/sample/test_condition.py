from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import jaxsynth as js
from jaxsynth.errors import ConditionError
from jaxsynth.sample import Between, parse_where
from tests.conftest import TINY


def within(column: str, low: Any, high: Any) -> Any:
    return lambda t: pc.and_(pc.greater_equal(t[column], low), pc.less_equal(t[column], high))


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ({"sex": "female"}, lambda t: pc.equal(t["sex"], "female")),
        ({"grade": ["low", "high"]}, lambda t: pc.not_equal(t["grade"].cast(pa.string()), "mid")),
        ({"smoker": True}, lambda t: t["smoker"]),
        ({"age": js.between(65, 80)}, within("age", 65, 80)),
        ({"age": 70}, lambda t: pc.equal(t["age"], 70)),
        ({"cost": js.between(1000.5, 1200.25)}, within("cost", 1000.5, 1200.25)),
        ({"cost": js.between(None, 500)}, lambda t: pc.less_equal(t["cost"], 500)),
        ({"visits": 0}, lambda t: pc.equal(t["visits"], 0)),
        ({"cost": [1234.5, 1234.56, 90.0]}, lambda t: pc.is_in(t["cost"], pa.array([1234.5, 1234.56, 90.0]))),
        ({"cost": 777.7}, lambda t: pc.equal(t["cost"], 777.7)),
        (
            {"admitted": js.between("2018-01-01", dt.date(2018, 6, 30))},
            within("admitted", dt.date(2018, 1, 1), dt.date(2018, 6, 30)),
        ),
    ],
    ids=[
        "level", "levels", "boolean", "range", "value", "decimal range", "open range", "inflated",
        "numbers", "number", "dates",
    ],
)  # fmt: skip
def test_every_row_satisfies_the_condition(synth: js.Synthesizer, where: dict[str, Any], holds: Any) -> None:
    out = synth.sample(5000, seed=1, where=where)
    assert out.num_rows == 5000
    satisfied = holds(out)
    assert satisfied.null_count == 0
    assert pc.all(satisfied).as_py()


def test_conditions_combine_and_repeat(synth: js.Synthesizer) -> None:
    where = {"sex": "male", "age": js.between(20, 50)}
    out = synth.sample(6000, seed=1, where=where)
    assert set(out["sex"].to_pylist()) == {"male"}
    assert max(out["age"].to_pylist()) <= 50
    assert synth.sample(1000, seed=1, start=5000, where=where).equals(out.slice(5000))


def test_the_other_columns_follow_the_condition() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 4, 4000)
    table = pa.table(
        {"a": a.astype(str), "b": np.where(rng.random(4000) < 0.95, a, rng.integers(0, 4, 4000)).astype(str)}
    )
    config = js.VAE(latent=4, hidden=(64,), batch=200, epochs=60, min_steps=1000)
    synth = js.fit(table, config, seed=0, progress=False)
    given = synth.sample(4000, seed=1, where={"a": "2"})
    # A quarter of all rows; the resampled latents carry most of the dependence over.
    assert np.mean(np.asarray(given["b"]) == "2") > 0.6


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"nothing": 1}, "column 'nothing': it does not exist"),
        ({"sex": "femal"}, r"column 'sex': 'femal' is not one of its levels \('female', 'male'\)"),
        ({"sex": js.between("a", "b")}, "a range on a category column"),
        (
            {"age": js.between(200, 300)},
            r"column 'age': no value between 200 and 300; its values lie in \(\d+, 99\)",
        ),
        ({"age": js.between(80, 65)}, "column 'age': no value between 80 and 65"),
        ({"age": "old"}, "'old' is not a integer value"),
        ({"age": 40.5}, "column 'age': no value between 40.5 and 40.5"),
        ({"admitted": "yesterday"}, "'yesterday' is not a date value"),
    ],
)
def test_conditions_that_cannot_hold_are_refused(
    synth: js.Synthesizer, where: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConditionError, match=message):
        synth.sample(10, seed=0, where=where)


def test_a_regenerated_column_cannot_be_conditioned() -> None:
    table = pa.table({"id": range(50), "x": [1, 2] * 25})
    schema = js.Schema.infer(table)
    with pytest.warns(UserWarning, match="'id'"):
        synth = js.fit(table, TINY, schema=schema, progress=False)
    with pytest.raises(ConditionError, match=r"column 'id': it is not learned; learned columns are \['x'\]"):
        synth.sample(1, seed=0, where={"id": 3})


def test_conditions_from_text() -> None:
    assert parse_where(["age >= 65", "age<=80", "sex = female", "race in white, black", "x==1.5"]) == {
        "age": Between(65, 80),
        "sex": "female",
        "race": ["white", "black"],
        "x": 1.5,
    }


@pytest.mark.parametrize("texts", [["age"], ["age > 3 4"], ["age = 3", "age = 4"], ["a = 1", "a >= 2"], [""]])
def test_text_of_another_form_is_refused(texts: list[str]) -> None:
    with pytest.raises(ConditionError, match="condition"):
        parse_where(texts)
