"""The codec of a table that does not fit into memory: from what its first pass kept, counted by the second."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from jaxsynth.codec import Codec
from jaxsynth.codec.category import CategoryCodec
from jaxsynth.codec.layout import Encoded
from jaxsynth.codec.numeric import NumericCodec, choose_atoms, inflated_values
from jaxsynth.codec.table import ColumnCodec
from jaxsynth.out_of_core.survey import Survey
from jaxsynth.schema import Column
from jaxsynth.schema.cells import to_numbers, valid_mask

Counts = tuple[NDArray[np.int64], ...]
"""Occurrences of each code of each column, (size,) each."""


def fit_codec(found: Survey, *, max_intervals: int) -> Codec:
    """As `Codec.fit`, and the same wherever the sample is the table. Its counts are still those of the sample.

    Columns of few distinct values are known whole. Other numbers are cut into intervals by the sample, and by the
    least and greatest value of all rows, so that no cell lies outside.
    """
    columns: list[ColumnCodec] = []
    for column in found.schema.modelled:
        cells = found.sample[column.name]
        if column.is_numeric:
            empty = _numeric(column, found, max_intervals)
            codes, _ = empty.encode(cells)
            columns.append(replace(empty, counts=np.bincount(codes, minlength=len(empty.counts)).astype(np.int64)))
        else:
            columns.append(CategoryCodec.fit(column, cells))
    return Codec.of_columns(found.schema, tuple(columns), found.sample)


def _numeric(column: Column, found: Survey, max_intervals: int) -> NumericCodec:
    tally = found.tallies[column.name]
    if tally is not None:
        atoms = choose_atoms(tally.values, tally.counts)
        rest = ~np.isin(tally.values, atoms)
        few = np.repeat(tally.values[rest], tally.counts[rest])  # or they would be atoms
        return NumericCodec.of_atoms(column, atoms, few, max_intervals)
    cells = found.sample[column.name]
    values = to_numbers(cells)[valid_mask(cells)]
    atoms = inflated_values(values)
    if len(cells) < found.rows:
        facts = found.facts[column.name]
        values = np.append(values, [x for x in (facts.low, facts.high) if x is not None])
    return NumericCodec.of_atoms(column, atoms, values, max_intervals)


def count(codec: Codec, encoded: Encoded) -> Counts:
    """Occurrences of each code in some rows."""
    return tuple(
        np.bincount(codes, minlength=len(c.counts)).astype(np.int64)
        for c, codes in zip(codec.columns, encoded.codes, strict=True)
    )


def counted(codec: Codec, counts: Counts) -> Codec:
    """The codec with the counts of all rows."""
    columns = tuple(replace(c, counts=own) for c, own in zip(codec.columns, counts, strict=True))
    return replace(codec, columns=columns)
