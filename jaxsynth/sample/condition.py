"""Conditions: `where=` mappings and their text form, resolved against the codec into allowed codes."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jaxsynth.codec import Allowed, Codec
from jaxsynth.codec.category import CategoryCodec
from jaxsynth.codec.layout import exact
from jaxsynth.codec.numeric import NumericCodec
from jaxsynth.errors import ConditionError
from jaxsynth.models import Condition
from jaxsynth.schema import Column
from jaxsynth.schema.cells import to_numbers


@dataclass(frozen=True)
class Between:
    """A range, both ends included; None leaves an end open."""

    low: Any
    high: Any


Where = Mapping[str, Any]


def between(low: Any, high: Any) -> Between:
    """Values from `low` to `high`, both included, for `where=`. None leaves an end open.

    Example:
        >>> between(65, 80)
        Between(low=65, high=80)
    """
    return Between(low, high)


def resolve(codec: Codec, where: Where) -> Condition:
    """The codes that satisfy `where`.

    Args:
        codec: of the trained generator.
        where: column -> a value, a collection of values, or `between(low, high)`.

    Raises:
        ConditionError: an unknown column or value, an empty range, or a column that is not learned.
    """
    allowed = {name: _allow(_codec_of(codec, name), wanted) for name, wanted in where.items()}
    every = [allowed.get(c.column.name) or exact(np.ones(c.spec.size)) for c in codec.columns]
    return Condition(
        weight=tuple(jnp.asarray(a.weight, jnp.float32) for a in every),
        low=tuple(jnp.asarray(a.low, jnp.float32) for a in every),
        high=tuple(jnp.asarray(a.high, jnp.float32) for a in every),
        active=jnp.array([c.column.name in where for c in codec.columns]),
    )


def limits(codec: Codec, where: Where) -> dict[str, tuple[float, float]]:
    """The numeric range of each conditioned numeric column, to hold exactly after rounding to float32."""
    out = {}
    for name, wanted in where.items():
        column = _codec_of(codec, name).column
        if column.is_numeric and isinstance(wanted, Between):
            out[name] = _range(column, wanted)
    return out


def listed(codec: Codec, where: Where) -> dict[str, NDArray[np.float64]]:
    """The values each continuous column is conditioned to, sorted: rows are set to the nearest after decoding."""
    out = {}
    for name, wanted in where.items():
        one = _codec_of(codec, name)
        if one.spec.continuous and not isinstance(wanted, Between):
            out[name] = np.unique([_number(one.column, w) for w in _collection(wanted)])
    return out


def _codec_of(codec: Codec, name: str) -> CategoryCodec | NumericCodec:
    for one in codec.columns:
        if one.column.name == name:
            return one
    learned = [c.column.name for c in codec.columns]
    why = "is not learned" if name in codec.schema.names else "does not exist"
    raise ConditionError(f"condition on column {name!r}: it {why}; learned columns are {learned}")


def _allow(codec: CategoryCodec | NumericCodec, wanted: Any) -> Allowed:
    if isinstance(codec, CategoryCodec):
        if isinstance(wanted, Between):
            raise ConditionError(
                f"condition on column {codec.column.name!r}: a range on a {codec.column.kind} column; "
                "give a level or a list of levels"
            )
        return codec.allow(_collection(wanted))
    if isinstance(wanted, Between):
        return codec.allow(*_range(codec.column, wanted))
    return _union([codec.allow(v, v) for v in (_number(codec.column, w) for w in _collection(wanted))])


def _union(parts: list[Allowed]) -> Allowed:
    """Any of several conditions; values that share an interval allow all between them until `snap` decides."""
    weight, low, high = (np.stack(rows) for rows in zip(*parts, strict=True))
    inside = weight > 0
    return Allowed(
        weight=np.minimum(weight.sum(axis=0), 1.0),
        low=np.where(inside, low, 1.0).min(axis=0),
        high=np.where(inside, high, 0.0).max(axis=0),
    )


def _collection(wanted: Any) -> list[Any]:
    if isinstance(wanted, Iterable) and not isinstance(wanted, (str, bytes)):
        return list(wanted)
    return [wanted]


def _range(column: Column, wanted: Between) -> tuple[float, float]:
    low = -math.inf if wanted.low is None else _number(column, wanted.low)
    high = math.inf if wanted.high is None else _number(column, wanted.high)
    bounds = column.bounds or (low, high)
    low, high = max(low, bounds[0]), min(high, bounds[1])
    if low > high:
        raise ConditionError(
            f"condition on column {column.name!r}: no value between {wanted.low!r} and {wanted.high!r}; "
            f"its values lie in {column.bounds}"
        )
    return low, high


def _number(column: Column, value: Any) -> float:
    """A condition's value in the column's own numbers; times also as ISO text."""
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        return float(value)
    try:
        parsed = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
        if column.kind == "date" and isinstance(parsed, dt.datetime):
            parsed = parsed.date()
        return float(to_numbers(pa.array([parsed], column.arrow_type))[0])
    except (ValueError, TypeError, pa.ArrowException) as error:
        raise ConditionError(
            f"condition on column {column.name!r}: {value!r} is not a {column.kind} value; "
            "give a number, or a date in ISO form"
        ) from error


_TEXT = re.compile(r"^\s*(?P<column>.+?)\s*(?P<op>>=|<=|==|=|\bin\b)\s*(?P<value>.+?)\s*$")


def parse_where(texts: Iterable[str]) -> dict[str, Any]:
    """Conditions from the command line: `age >= 65`, `age <= 80`, `sex = female`, `race in white, black`.

    Raises:
        ConditionError: text of another form, or two that contradict each other.
    """
    out: dict[str, Any] = {}
    for text in texts:
        match = _TEXT.match(text)
        if match is None:
            raise ConditionError(f"condition {text!r}: write 'column >= value', <=, = or 'in a, b'")
        name, op, value = match["column"], match["op"], match["value"]
        out[name] = _combine(out.get(name), op, value, text)
    return out


def _combine(old: Any, op: str, value: str, text: str) -> Any:
    if op in {">=", "<="}:
        ends = old if isinstance(old, Between) else Between(None, None)
        if old is None or isinstance(old, Between):
            number = _literal(value)
            return Between(number, ends.high) if op == ">=" else Between(ends.low, number)
    elif old is None:
        return [_literal(v) for v in value.split(",")] if op == "in" else _literal(value)
    raise ConditionError(f"condition {text!r}: the column has another condition already; give one per column")


def _literal(text: str) -> Any:
    text = text.strip().strip("'\"")
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text
