"""Memory of a search beyond the tables, in a process of its own, from pages that are mapped from a file.

    python -m benchmarks.neighbours_memory TABLE.arrow SCHEMA.json

Prints bytes a reference row: of the codes that both tables share, and of the search itself at its peak. Checks of
the cells come before and hold a column at a time. Goal: 64 together, for 6 numbers and 8 categories. Measured on
2026-11-26 on a million rows by `python -m benchmarks.neighbours --million`: 1 (at most 14, as memory that
the checks have freed is used again or not) and 44.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

import jaxsynth as js
from jaxsynth.neighbours import read_cells
from jaxsynth.neighbours.pairs import paired


def main(table: str, schema: str) -> None:
    """Search the table for the two rows nearest its first row, by the tree."""
    columns = js.Schema.load(schema)
    reference = pa.ipc.open_file(pa.memory_map(table)).read_all()
    for column in reference.columns:  # pages that are read in from the file now do not count later
        for buffer in filter(None, column.combine_chunks().buffers()):
            hash(buffer.to_pybytes())
    cells = read_cells(reference, columns, what="reference"), read_cells(reference[:1], columns, what="queries")
    with peak_memory() as codes:
        tables = paired(*cells, columns, weights=None, threads=2)
    with peak_memory() as search:
        tables.nearest(2, [reference.num_rows], False, "tree")
    print(
        json.dumps({what: grown() / reference.num_rows for what, grown in (("codes", codes), ("search", search))})
    )


@contextlib.contextmanager
def peak_memory() -> Iterator[Callable[[], int]]:
    """By how many bytes resident memory has grown at most within the block (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _status("VmRSS")
    ended: list[int] = []
    yield lambda: ended[0] - before
    ended.append(_status("VmHWM"))


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


if __name__ == "__main__":
    main(*sys.argv[1:])
