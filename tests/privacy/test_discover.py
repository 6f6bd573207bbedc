from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from jaxsynth.errors import PrivacyError
from jaxsynth.privacy.admit import admit
from jaxsynth.privacy.declared import undeclared
from jaxsynth.privacy.discover import discover
from jaxsynth.schema import Schema
from tests.privacy.fake_ledger import FakeLedger


def make(rows: int = 4000) -> pa.Table:
    rng = np.random.default_rng(0)
    lone = np.where(np.arange(rows) == 7, "only here", rng.choice(["a", "b"], rows))
    return pa.table(
        {
            "age": rng.integers(18, 90, rows),
            "lab": pa.array(rng.normal(5, 1, rows), mask=rng.random(rows) < 0.2),
            "sick": rng.integers(0, 2, rows),
            "drug": pa.array(lone),
            "sure": rng.random(rows) < 0.3,
        }
    )


def test_what_is_lacking_is_found_and_the_rest_is_kept() -> None:
    table = make()
    schema = Schema.infer(table).changed("age", bounds=(0, 120), resolution=1.0)
    ledger = FakeLedger(table, mu=1.0)
    out = discover(schema, ledger, delta=1e-6)
    assert ledger.spent == pytest.approx(1)
    assert [q.name for q in ledger.queries] == ["magnitudes of 'lab'", "magnitudes of 'sick'", "levels of 'drug'"]
    assert undeclared(out.schema) == []
    assert out.delta == 1e-6
    assert out.schema["age"] == schema["age"].changed(nullable=True)
    low, high = out.schema["lab"].bounds or (0, 0)
    assert 0 < low <= 4
    assert high == 8
    assert (out.schema["sick"].kind, out.schema["sick"].bounds) == ("integer", (0, 1))
    assert out.schema["drug"].levels == ("a", "b", "OTHER")
    out.schema.check(admit(table, out.schema))


def test_a_public_schema_costs_nothing() -> None:
    table = make(200)
    schema = Schema.infer(table).declare_public()
    ledger = FakeLedger(table)
    out = discover(schema, ledger, delta=1e-6)
    assert (out.schema, out.delta, ledger.spent) == (schema, 0.0, 0.0)


def test_what_cannot_be_found_is_refused_before_any_read() -> None:
    codes = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), pa.array(["low", "high"]), ordered=True)
    table = pa.table({"grade": codes, "x": [1.5, 2.5]})
    ledger = FakeLedger(table)
    with pytest.raises(PrivacyError, match="'grade': its levels"):
        discover(Schema.infer(table), ledger, delta=1e-6)
    assert ledger.spent == 0
