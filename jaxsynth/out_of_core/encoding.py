"""The second pass over a table that does not fit into memory: every row's codes into the cache, once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jaxsynth.codec import Codec
from jaxsynth.codec.packed import Packed, pack
from jaxsynth.out_of_core.cache import Cache
from jaxsynth.out_of_core.coding import Counts, count
from jaxsynth.out_of_core.draws import within
from jaxsynth.out_of_core.ordered import in_order
from jaxsynth.out_of_core.records import Records, from_records, to_records
from jaxsynth.out_of_core.survey import Tell, require_rows
from jaxsynth.streams import RowStream


class _Coded(NamedTuple):
    """Some rows."""

    kept: Records
    held: Records
    counts: Counts


def encode_rows(
    stream: RowStream, codec: Codec, held: NDArray[np.int64], cache: Cache, *, rows: int, tell: Tell | None = None
) -> tuple[Packed, Counts]:
    """Write all rows to the cache but those held out.

    Args:
        stream: the rows.
        codec: fitted on them.
        held: sorted numbers of the rows that are held out.
        cache: an empty one.
        rows: how many there were in the first pass.
        tell: called with the number of rows encoded.

    Returns:
        The rows held out, and the occurrences of each code in all rows.

    Raises:
        TableError: unreadable, or changed since the first pass.
        CodecError: a cell changed since.
        OutputError: the disk is full.
    """
    layout = codec.layout

    def encode(item: tuple[int, pa.Table]) -> _Coded:
        start, table = item
        encoded = codec.encode(table)
        records = to_records(cache.type, pack(layout, encoded))
        own = within(held, start, table.num_rows)
        return _Coded(np.delete(records, own), records[own], count(codec, encoded))

    parts, counts, done = [], tuple(np.zeros_like(c.counts) for c in codec.columns), 0
    for coded in in_order(encode, stream.tables()):
        cache.append(coded.kept)
        parts.append(coded.held)
        counts = tuple(a + b for a, b in zip(counts, coded.counts, strict=True))
        done += len(coded.kept) + len(coded.held)
        if tell is not None:
            tell(done)
    require_rows(rows, done)
    return from_records(np.concatenate(parts)), counts
