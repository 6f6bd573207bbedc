"""Contradictions are found before any row is drawn, and the message names rules and columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

import jaxsynth as js
from jaxsynth.errors import ConditionError, SchemaError
from jaxsynth.sample.rules import Projection
from jaxsynth.schema import Column, FixedSum, FunctionalDependency, Implication, Inequality, Schema
from jaxsynth.schema.constraints import Constraint

A, B, C = (Column(name=n, kind="integer", type="int64", bounds=(0, 20), resolution=1) for n in "abc")
HIGH = B.changed(bounds=(30, 40))
FLAG = Column(name="flag", kind="boolean", type="int64", levels=(0, 1))
WARD = Column(name="ward", kind="category", type="string", levels=("icu", "home"))
DAY = Column(name="day", kind="date", type="date32[day]")
HOUR = Column(name="hour", kind="datetime", type="timestamp[s]")


def build(columns: Sequence[Column], *rules: Constraint, allowed: dict[str, Any] | None = None) -> Projection:
    return Projection.build(Schema(columns=tuple(columns), constraints=rules), allowed=allowed)


@pytest.mark.parametrize(
    ("columns", "rules", "message"),
    [
        (
            [A, B, C],
            [
                Inequality(low="a", high="b"),
                Inequality(low="b", high="c", strict=True),
                Inequality(low="c", high="a"),
            ],
            "constraints 'b < c', 'c <= a', 'a <= b' contradict each other",
        ),
        ([A], [Inequality(low="a", high="a", strict=True)], "'a < a' contradict"),
        (
            [FLAG, A],
            [Implication(when_column="flag", when_value=1, then_column="a", then_value=v) for v in (2, 3)],
            "'flag = 1 implies a = 2' and 'flag = 1 implies a = 3' contradict each other: one premise",
        ),
        (
            [HIGH, A],
            [Inequality(low="b", high="a")],
            "constraint 'b <= a': bounds and levels of 'b', 'a' leave no",
        ),
        ([A, B], [FixedSum(parts=("a", "b"), total=50)], "constraint 'a [+] b = 50': bounds and levels"),
        (
            [A, WARD],
            [Inequality(low="a", high="ward")],
            "'a' is int64, 'ward' is string; give columns of one type",
        ),
        ([DAY, HOUR], [Inequality(low="day", high="hour")], "'hour' is timestamp"),
        (
            [FLAG, A, WARD],
            [Implication(when_column="flag", when_value=1, then_column="a", then_equals="ward")],
            "'ward' is string; give columns of one type",
        ),
        (
            [FLAG, A],
            [Implication(when_column="flag", when_value="yes", then_column="a", then_value=1)],
            "column 'flag': a constraint's value 'yes' does not fit type int64",
        ),
        (
            [WARD, Column(name="id", kind="identifier", type="int64", output="regenerate"), A],
            [Inequality(low="id", high="a")],
            "constraint 'id <= a': column 'id' is regenerated from the row number",
        ),
        (
            [WARD, FLAG],
            [FunctionalDependency(determinant="ward", dependent="flag", mapping=(("er", 1),))],
            "constraint 'ward determines flag': bounds and levels",
        ),
    ],
)
def test_rules_that_contradict_each_other_or_their_columns(
    columns: list[Column], rules: list[Constraint], message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        build(columns, *rules)


IMPLIES = Implication(when_column="flag", when_value=1, then_column="ward", then_value="icu")
MAPPED = FunctionalDependency(determinant="ward", dependent="flag", mapping=(("icu", 1), ("home", 0)))


@pytest.mark.parametrize(
    ("columns", "rules", "allowed", "message"),
    [
        (
            [FLAG, WARD], [IMPLIES], {"flag": [1], "ward": ["home"]},
            "condition on 'flag', 'ward': contradicts the schema's constraint 'flag = 1 implies ward = 'icu''",
        ),
        ([FLAG, WARD], [MAPPED], {"flag": [0], "ward": ["icu"]}, "'ward', 'flag': contradicts .*determines flag'"),
        ([A, B], [Inequality(low="a", high="b")], {"a": [(9, 12)], "b": [(3, 5)]}, "'a', 'b': contradicts"),
        ([A, B], [Inequality(low="a", high="b", strict=True)], {"b": [(0, 0)]}, "condition on 'b': contradicts"),
        ([A, B], [FixedSum(parts=("a", "b"), total=30)], {"a": [(0, 5)]}, "'a': contradicts .*'a . b = 30'"),
        (
            [A, B, C], [Inequality(low="a", high="b"), Inequality(low="b", high="c")],
            {"a": [(9, 9)], "c": [(1, 1)]}, "condition on 'a', 'c': contradicts",
        ),
        (
            [FLAG, A, B], [Implication(when_column="flag", when_value=1, then_column="a", then_equals="b")],
            {"flag": [1], "a": [(1, 4)], "b": [(5, 9)]}, "condition on 'flag', 'a', 'b': contradicts",
        ),
    ],
)  # fmt: skip
def test_conditions_that_contradict_a_rule(
    columns: list[Column], rules: list[Constraint], allowed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConditionError, match=message):
        build(columns, *rules, allowed=allowed)


def test_what_may_be_empty_contradicts_nothing() -> None:
    build([HIGH, A.changed(nullable=True)], Inequality(low="b", high="a"))
    build([FLAG, WARD.changed(nullable=True)], MAPPED, allowed={"flag": [0]})
    with pytest.raises(ConditionError, match="condition on 'ward', 'flag'"):
        build([FLAG, WARD.changed(nullable=True)], MAPPED, allowed={"flag": [0], "ward": ["icu"]})


def test_support2_refuses_to_let_the_dead_live() -> None:
    support2 = js.datasets.schema("support2")
    with pytest.raises(
        ConditionError, match=r"'hospdead', 'death': contradicts .*'hospdead = 1 implies death = 1'"
    ):
        Projection.build(support2, allowed={"hospdead": [1], "death": [0]})
    with pytest.raises(ConditionError, match=r"'hospdead = 1 implies d\.time = slos'"):
        Projection.build(support2, allowed={"hospdead": [1], "d.time": [(400, 900)]})
    domains = {
        s.name: s.domain for c in Projection.build(support2, allowed={"death": [0]}).components for s in c.slots
    }
    assert domains["hospdead"].single == 0


def test_rules_on_columns_that_are_left_out_speak_of_nothing() -> None:
    name = Column(name="note", kind="text", type="string", output="drop")
    rule = FunctionalDependency(determinant="note", dependent="flag", mapping=(("x", 1),))
    assert build([name, FLAG], rule).components == ()
