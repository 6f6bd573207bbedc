"""Domains, cuts, null patterns, types and rules that are read off the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import jaxsynth as js
from jaxsynth.codec import Codec
from jaxsynth.privacy.ledger import Ledger
from jaxsynth.privacy.plan import make_plan
from jaxsynth.privacy.private_codec import private_codec
from jaxsynth.privacy.randomness import Deterministic
from jaxsynth.schema import Schema
from jaxsynth.schema.constraints import Inequality
from tests.privacy.leaks.tables import person, public, table

pytestmark = pytest.mark.filterwarnings("ignore:NOT PRIVATE")

Fitted = Callable[[pa.Table], Codec]


def _ours(rows: pa.Table, schema: Schema | None = None) -> Codec:
    privacy = js.Privacy(epsilon=1.0, deterministic_noise=True)
    schema = schema or public()
    ledger = Ledger(rows, schema, make_plan(privacy, {"marginals": 0.5}), Deterministic(0))
    return private_codec(schema, ledger, rows=ledger.count(), max_intervals=16)


def _levels_of_data(rows: pa.Table) -> Codec:
    return _ours(rows, public().changed("sex", levels=tuple(sorted(set(rows["sex"].to_pylist())))))


def _bounds_of_data(rows: pa.Table) -> Codec:
    found = pc.min_max(rows["cost"]).as_py()
    return _ours(rows, public().changed("cost", bounds=(found["min"], found["max"])))


def _nulls_of_data(rows: pa.Table) -> Codec:
    return _ours(rows, public().changed("lab", nullable=rows["lab"].null_count > 0))


def _types_of_data(rows: pa.Table) -> Codec:
    narrow = "int8" if pc.max(rows["age"]).as_py() < 128 else "int16"
    return _ours(rows, public().changed("age", type=narrow))


def _constants_of_data(rows: pa.Table) -> Codec:
    """Columns of one value are left out."""
    constant = pc.count_distinct(rows["ward"]).as_py() == 1
    return _ours(rows, public().changed("ward", output="drop") if constant else None)


def _rules_of_data(rows: pa.Table) -> Codec:
    rule = Inequality(low="cost", high="age")
    return _ours(rows, replace(public(), constraints=() if rule.violations(rows).any() else (rule,)))


def _cuts_of_data(rows: pa.Table) -> Codec:
    return Codec.fit(public(), rows, max_intervals=16)


def one_person_changes_counts_by_little_and_nothing_else(fitted: Fitted) -> None:
    """The noise is the same."""
    before, after = fitted(table()), fitted(pa.concat_tables([table(), person()]))
    assert before.schema.digest == after.schema.digest
    assert before.repeats == after.repeats
    assert [s.size for s in before.layout] == [s.size for s in after.layout]
    for one, other in zip(before.layout, after.layout, strict=True):
        assert abs(int(one.counts.sum()) - int(other.counts.sum())) <= 4  # each count is rounded


def test_our_codec_passes() -> None:
    one_person_changes_counts_by_little_and_nothing_else(_ours)


@pytest.mark.parametrize(
    "broken",
    [
        _levels_of_data,
        _bounds_of_data,
        _nulls_of_data,
        _types_of_data,
        _constants_of_data,
        _rules_of_data,
        _cuts_of_data,
    ],
)
def test_what_is_read_off_the_data_is_caught(broken: Fitted) -> None:
    with pytest.raises(AssertionError):
        one_person_changes_counts_by_little_and_nothing_else(broken)
