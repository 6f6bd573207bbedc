"""Every rule holds in every row, rows that keep the rules keep their bytes, values stay admissible."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import jaxsynth as js
from jaxsynth.errors import ConditionError, SchemaError
from jaxsynth.sample.rules import Projection
from jaxsynth.schema import Column, FixedSum, FunctionalDependency, Implication, Inequality, Schema
from jaxsynth.schema.constraints import Constraint

A, B, C = (Column(name=n, kind="integer", type="int64", bounds=(0, 20), resolution=1) for n in "abc")
FLAG = Column(name="flag", kind="boolean", type="int64", levels=(0, 1))
WARD = Column(name="ward", kind="category", type="string", levels=("icu", "er", "home"))
KIND = Column(name="kind", kind="category", type="large_string", levels=("acute", "chronic"))
MAPPING = (("icu", "acute"), ("er", "acute"), ("home", "chronic"))
DEPENDS = FunctionalDependency(determinant="ward", dependent="kind", mapping=MAPPING)


def schema_of(columns: Sequence[Column], *rules: Constraint) -> Schema:
    return Schema(columns=tuple(columns), constraints=rules)


def batch_of(schema: Schema, **cells: Any) -> pa.RecordBatch:
    arrays = [
        pa.array(cells[c.name], c.arrow_type) if not isinstance(cells[c.name], pa.Array) else cells[c.name]
        for c in schema.output
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema.arrow)


def project(
    schema: Schema, *, allowed: dict[str, Any] | None = None, counts: Any = None, **cells: Any
) -> pa.Table:
    projection = Projection.build(schema, allowed=allowed, counts=counts)
    out = pa.Table.from_batches([projection.apply(batch_of(schema, **cells))])
    assert sum(schema.violations(out).values()) == 0
    schema.check(out)
    return out


def test_an_inequality_swaps_what_fits_and_clips_what_does_not() -> None:
    wide = A.changed(bounds=(0, 100))
    schema = schema_of([wide, B], Inequality(low="a", high="b"))
    out = project(schema, a=[5, 9, 90, 4], b=[7, 3, 6, 4])
    assert out["a"].to_pylist() == [5, 3, 6, 4]
    assert out["b"].to_pylist() == [7, 9, 6, 4]


def test_a_strict_inequality_keeps_one_step() -> None:
    coarse = A.changed(resolution=5)
    schema = schema_of([coarse, B], Inequality(low="a", high="b", strict=True))
    out = project(schema, a=[10, 20, 0], b=[10, 20, 0])
    assert out["a"].to_pylist() == [5, 15, 0]
    assert out["b"].to_pylist() == [10, 20, 1]


def test_a_chain_of_inequalities_sorts_the_row() -> None:
    schema = schema_of([A, B, C], Inequality(low="a", high="b"), Inequality(low="b", high="c"))
    out = project(schema, a=[9, 1], b=[5, 3], c=[1, 2])
    assert [out[n].to_pylist() for n in "abc"] == [[1, 1], [5, 2], [9, 3]]


def test_inequalities_in_a_circle_mean_equality() -> None:
    schema = schema_of([A, B], Inequality(low="a", high="b"), Inequality(low="b", high="a"))
    out = project(schema, a=[9, 1], b=[5, 3])
    assert out["a"].equals(out["b"])


def test_an_implication_sets_the_conclusion() -> None:
    rule = Implication(when_column="flag", when_value=1, then_column="ward", then_value="er")
    out = project(schema_of([FLAG, WARD], rule), flag=[1, 1, 0], ward=["er", "home", "icu"])
    assert out["ward"].to_pylist() == ["er", "er", "icu"]


def test_an_implication_copies_another_column() -> None:
    rule = Implication(when_column="flag", when_value=1, then_column="a", then_equals="b")
    schema = schema_of([FLAG, A.changed(bounds=(0, 9)), B], rule)
    out = project(schema, flag=[1, 1, 0], a=[3, 3, 3], b=[7, 15, 7])
    assert out["a"].to_pylist() == [7, 3, 3]
    assert out["b"].to_pylist() == [7, 3, 7]  # 15 is outside of a's bounds, so b follows a


def test_text_columns_are_equal_by_text_whatever_their_types() -> None:
    coded = Column(
        name="code",
        kind="category",
        type="dictionary<values=string, indices=int8, ordered=0>",
        levels=("home", "er"),
    )
    rule = Implication(when_column="flag", when_value=1, then_column="code", then_equals="ward")
    schema = schema_of([FLAG, WARD, coded], rule)
    cells = pa.DictionaryArray.from_arrays(pa.array([0, 0, 1], pa.int8()), pa.array(["home", "er"]))
    projection = Projection.build(schema)
    out = projection.apply(batch_of(schema, flag=[1, 1, 1], ward=["er", "icu", "er"], code=cells))
    assert out.column(2).to_pylist() == ["er", "home", "er"]
    assert out.column(1).to_pylist() == ["er", "home", "er"]
    assert out.schema == schema.arrow


def test_a_dependency_sets_the_dependent() -> None:
    out = project(schema_of([WARD, KIND], DEPENDS), ward=["icu", "er", "home"], kind=["chronic", "acute", "acute"])
    assert out["kind"].to_pylist() == ["acute", "acute", "chronic"]
    assert out["ward"].to_pylist() == ["icu", "er", "home"]


def test_an_unmapped_determinant_follows_the_dependent_to_its_most_frequent_value() -> None:
    rule = replace(DEPENDS, mapping=(("icu", "acute"), ("er", "acute")))
    schema, counts = schema_of([WARD, KIND], rule), {"ward": {"icu": 3, "er": 5, "home": 9}}
    out = project(schema, counts=counts, ward=["home", "home"], kind=["acute", "chronic"])
    assert out["ward"].to_pylist() == ["er", "er"]
    assert out["kind"].to_pylist() == ["acute", "acute"]


def test_a_sum_is_spread_in_proportion_on_the_grid() -> None:
    parts = [
        Column(name=n, kind="continuous", type="double", bounds=(0, 100), resolution=0.1) for n in ("x", "y", "z")
    ]
    schema = schema_of(parts, FixedSum(parts=("x", "y", "z"), total=100))
    out = project(schema, x=[20.0, 0.0, 33.3], y=[20.0, 0.0, 33.3], z=[10.0, 0.0, 33.4])
    rows = np.array([out[n].to_numpy() for n in "xyz"]).T
    np.testing.assert_allclose(rows[0], [40, 40, 20])
    np.testing.assert_allclose(rows[1], 100 / 3, atol=0.1)
    assert rows[2].tolist() == [33.3, 33.3, 33.4]
    assert (np.round(rows, 1) == rows).all()


def test_a_sum_stays_inside_bounds_and_uses_the_finest_grid_last() -> None:
    x = Column(name="x", kind="continuous", type="double", bounds=(0, 3), resolution=1.0)
    y = Column(name="y", kind="continuous", type="double", bounds=(0, 10), resolution=0.25)
    out = project(schema_of([x, y], FixedSum(parts=("x", "y"), total=9.75)), x=[3.0, 0.0], y=[1.0, 1.0])
    assert (out["x"].to_numpy() <= 3).all()
    assert (out["x"].to_numpy() + out["y"].to_numpy() == 9.75).all()


def test_nulls_satisfy_rules_and_stay() -> None:
    null = [c.changed(nullable=True) for c in (A, B, FLAG)]
    schema = schema_of(
        null,
        Inequality(low="a", high="b"),
        Implication(when_column="flag", when_value=1, then_column="a", then_value=3),
    )
    cells: dict[str, Any] = {"a": [None, 9, 9, 2], "b": [1, None, 5, 1], "flag": [1, 0, None, None]}
    out = project(schema, **cells)
    assert out["a"].to_pylist() == [None, 9, 5, 1]
    assert out["b"].to_pylist() == [1, None, 9, 2]
    assert out["flag"].to_pylist() == [1, 0, None, None]


@pytest.mark.parametrize(
    ("type_", "values", "bounds", "resolution"),
    [
        ("int32", [1, 5, 3], (0, 10), 1),
        ("uint8", [1, 5, 3], (0, 10), None),
        ("float", [0.1, 0.5, 0.3], None, 0.1),
        ("double", [0.1, 0.5, 0.3], None, None),
        ("decimal128(6, 2)", [Decimal("0.10"), Decimal("9.05"), Decimal("3.30")], (0, 50), 0.05),
        ("date32[day]", [dt.date(2020, 1, 1), dt.date(2021, 5, 5), dt.date(2020, 7, 7)], None, 1),
        ("date64[ms]", [dt.date(2020, 1, 1), dt.date(2021, 5, 5), dt.date(2020, 7, 7)], None, None),
        ("timestamp[us, tz=UTC]", [dt.datetime(2020, 1, d, tzinfo=dt.UTC) for d in (1, 9, 5)], None, None),
        ("time32[s]", [dt.time(1), dt.time(9), dt.time(5)], None, None),
        ("duration[s]", [dt.timedelta(1), dt.timedelta(9), dt.timedelta(5)], None, 60),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_number_and_time_types_stay_exact(
    type_: str, values: list[Any], bounds: tuple[float, float] | None, resolution: float | None, strict: bool
) -> None:
    kinds = {"date": "date", "time": "datetime", "dura": "duration", "deci": "continuous", "floa": "continuous"}
    kind: Any = kinds.get(type_[:4], "continuous" if type_ == "double" else "integer")
    low, high = (
        Column(name=n, kind=kind, type=type_, bounds=bounds, resolution=resolution, nullable=True) for n in "lh"
    )
    schema = schema_of([low, high], Inequality(low="l", high="h", strict=strict))
    small, large, middle = pa.array(values, low.arrow_type).to_pylist()
    out = project(schema, l=[large, small, middle, None], h=[small, large, middle, small])
    assert out["l"].to_pylist()[:2] == [small, small]
    assert out["h"].to_pylist()[:2] == [large, large]
    assert out.schema == schema.arrow
    assert (out["l"][2].as_py() < middle or out["h"][2].as_py() > middle) == strict
    assert out["l"][3].as_py() is None


@pytest.mark.parametrize("type_", ["bool", "int8", "string", "dictionary<values=string, indices=int8, ordered=1>"])
def test_level_types_stay_exact(type_: str) -> None:
    levels = {"bool": None, "int8": (0, 1)}.get(type_, ("no", "yes"))
    no, yes = levels or (False, True)
    when, then = (Column(name=n, kind="boolean", type=type_, levels=levels, nullable=True) for n in ("w", "t"))
    rule = Implication(when_column="w", when_value=yes, then_column="t", then_value=no)
    schema = schema_of([when, then], rule)
    cells = [[yes, yes, no, None], [yes, no, yes, yes]]
    plain = type_.startswith("dict")
    arrays = [pa.array(c).dictionary_encode() if plain else pa.array(c, when.arrow_type) for c in cells]
    if plain:
        arrays = [
            pa.DictionaryArray.from_arrays(a.indices.cast(pa.int8()), a.dictionary, ordered=True) for a in arrays
        ]
    out = Projection.build(schema).apply(pa.RecordBatch.from_arrays(arrays, schema=schema.arrow))
    assert out.column(1).to_pylist() == [no, no, yes, yes]
    assert out.column(0).to_pylist() == [yes, yes, no, None]
    assert out.schema == schema.arrow


def test_a_word_that_the_dictionary_lacks_is_added() -> None:
    ward = WARD.changed(type="dictionary<values=string, indices=int8, ordered=0>")
    rule = Implication(when_column="flag", when_value=1, then_column="ward", then_value="home")
    schema = schema_of([FLAG, ward], rule)
    cells = pa.DictionaryArray.from_arrays(pa.array([1, 0, None], pa.int8()), pa.array(["er", "icu"]))
    out = Projection.build(schema_of([FLAG, ward.changed(nullable=True)], rule)).apply(
        pa.RecordBatch.from_arrays([pa.array([0, 1, 1]), cells], names=schema.names)
    )
    assert out.column(1).to_pylist() == ["icu", "home", None]


def test_a_conditioned_column_is_the_last_to_change() -> None:
    schema = schema_of([A, B], Inequality(low="a", high="b"))
    out = project(schema, allowed={"a": [(5, 20)]}, a=[9, 20], b=[3, 0])
    assert out["a"].to_pylist() == [9, 20]
    assert out["b"].to_pylist() == [9, 20]
    out = project(schema, allowed={"a": [(5, 20)], "b": [(0, 7)]}, a=[9, 6], b=[3, 5])
    assert out["a"].to_pylist() == [5, 5]  # both are conditioned: they meet inside both conditions
    assert out["b"].to_pylist() == [5, 5]


def test_a_conditioned_conclusion_changes_the_premise() -> None:
    rule = Implication(when_column="ward", when_value="home", then_column="flag", then_value=1)
    out = project(
        schema_of([WARD, FLAG], rule), allowed={"flag": [0]}, counts={"ward": {"icu": 9, "er": 2, "home": 1}},
        ward=["home", "er"], flag=[0, 0],
    )  # fmt: skip
    assert out["ward"].to_pylist() == ["icu", "er"]


def test_a_numeric_premise_is_left_by_one_step() -> None:
    rule = Implication(when_column="a", when_value=0, then_column="flag", then_value=1)
    out = project(schema_of([A, FLAG], rule), allowed={"flag": [0]}, a=[0, 3], flag=[0, 0])
    assert out["a"].to_pylist() == [1, 3]


def test_a_conditioned_dependent_changes_the_determinant() -> None:
    schema = schema_of([WARD, KIND], DEPENDS)
    out = project(schema, allowed={"kind": ["chronic"]}, ward=["icu", "home"], kind=["chronic", "chronic"])
    assert out["ward"].to_pylist() == ["home", "home"]


def test_a_conditioned_part_of_a_sum_stays() -> None:
    schema = schema_of([A, B, C], FixedSum(parts=("a", "b", "c"), total=30))
    out = project(schema, allowed={"a": [(3, 9)]}, a=[3, 9], b=[6, 0], c=[2, 0])
    assert out["a"].to_pylist() == [3, 9]
    assert (out["b"].to_numpy() + out["c"].to_numpy()).tolist() == [27, 21]


SUPPORT2 = js.datasets.schema("support2")


def random_batch(schema: Schema, rows: int, seed: int, allowed: dict[str, Any] | None = None) -> pa.RecordBatch:
    """Independent admissible cells, a tenth of the nullable ones missing, inside the conditions."""
    rng = np.random.default_rng(seed)
    arrays = []
    for c in schema.output:
        wanted = (allowed or {}).get(c.name)
        if wanted is not None:
            part: dict[str, Any] = {"bounds": wanted[0]} if c.is_numeric else {"levels": tuple(wanted)}
            c = c.changed(nullable=False, **part)
        mask = rng.random(rows) < 0.1 if c.nullable else np.zeros(rows, np.bool_)
        if c.levels is not None:
            values = pa.array(c.levels).cast(c.arrow_type).take(pa.array(rng.integers(0, len(c.levels), rows)))
            arrays.append(pa.array(values.to_pylist(), c.arrow_type, mask=mask))
            continue
        low, high = c.bounds or (0, 1)
        step = c.resolution or 0.01
        steps = rng.integers(np.ceil(low / step), np.floor(high / step) + 1, rows) * step
        values = np.round(steps, 6).astype(c.arrow_type.to_pandas_dtype())
        arrays.append(pa.array(values, c.arrow_type, mask=mask))
    return pa.RecordBatch.from_arrays(arrays, schema=schema.arrow)


NARROW = [
    Column(name="p", kind="integer", type="int32", bounds=(2, 9), resolution=1, nullable=True),
    Column(name="q", kind="continuous", type="float", bounds=(0.5, 12.0), resolution=0.5),
    Column(name="r", kind="continuous", type="double", bounds=(-3.0, 30.0), resolution=0.25, nullable=True),
]
COLUMNS = [A, B, C, *NARROW, FLAG, WARD, KIND.changed(nullable=True)]
NUMBERS = ("a", "b", "c", "p", "q", "r")
rules = st.one_of(
    st.builds(
        lambda pair, strict: Inequality(low=pair[0], high=pair[1], strict=strict),
        st.permutations(NUMBERS).map(lambda p: p[:2]), st.booleans(),
    ),
    st.builds(
        lambda flag, name, then: Implication(
            when_column="flag", when_value=flag, then_column=name, then_value=then
        ),
        st.integers(0, 1), st.sampled_from(NUMBERS), st.integers(-1, 21),
    ),
    st.builds(
        lambda value, pair: Implication(
            when_column="ward", when_value=value, then_column=pair[0], then_equals=pair[1]
        ),
        st.sampled_from(["icu", "er", "home"]), st.permutations(NUMBERS).map(lambda p: p[:2]),
    ),
    st.builds(
        lambda a, value, b: Implication(when_column="a", when_value=a, then_column="ward", then_value=value),
        st.integers(0, 20), st.sampled_from(["icu", "er", "home"]), st.none(),
    ),
    st.integers(0, 3).map(lambda n: replace(DEPENDS, mapping=MAPPING[:n])),
    st.builds(
        lambda names, n, total: FixedSum(parts=tuple(names[:n]), total=total),
        st.permutations(NUMBERS), st.integers(2, 4), st.integers(5, 40),
    ),
)  # fmt: skip
conditions = st.fixed_dictionaries(
    {},
    optional={
        "a": st.integers(0, 20).map(lambda v: [(v, v)]),
        "q": st.just([(2.0, 4.0)]),
        "flag": st.sampled_from([[0], [1], [0, 1]]),
        "kind": st.just(["acute"]),
    },
)


def inside(batch: pa.RecordBatch, allowed: dict[str, Any]) -> np.ndarray:
    """Where the conditions hold."""
    keep = np.ones(batch.num_rows, np.bool_)
    for name, wanted in allowed.items():
        cells = batch.column(name).to_pylist()
        ranges = [w for w in wanted if isinstance(w, tuple)]
        keep &= [v in wanted or any(v is not None and a <= v <= b for a, b in ranges) for v in cells]
    return keep


@given(rules=st.lists(rules, min_size=1, max_size=5), allowed=conditions, seed=st.integers(0, 2**20))
@settings(max_examples=40, deadline=None)
def test_any_rules_hold_in_any_rows(rules: list[Constraint], allowed: dict[str, Any], seed: int) -> None:
    schema = schema_of(COLUMNS, *rules)
    batch = random_batch(schema, 150, seed, allowed)
    before = pa.Table.from_batches([batch])
    try:
        projection = Projection.build(schema, allowed=allowed)
        out = projection.apply(batch)
    except (SchemaError, ConditionError):
        reject()  # rules drawn at random may contradict each other
    table = pa.Table.from_batches([out])
    assert sum(schema.violations(table).values()) == 0
    schema.check(table)
    assert out.schema == batch.schema
    assert inside(out, allowed).all()
    for column in NARROW:
        values = out.column(column.name).drop_null().to_numpy()
        assert (values % (column.resolution or 1) == 0).all()
    kept = np.logical_and.reduce([~r.violations(before) for r in rules])
    assert out.filter(pa.array(kept)).equals(batch.filter(pa.array(kept)))
    assert projection.apply(out) is out
    cut = [projection.apply(batch.slice(i, 7)) for i in range(0, batch.num_rows, 7)]
    assert pa.Table.from_batches(cut, batch.schema).equals(table)


def test_support2_rules_hold_in_independent_cells() -> None:
    batch = random_batch(SUPPORT2, 20_000, 0)
    assert sum(SUPPORT2.violations(pa.Table.from_batches([batch])).values()) > 10_000
    out = Projection.build(SUPPORT2).apply(batch)
    table = pa.Table.from_batches([out])
    assert sum(SUPPORT2.violations(table).values()) == 0
    SUPPORT2.check(table)
    spoken = {n for r in SUPPORT2.constraints for n in r.columns}
    for name in set(SUPPORT2.names) - spoken:
        assert out.column(name) is batch.column(name) or out.column(name).equals(batch.column(name))


def test_a_generated_stream_keeps_the_rules(synth: js.Synthesizer) -> None:
    rule = Implication(when_column="smoker", when_value=True, then_column="sex", then_value="male")
    schema = replace(synth.schema, constraints=(rule, Inequality(low="age", high="visits", strict=True)))
    ruled = js.Synthesizer(replace(synth.artefact, codec=replace(synth.artefact.codec, schema=schema)))
    assert sum(schema.violations(synth.sample(2000, seed=1)).values()) > 0
    whole = ruled.sample(2000, seed=1)
    assert sum(schema.violations(whole).values()) == 0
    assert ruled.stream(2000, seed=1, batch_rows=77).read_all().equals(whole)
    women = ruled.sample(500, seed=1, where={"sex": "female", "age": js.between(30, 60)})
    assert set(women["sex"].to_pylist()) == {"female"}
    assert min(women["age"].to_pylist()) >= 30
    assert max(women["age"].to_pylist()) <= 60
    assert sum(schema.violations(women).values()) == 0
    with pytest.raises(ConditionError, match=r"'smoker', 'sex': contradicts .*smoker = True implies sex = 'male'"):
        ruled.sample(1, seed=1, where={"sex": "female", "smoker": True})
    with pytest.raises(ConditionError, match=r"contradicts .*'age < visits'"):
        ruled.sample(1, seed=1, where={"age": [60, 70], "visits": 0})
