"""Direct identifiers: names, e-mail, phone and record numbers, free text; found by column name and by cells.

This is a screen with plain rules, not a proof: quasi-identifiers (a postcode, a birth date) are left to
the data owner, and a column the screen misses is learned. What it finds is never learned.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jaxsynth.schema.arrow_types import is_stringlike
from jaxsynth.schema.cells import combine, to_numbers, valid_mask

MIN_ROWS = 20  # uniqueness says nothing in a table shorter than this
_SHARE = 0.5  # of the non-null cells that must look alike

_ID_NAME = re.compile(
    r"(?:^|[_\W])(?:id|ids|mrn|ssn|nhs|uuid|guid|nbr|nr|no|num|number|key|rownames?|rownum|index)$"
    r"|^(?:id|mrn|ssn|nhs|uuid|guid|rownames?)(?:$|[_\W])"
    r"|(?:patient|subject|person|encounter|record|account|member|case|visit|hadm|stay)[_\W]?(?:id|no|nr|nbr|num)",
    re.IGNORECASE,
)
_CAMEL_ID = re.compile(r"[a-z](?:ID|Id|MRN|SSN)$")
_PERSON_NAME = re.compile(
    r"(?:^|[_\W])(?:first|last|full|given|family|sur|fore|middle|maiden|patient|person|doctor|physician|provider)"
    r"[_\W]?names?$|^names?$|^surname$|^forename$",
    re.IGNORECASE,
)
_CONTACT_NAME = re.compile(r"(?:^|[_\W])(?:phone|telephone|mobile|fax|street|address)(?:$|[_\W])", re.IGNORECASE)

_EMAIL = r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$"
_PHONE = r"^(?:\+\d[\d\s().-]{6,}\d|\(?\d{3}\)?[\s.-]\d{3}[\s.-]\d{4})$"
_RECORD = r"^(?:[A-Za-z]{1,6}[-_ ]?\d{4,}|\d{3}-\d{2}-\d{4}|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})$"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A column that is a direct identifier: how to treat it and why."""

    kind: Literal["identifier", "text"]
    reason: str
    output: Literal["regenerate", "drop"]


class _Text(NamedTuple):
    """The cells of a column that are not missing, each distinct one once: most columns have few."""

    distinct: pa.Array
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> _Text:
        found = pc.value_counts(combine(column.cast(pa.large_string())).drop_null())
        return cls(found.field("values"), np.asarray(found.field("counts")))

    @property
    def rows(self) -> int:
        return int(self.counts.sum())

    def mean(self, of_distinct: pa.Array) -> float:
        """Over the cells, of what was found for each distinct one."""
        return float((np.asarray(of_distinct).astype(np.float64) * self.counts).sum() / self.rows)


def find(name: str, column: pa.ChunkedArray) -> Finding | None:
    """The reason to keep `column` out of training, or None."""
    if is_stringlike(column.type):
        return _find_in_text(name, column)
    if pa.types.is_integer(column.type):
        return _find_in_integers(name, column)
    return None


def _find_in_text(name: str, column: pa.ChunkedArray) -> Finding | None:
    cells = _Text.of(column)
    if cells.rows == 0:
        return None
    if _share(cells, _EMAIL) > _SHARE:
        return Finding(kind="identifier", reason="e-mail address", output="regenerate")
    if _share(cells, _PHONE) > _SHARE:
        return Finding(kind="identifier", reason="phone number", output="drop")
    if _PERSON_NAME.search(name) and _distinct_share(cells) > 0.1:
        return Finding(kind="identifier", reason="person name", output="drop")
    if _CONTACT_NAME.search(name) and _distinct_share(cells) > 0.1:
        return Finding(kind="identifier", reason="contact detail", output="drop")
    return _find_by_uniqueness(name, cells)


def _find_by_uniqueness(name: str, cells: _Text) -> Finding | None:
    unique = _distinct_share(cells)
    enough = cells.rows >= MIN_ROWS
    words = cells.mean(pc.count_substring(cells.distinct, " ")) + 1
    if enough and unique > _SHARE and words >= 4:
        return Finding(kind="text", reason="free text", output="drop")
    looks_numbered = bool(_names_an_id(name)) or _share(cells, _RECORD) > _SHARE
    if enough and unique > _SHARE and looks_numbered:
        return Finding(kind="identifier", reason="record number", output="regenerate")
    if enough and unique > 0.95:
        return Finding(kind="identifier", reason="unique in nearly every row", output="regenerate")
    return None


def _find_in_integers(name: str, column: pa.ChunkedArray) -> Finding | None:
    values = to_numbers(column)[valid_mask(column)]
    if len(values) < MIN_ROWS:
        return None
    distinct = np.unique(values)
    numbered = len(distinct) == len(values) and distinct[-1] - distinct[0] == len(values) - 1
    if numbered or (_names_an_id(name) and len(distinct) / len(values) > _SHARE):
        return Finding(kind="identifier", reason="record number", output="regenerate")
    return None


def _names_an_id(name: str) -> bool:
    return bool(_ID_NAME.search(name) or _CAMEL_ID.search(name))


def _share(cells: _Text, pattern: str) -> float:
    return cells.mean(pc.match_substring_regex(cells.distinct, pattern))


def _distinct_share(cells: _Text) -> float:
    return len(cells.distinct) / cells.rows
