"""A codec from a public schema and noisy counts: what `Codec.fit` reads off the rows, paid for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jaxsynth.codec import Codec
from jaxsynth.codec.category import CategoryCodec
from jaxsynth.codec.numeric import NumericCodec
from jaxsynth.codec.quantile import Quantiles
from jaxsynth.privacy.admit import admit_cells
from jaxsynth.privacy.consistency import consistent
from jaxsynth.privacy.grid import finest
from jaxsynth.privacy.histogram import Histogram
from jaxsynth.privacy.marginals import Range, codes_query, exact_codec, range_of, shares
from jaxsynth.privacy.measurer import Measurer
from jaxsynth.privacy.simplex import Floats, to_simplex
from jaxsynth.privacy.tree import Ask, Places, Shape, measure_tree
from jaxsynth.schema import Column, Schema
from jaxsynth.schema.cells import Numbers, from_numbers, to_numbers, valid_mask

ColumnCodec = CategoryCodec | NumericCodec

_INFLATED = 0.015  # share of the present cells from which one value is a state of its own
_SURE = 3.0  # standard deviations by which it must be more
_EVEN = 0.05  # share of the rows that all codes of an exact column get alike, at most
_CUT = 0.06  # standard deviations of noise that each of them gets
_PER_INTERVAL = 10.0  # standard deviations of a node that an interval should hold: 8 of the interval's own noise


def private_codec(
    schema: Schema, ledger: Measurer, *, rows: int, max_intervals: int = 128, stage: str = "marginals"
) -> Codec:
    """Build the codec of all modelled columns from noisy counts.

    Args:
        schema: public; with bounds and levels of all modelled columns.
        ledger: answers about the private table, in rows as `admit` makes them or not.
        rows: how many rows there are, noisy or public.
        max_intervals: most interval codes of a number.
        stage: the stage of the ledger that pays, all of it.

    Raises:
        SchemaError: a number lacks bounds.
    """
    schema = _with_steps(schema)
    total, columns = float(max(rows, 1)), []
    for column, part in zip(schema.modelled, shares(schema.modelled), strict=True):
        codec = exact_codec(column)
        if codec is not None:
            columns.append(_counted(codec, ledger, total, stage, part))
        else:
            columns.append(_interval_codec(range_of(column), ledger, total, max_intervals, stage, part))
    return Codec(schema=schema, columns=tuple(columns), repeats=((),) * len(columns))


def _counted(codec: ColumnCodec, ledger: Measurer, total: float, stage: str, part: float) -> ColumnCodec:
    query = codes_query(codec, ledger.rows_per_subject)
    noisy = ledger.measure(query, stage=stage, part=part)
    settled = to_simplex(noisy[None], np.ones((1, len(noisy))), np.array([total]))[0]
    counts = _whole(_without_zeros(settled, ledger.noise(query, stage=stage, part=part)))
    if isinstance(codec, CategoryCodec):
        return CategoryCodec(codec.column, counts)
    return NumericCodec(codec.column, counts, codec.atoms, 0, None)


def _with_steps(schema: Schema) -> Schema:
    """The schema with the resolution of every type that has one: whole numbers and times are not continuous."""
    return replace(
        schema,
        columns=tuple(
            replace(c, resolution=c.resolution or finest(c.arrow_type)) if c.modelled and c.is_numeric else c
            for c in schema.columns
        ),
    )


def _without_zeros(counts: Floats, noise: float) -> Floats:
    """The counts with a little given to all: what was cut at zero may well have been there."""
    even = counts.sum() / len(counts)
    share = min(_EVEN, _CUT * noise / even)
    raised: Floats = (1 - share) * counts + share * even
    return raised


def _interval_codec(
    range_: Range, ledger: Measurer, total: float, max_intervals: int, stage: str, part: float
) -> NumericCodec:
    column, nullable = range_.column, int(range_.column.nullable)
    apart = nullable + len(range_.candidates)
    ask = Ask(name=column.name, places=_places(range_), apart=apart, stage=stage, part=part)
    tree = measure_tree(ledger, Shape.of(range_.leaves), ask)
    counts, histogram = consistent(tree, total)
    missing, own = counts[:nullable], counts[nullable:]
    atoms, mass, rest = _atoms(range_, histogram, own, _INFLATED * (total - missing.sum()) + _SURE * tree.noise)
    most = max(2, min(max_intervals, int(rest.total / (_PER_INTERVAL * max(tree.noise, 1e-9)))))
    edges = rest.quantile_edges(most)
    leaves, ranks = rest.knots(edges)
    quantiles = Quantiles(values=range_.value_at(leaves), ranks=ranks)
    whole = _whole(np.concatenate([mass, np.diff(rest.below(edges)), missing]))
    return NumericCodec(column, whole, atoms, len(edges) - 1, quantiles)


def _atoms(range_: Range, histogram: Histogram, own: Floats, least: float) -> tuple[Numbers, Floats, Histogram]:
    """Values with a mass of at least `least` each, these masses, and the measure of all other values."""
    if range_.per_leaf == 1 and range_.grid is not None:
        leaves = histogram.heavy_leaves(least)
        atoms = _as_cells(range_.column, range_.grid.value(leaves))
        return atoms, histogram.masses(leaves), histogram.without(leaves)
    heavy, candidates = own >= least, range_.candidates
    rest = histogram.plus(range_.leaf_of(candidates[~heavy]), own[~heavy])
    return candidates[heavy], own[heavy], rest


def _as_cells(column: Column, values: Numbers) -> Numbers:
    """Values as the column's type has them: 0.1 of a float32 column is not the double 0.1."""
    return to_numbers(from_numbers(values, None, column.arrow_type))


def _whole(counts: Floats) -> NDArray[np.int64]:
    """Counts as integers."""
    return np.rint(counts).astype(np.int64)


def _places(range_: Range) -> Places:
    """Rows to leaves; missing and the candidate values lie apart."""
    column = range_.column

    def places(table: pa.Table) -> NDArray[np.int64]:
        cells = admit_cells(table[column.name], column)
        values, valid = to_numbers(cells), valid_mask(cells)
        out = range_.leaf_of(values)
        for i, value in enumerate(range_.candidates, int(column.nullable)):
            out[values == value] = -1 - i
        out[~valid] = -1
        return out

    return places
