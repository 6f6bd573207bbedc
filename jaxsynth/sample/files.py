"""A record-batch stream into one file: Parquet, Arrow IPC or CSV; whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from jaxsynth.errors import OutputError
from jaxsynth.sample.addresses import open_file
from jaxsynth.sample.formats import FORMAT_OF, Format, checked, writing
from jaxsynth.sample.places import digest_of
from jaxsynth.sample.progress import Tally, Tell
from jaxsynth.sample.receipts import File, Manifest


def single_format(out: str | os.PathLike[str], format_: str | None) -> Format | None:
    """The format of the one file that `out` names; None if it names a directory.

    A directory ends in a slash, exists, or has a name without a suffix. With `format_`, every name that does
    not end as files of some format do is a directory's.

    Raises:
        OutputError: an unknown format, or a suffix that could be of a file.
    """
    asked = None if format_ is None else checked(format_)
    text = os.fspath(out)
    if "://" in text:
        text = text.split("?")[0]  # options of the address follow
    suffix = PurePosixPath(text).suffix.lower()
    if text.endswith("/"):
        return None
    if suffix in FORMAT_OF:
        return asked or FORMAT_OF[suffix]
    if suffix and asked is None and not Path(text).is_dir():
        raise OutputError(
            f"cannot tell the format of {text!r}; end it in .parquet, .arrow or .csv, or in / for a directory"
        )
    return None


def write_stream(
    reader: pa.RecordBatchReader,
    out: str | os.PathLike[str],
    format_: str | None = None,
    *,
    filesystem: Any = None,
    start: int = 0,
    rows: int = 0,
    tell: Tell | None = None,
) -> Manifest:
    """Write all of `reader` to the one file `out`, atomically.

    Args:
        reader: the rows.
        out: a path or an address; its name tells the format unless `format_` does.
        format_: "parquet", "ipc" or "csv".
        filesystem: that `out` is a path of; see `open_place`.
        start: number of the first row in its stream, for the manifest.
        rows: how many will come, for `tell`.
        tell: called after each batch.

    Raises:
        OutputError: an unknown format, an unwritable place, or a full disk; nothing is left behind.
    """
    format_of = single_format(out, format_)
    if format_of is None:
        raise OutputError(f"{os.fspath(out)!r} is not the name of a file; end it in .parquet, .arrow or .csv")
    place, name = open_file(out, filesystem)
    tally, done = Tally(tell, rows=rows, shards=1), 0
    with place.publishing(name) as temporary:
        with writing(temporary, reader.schema, format_of) as put:
            for batch in reader:
                put(batch)
                done += batch.num_rows
                tally.batch(0, temporary, batch.num_rows)
        size, sha = digest_of(temporary)
    file = File(path=name, shard=0, start=start, rows=done, bytes=size, sha256=sha)
    tally.shard(0, (file,), built=True)
    return Manifest(place=place.name, files=(file,), complete=True, built=1)
