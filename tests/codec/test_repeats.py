"""Columns that hold another column's value are found, and only those."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from jaxsynth.codec import Codec
from jaxsynth.schema import Schema

ROWS = 4000


def fitted(columns: dict[str, object]) -> tuple[Codec, dict[str, list[str]]]:
    table = pa.table(columns)
    codec = Codec.fit(Schema.infer(table), table, max_intervals=64)
    names = [c.column.name for c in codec.columns]
    return codec, {n: [names[i] for i in own] for n, own in zip(names, codec.repeats, strict=True)}


def days(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(1, 300, ROWS)


def test_a_repeated_column_is_found_from_both_sides() -> None:
    rng = np.random.default_rng(0)
    stay = days(rng)
    _, found = fitted(
        {
            "stay": stay,
            "death": pa.array(np.where(rng.random(ROWS) < 0.3, stay, days(rng)), mask=rng.random(ROWS) < 0.2),
            "other": days(rng),
            "amount": rng.normal(size=ROWS),
        }
    )
    assert found == {"stay": ["death"], "death": ["stay"], "other": [], "amount": []}


def test_the_likest_column_comes_first() -> None:
    rng = np.random.default_rng(1)
    stay = days(rng)
    columns = {f"s{int(100 * p)}": np.where(rng.random(ROWS) < p, stay, days(rng)) for p in (0.3, 0.9, 0.5)}
    _, found = fitted({"stay": stay, **columns})
    assert found["stay"] == ["s90", "s50", "s30"]


def test_the_map_leads_to_the_code_of_the_same_value() -> None:
    rng = np.random.default_rng(2)
    stay = days(rng)
    codec, _ = fitted(
        {"stay": stay, "bill": np.where(rng.random(ROWS) < 0.5, stay + 0.0, rng.normal(150, 40, ROWS))}
    )
    own, source = codec.columns[1], codec.columns[0]
    (repeat,) = codec.layout[1].repeats
    assert repeat.source == 0
    assert len(repeat.codes) == len(source.counts)
    wanted = repeat.codes[source.encode(pa.chunked_array([pa.array(stay)]))[0]]
    code, _ = own.encode(pa.chunked_array([pa.array(stay + 0.0)]))
    assert (wanted == code)[wanted >= 0].all()
    assert (wanted >= 0).mean() > 0.99


def test_values_that_are_common_anyway_are_no_reason() -> None:
    rng = np.random.default_rng(3)
    nothing = rng.random(ROWS) < 0.7
    a, b = (np.where(nothing, 0, days(rng)) for _ in range(2))
    _, found = fitted({"a": a, "b": b})
    assert found == {"a": [], "b": []}


def test_dates_are_not_compared_with_numbers() -> None:
    stay = days(np.random.default_rng(4))
    date = pa.array(stay, pa.int32()).cast(pa.date32())
    _, found = fitted({"stay": stay, "admitted": date, "discharged": date})
    assert found == {"stay": [], "admitted": ["discharged"], "discharged": ["admitted"]}


def test_what_was_found_is_kept() -> None:
    rng = np.random.default_rng(5)
    stay = days(rng)
    codec, _ = fitted({"stay": stay, "again": np.where(rng.random(ROWS) < 0.5, stay, days(rng))})
    again = Codec.from_state(codec.schema, *codec.state())
    assert again.repeats == codec.repeats == ((1,), (0,))
    np.testing.assert_array_equal(again.layout[0].repeats[0].codes, codec.layout[0].repeats[0].codes)
