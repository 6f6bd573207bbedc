from __future__ import annotations

import pytest

import jaxsynth as js
from jaxsynth.errors import TableError


def test_support2_agrees_with_its_schema_and_keeps_its_rules() -> None:
    table, schema = js.datasets.load("support2"), js.datasets.schema("support2")
    assert table.shape == (9105, 47)
    assert sum(table[n].null_count for n in table.column_names) == 47_110
    schema.check(table)
    assert len(schema.constraints) == 4
    assert set(schema.violations(table).values()) == {0}
    assert schema.target == "hospdead"
    assert not any(c.inferred for c in schema)


def test_the_card_names_origin_credit_licence_and_every_column() -> None:
    card = js.datasets.card("support2")
    for words in ("UCI", "Knaus", "CC BY 4.0", "Vanderbilt"):
        assert words in card
    for name in js.datasets.load("support2").column_names:
        assert f"| `{name}` |" in card


def test_an_unknown_dataset_is_refused() -> None:
    with pytest.raises(TableError, match="dataset 'mimic' is not in the package; it has support2"):
        js.datasets.load("mimic")
