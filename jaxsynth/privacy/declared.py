"""Which parts of a schema are not public knowledge, and which of these can be replaced or must be declared."""

from __future__ import annotations

import pyarrow as pa

from jaxsynth.errors import PrivacyError
from jaxsynth.privacy.grid import finest
from jaxsynth.schema import Column, Schema

_MODELLED = ("kind", "levels", "bounds", "nullable", "resolution")  # in the order in which they are named


def undeclared(schema: Schema) -> list[tuple[str, str]]:
    """Pairs of column and attribute that private training needs and that were read off data, or are not there.

    The attributes are "kind", "levels", "bounds", "nullable" and "resolution". Of a column that is not learned
    only the kind matters: whether it is an identifier decides what is written in its place. The subject and the
    primary key are identifiers because the schema says so.
    """
    roles = {schema.subject, schema.primary_key}
    return [
        (column.name, attribute)
        for column in schema
        if column.modelled or column.name not in roles
        for attribute in _of(column)
    ]


def _of(column: Column) -> list[str]:
    wanted = _MODELLED if column.modelled else ("kind",)
    found = [a for a in wanted if a in column.inferred]
    if column.modelled and column.is_numeric and column.bounds is None and "bounds" not in found:
        found.append("bounds")
    return found


def require_declared(schema: Schema, *, discover: bool) -> None:
    """Refuse a schema that private training cannot start from.

    Args:
        schema: the table's description.
        discover: whether a share of the budget will be spent on finding bounds and levels.

    Raises:
        PrivacyError: naming the first column, what of it is not public, and the remedies.
    """
    for name, attribute in undeclared(schema):
        findable = _findable(schema[name], attribute)
        if not (discover and findable):
            remedy = (
                f"; or have it found privately by Privacy(discover=0.1){_caveat(attribute)}" if findable else ""
            )
            raise PrivacyError(
                f"column {name!r}: its {attribute} {_origin(schema[name], attribute)} and may give away rows; "
                f"declare it by schema.changed({name!r}, {attribute}=...), or all by schema.declare_public() or "
                f"`jaxsynth schema --declare-public` if they really are public knowledge{remedy}"
            )


def _origin(column: Column, attribute: str) -> str:
    plural = attribute in {"bounds", "levels"}
    if attribute in column.inferred:
        return f"{'were' if plural else 'was'} read off the data"
    return f"{'are' if plural else 'is'} not declared"


def _caveat(attribute: str) -> str:
    return "" if attribute in {"bounds", "levels", "kind"} else ", which then takes the widest one"


def _findable(column: Column, attribute: str) -> bool:
    if attribute == "kind":
        return is_guessed_boolean(column)
    # The order of ordinal levels came with the data, and no noise makes it public.
    return attribute != "levels" or column.kind != "ordinal"


def is_guessed_boolean(column: Column) -> bool:
    """Whether integers were taken for booleans because they were all 0 or 1."""
    return column.kind == "boolean" and pa.types.is_integer(column.arrow_type) and "kind" in column.inferred


def widened(schema: Schema) -> Schema:
    """The schema with what can be replaced for free: what was inferred gives way to the widest there is.

    An inferred `nullable` becomes True, an inferred resolution the type's own, and integers that were taken for
    booleans are integers again, without bounds. Inferred levels and bounds of columns that are learned remain to
    be found; of other columns nobody needs them, and names among them would be published with the schema.
    """
    out = schema
    for column in schema:
        changes = _widest(column) if column.modelled else _least(column)
        out = out.changed(column.name, **changes) if changes else out
    return out


def _widest(column: Column) -> dict[str, object]:
    changes: dict[str, object] = {}
    if "nullable" in column.inferred:
        changes["nullable"] = True
    if "resolution" in column.inferred:
        changes["resolution"] = finest(column.arrow_type)
    if is_guessed_boolean(column):
        changes |= {"kind": "integer", "levels": None, "bounds": None, "resolution": 1.0}
    return changes


def _least(column: Column) -> dict[str, object]:
    levels = () if column.kind in {"category", "ordinal"} else None  # these kinds have some
    least: dict[str, object] = {"nullable": True, "levels": levels, "bounds": None, "resolution": None}
    return {attribute: value for attribute, value in least.items() if attribute in column.inferred}
