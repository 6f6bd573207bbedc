"""Cells of several tables as ranks that mean the same in all of them: what predicates and guesses compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jaxsynth.schema import Column
from jaxsynth.schema.cells import to_numbers, valid_mask

Ranks = NDArray[np.int32]

NULL = -1


class JointRanks(NamedTuple):
    """One column of several tables.

    Attributes:
        tables: the rank of each cell, equal where cells are, `NULL` for a null. Int32 of shape (n,), each.
        values: for numbers and times, what each rank stands for, ascending; for others the ranks themselves,
            whose order means nothing. Shape (levels,).
    """

    tables: tuple[Ranks, ...]
    values: NDArray[np.number[Any]]


def joint_ranks(column: Column, cells: Sequence[pa.Array]) -> JointRanks:
    """Rank the cells of one column over several tables.

    Args:
        column: what the column is.
        cells: the column in each table, as `read_cells` returns it.
    """
    if column.is_numeric:
        values, ranks = np.unique(np.concatenate(_one_precision(cells)), return_inverse=True)
        joined = np.where(np.concatenate([valid_mask(a) for a in cells]), ranks, NULL)
    else:
        encoded = pa.concat_arrays([_text(a) for a in cells]).dictionary_encode()
        joined = np.asarray(encoded.indices.fill_null(NULL))
        values = np.arange(len(encoded.dictionary))
    ends = np.cumsum([len(a) for a in cells])[:-1]
    return JointRanks(tuple(np.split(joined.astype(np.int32), ends)), values)


def _one_precision(cells: Sequence[pa.Array]) -> list[NDArray[np.number[Any]]]:
    """Numbers, all in float32 if some table is: other digits would tell a cell from its own copy."""
    numbers = [to_numbers(a) for a in cells]
    if len({a.type == pa.float32() for a in cells}) == 1:
        return list(numbers)
    with np.errstate(over="ignore"):
        return [x.astype(np.float32) for x in numbers]


def _text(array: pa.Array) -> pa.Array:
    """Levels as text, which is one type whatever width or encoding each table has."""
    plain = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    return plain.cast(pa.large_string())
