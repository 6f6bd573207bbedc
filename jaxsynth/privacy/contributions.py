"""Bounding what a subject contributes: which rows are kept, and which rows belong together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jaxsynth.errors import PrivacyError


def subject_codes(table: pa.Table, subject: str | None) -> NDArray[np.int64]:
    """Number the subjects of the rows from 0 by first appearance; -1 where the subject is missing.

    Raises:
        PrivacyError: the table has no such column.
    """
    if subject is None:
        return np.arange(table.num_rows, dtype=np.int64)
    if subject not in table.column_names:
        raise PrivacyError(f"ledger: the table lacks the subject column {subject!r}; keep it in the table")
    cells = table[subject].combine_chunks()
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    indices = pc.dictionary_encode(cells, null_encoding="mask").indices
    return np.asarray(indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False))


def bound_rows(
    subjects: NDArray[np.int64], most: int, uniforms: Callable[[int], NDArray[np.float64]]
) -> NDArray[np.int64]:
    """Choose at most `most` rows of each subject at random and none of the missing one; (kept,), ascending."""
    rows = np.flatnonzero(subjects >= 0)
    # Ordered by subject, and at random within: the first ones of each run are a fair choice.
    rows = rows[np.lexsort((uniforms(len(rows)), subjects[rows]))]
    return np.sort(rows[_place_in_run(subjects[rows]) < most])


def unit_layout(subjects: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return the row numbers of each subject, (subjects, most), padded with -1.

    Args:
        subjects: number of the subject of each row, (n,), from 0 and none missing.
        most: rows of a subject, at most.
    """
    rows = np.argsort(subjects, kind="stable")
    ordered = subjects[rows]
    layout = np.full((int(subjects.max(initial=-1)) + 1, most), -1, np.int64)
    layout[ordered, _place_in_run(ordered)] = rows
    return layout


def _place_in_run(ordered: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each element of a sorted array, how many equal ones stand before it."""
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, np.int64)
    lengths = np.diff(np.r_[starts, len(ordered)])
    return np.arange(len(ordered)) - np.repeat(starts, lengths)
