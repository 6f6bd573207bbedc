from __future__ import annotations

import pyarrow as pa
import pytest

from jaxsynth.errors import PrivacyError
from jaxsynth.privacy.declared import require_declared, undeclared, widened
from jaxsynth.schema import Schema

TABLE = pa.table(
    {
        "id": ["p1", "p2", "p3", "p4"],
        "age": [40, 50, 60, 70],
        "lab": [0.5, 1.25, None, 3.0],
        "sick": [0, 1, 1, 0],
        "drug": ["a", "b", "a", "b"],
        "grade": pa.DictionaryArray.from_arrays(
            pa.array([0, 1, 1, 0], pa.int8()), pa.array(["low", "high"]), ordered=True
        ),
    }
)
SCHEMA = Schema.infer(TABLE, subject="id")


def test_everything_inferred_is_named() -> None:
    assert undeclared(SCHEMA) == [
        *[("age", a) for a in ("bounds", "nullable", "resolution")],
        *[("lab", a) for a in ("bounds", "nullable", "resolution")],
        ("sick", "kind"),
        ("sick", "nullable"),
        ("drug", "levels"),
        ("drug", "nullable"),
        ("grade", "levels"),
        ("grade", "nullable"),
    ]
    assert undeclared(SCHEMA.declare_public()) == []
    require_declared(SCHEMA.declare_public(), discover=False)


def test_an_identifier_guessed_by_its_look_must_be_attested() -> None:
    mail = Schema.infer(pa.table({"mail": [f"a{i}@b.org" for i in range(20)]}))
    assert undeclared(mail) == [("mail", "kind")]
    with pytest.raises(PrivacyError, match="column 'mail': its kind was read off the data"):
        require_declared(mail, discover=True)


def test_absent_bounds_are_not_public_either() -> None:
    schema = SCHEMA.changed("age", bounds=None).declare_public()
    assert undeclared(schema) == [("age", "bounds")]
    with pytest.raises(PrivacyError, match=r"bounds are not declared.*Privacy\(discover=0.1\)"):
        require_declared(schema, discover=False)


def test_refusals_name_remedies() -> None:
    with pytest.raises(
        PrivacyError, match=r"'age': its bounds .*schema.changed\('age', bounds=...\).*discover=0.1"
    ):
        require_declared(SCHEMA, discover=False)
    with pytest.raises(PrivacyError, match=r"'grade': its levels were read off the data") as error:
        require_declared(SCHEMA, discover=True)
    assert "discover" not in str(error.value)
    require_declared(SCHEMA.changed("grade", levels=("low", "high")), discover=True)


def test_what_is_free_becomes_the_widest() -> None:
    wide = widened(SCHEMA)
    assert all(column.nullable for column in wide)
    assert [wide[n].resolution for n in ("age", "lab", "sick")] == [1.0, None, 1.0]
    assert (wide["sick"].kind, wide["sick"].levels, wide["sick"].bounds) == ("integer", None, None)
    assert undeclared(wide) == [
        ("age", "bounds"), ("lab", "bounds"), ("sick", "bounds"), ("drug", "levels"), ("grade", "levels")
    ]  # fmt: skip
    assert widened(SCHEMA.declare_public()) == SCHEMA.declare_public()


@pytest.mark.parametrize("changes", [{"kind": "identifier", "output": "regenerate"}, {"output": "drop"}])
@pytest.mark.parametrize("name", ["age", "lab", "drug", "grade"])
def test_what_is_not_learned_keeps_nothing_of_the_rows(name: str, changes: dict[str, str]) -> None:
    column = widened(SCHEMA.changed(name, **changes))[name]
    assert column.nullable
    assert not column.levels
    assert (column.bounds, column.resolution) == (None, None)
    assert set(column.inferred) <= {"kind"}
