from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import jaxsynth as js
from jaxsynth.errors import IdentifierWarning
from tests.conftest import TINY

N = 60
WORDS = np.array(
    ["the", "patient", "was", "seen", "in", "clinic", "with", "mild", "chest", "pain", "and", "sent", "home"]
)


def notes() -> list[str]:
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS, 12)) for _ in range(N)]


@pytest.mark.parametrize(
    ("name", "cells", "reason", "output"),
    [
        ("contact", [f"a{i}@b.org" for i in range(N)], "e-mail address", "regenerate"),
        ("tel", [f"+47 123 45 {i:03d}" for i in range(N)], "phone number", "drop"),
        ("phone", [f"555-010-{i:04d}" for i in range(N)], "phone number", "drop"),
        ("last_name", [f"Name{i}" for i in range(N)], "person name", "drop"),
        ("home_address", [f"{i} Main St" for i in range(N)], "contact detail", "drop"),
        ("mrn", [f"MRN-{i:06d}" for i in range(N)], "record number", "regenerate"),
        ("whatever", [f"AB{i:06d}" for i in range(N)], "record number", "regenerate"),
        ("patient_nbr", [i * 37 % 1000 for i in range(N)], "record number", "regenerate"),
        ("rownames", list(range(1, N + 1)), "record number", "regenerate"),
        ("note", notes(), "free text", "drop"),
        ("code", [f"x{i}" for i in range(N)], "unique in nearly every row", "regenerate"),
    ],
)
def test_direct_identifiers_are_found(name: str, cells: list[object], reason: str, output: str) -> None:
    column = js.Schema.infer(pa.table({name: cells}))[name]
    assert (column.pii, column.output) == (reason, output)


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("sex", ["f", "m"] * 30),
        ("diagnosis", ["chronic heart failure", "copd"] * 30),
        ("valid", list(range(30)) * 2),
        ("age", [40 + i % 30 for i in range(N)]),
        ("diag_1", [f"{i % 20}.{i % 2}" for i in range(N)]),
        ("heart rate", [60.5 + i for i in range(N)]),
        ("paid", [i * i for i in range(N)]),
        ("tiny", ["a@b"] * N),
    ],
)
def test_clinical_columns_are_not_mistaken(name: str, cells: list[object]) -> None:
    assert js.Schema.infer(pa.table({name: cells}))[name].pii is None


def test_identifiers_are_left_out_of_training_and_said() -> None:
    rng = np.random.default_rng(0)
    real = pa.table(
        {
            "mrn": [f"MRN-{i:06d}" for i in range(N)],
            "email": [f"a{i}@b.org" for i in range(N)],
            "id": pa.array(rng.permutation(N), pa.int16()),
            "note": notes(),
            "age": rng.integers(20, 90, N),
        }
    )
    with pytest.warns(
        IdentifierWarning, match=r"'mrn' \(record number\): regenerated.*'note' \(free text\): dropped"
    ):
        synth = js.fit(real, TINY, seed=0, progress=False)
    out = synth.sample(500, seed=1)
    assert out.column_names == ["mrn", "email", "id", "age"]
    assert out["mrn"].to_pylist()[:2] == ["mrn-000000001", "mrn-000000002"]
    assert out["email"].to_pylist()[0] == "person1@example.com"
    assert len(set(out["id"].to_pylist())) == 500
    assert not set(out["email"].to_pylist()) & set(real["email"].to_pylist())
    later = synth.sample(5, seed=1, start=495)
    assert later.equals(out.slice(495))
