"""Columns whose cells often hold another column's value: a death on the day of discharge, a bill that is paid.

Found from pairs of codes in a sample of the rows. Models may then copy (`CodeSpec.repeats`) where they would
have to learn each value's answer by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxsynth.codec.category import CategoryCodec
from jaxsynth.codec.layout import Codes, Repeat
from jaxsynth.codec.numeric import NumericCodec
from jaxsynth.schema import Column
from jaxsynth.schema.arrow_types import is_time

ROWS = 16_384  # rows that `find_repeats` needs at most
_MOST = 4  # columns that one column may repeat
_COLUMNS = 128  # numeric columns beyond which no pairs are looked for
_COMMON = 0.05  # a code of this share is learned without being copied
_GAIN = 0.05  # nats a row by which copying must beat the column's own frequencies


def find_repeats(
    columns: Sequence[CategoryCodec | NumericCodec], codes: Sequence[Codes]
) -> tuple[tuple[int, ...], ...]:
    """For each column the numbers of those whose value it often has, those it gains most from first.

    Args:
        columns: fitted codecs.
        codes: for each column, (n,) codes of the same n rows.
    """
    numeric = [i for i, c in enumerate(columns) if isinstance(c, NumericCodec)]
    found: list[tuple[int, ...]] = [()] * len(columns)
    if len(numeric) > _COLUMNS:
        return tuple(found)
    for j in numeric:
        gains = {i: _gain(columns[j], repeat_of(columns, j, i), codes[j], codes[i]) for i in numeric if i != j}
        best = sorted(gains, key=lambda i: -gains[i])[:_MOST]
        found[j] = tuple(i for i in best if gains[i] > _GAIN)
    return tuple(found)


def repeat_of(columns: Sequence[CategoryCodec | NumericCodec], column: int, source: int) -> Repeat:
    """Which code of a column holds the value of each code of another; an interval's value is its middle."""
    own, other = columns[column], columns[source]
    assert isinstance(own, NumericCodec)
    assert isinstance(other, NumericCodec)
    if not _comparable(own.column, other.column):
        return Repeat(source, np.full(len(other.counts), -1, np.int32))
    codes = np.full(len(other.values), -1, np.int32)
    present = np.isfinite(other.values)
    codes[present] = own.codes_of(other.values[present])
    common = own.counts >= _COMMON * max(int(own.counts.sum()), 1)
    return Repeat(source, np.where((codes >= 0) & ~common[codes], codes, -1))


def _gain(own: CategoryCodec | NumericCodec, repeat: Repeat, codes: Codes, source_codes: Codes) -> float:
    """Nats a row by which a mixture of copying and the column's frequencies beats the frequencies."""
    wanted = repeat.codes[source_codes]
    rows = wanted >= 0
    if not rows.any():
        return 0.0
    chance = (own.counts / max(own.counts.sum(), 1))[wanted[rows]]
    same = codes[rows] == wanted[rows]
    share = float((same.mean() - chance.mean()) / (1 - chance.mean()))
    if share <= 0:
        return 0.0
    share = min(share, 1 - 1e-3)
    nats = np.log1p(-share + share * same / np.maximum(chance, 1e-9))
    return float(nats.sum() / len(codes))


def _comparable(a: Column, b: Column) -> bool:
    return a.arrow_type == b.arrow_type or not (is_time(a.arrow_type) or is_time(b.arrow_type))
