"""A file of records in a directory of its own, which is gone when it is no longer needed, however that ends.

It is read by plain reads: pages of a mapped file would count as this process's memory.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxsynth.errors import OutputError
from jaxsynth.out_of_core.records import Records

VARIABLE = "JAXSYNTH_CACHE"


@dataclass(frozen=True, eq=False)
class Cache:
    """Records in a file, appended and then read from any place by one thread at a time.

    Attributes:
        file: open for reading and writing.
        type: of a record.
    """

    file: FileIO
    type: np.dtype[Any]

    @property
    def rows(self) -> int:
        """How many records there are."""
        return os.fstat(self.file.fileno()).st_size // self.type.itemsize

    def append(self, records: Records) -> None:
        """Write records (n,) behind those that are there.

        Raises:
            OutputError: the disk is full.
        """
        try:
            left = records.view(np.uint8).data
            while left:
                left = left[self.file.write(left) :]
        except OSError as error:
            raise _refused(str(self.file.name), error.strerror or str(error)) from error

    def read(self, starts: NDArray[np.int64], count: int) -> Records:
        """`count` records from each start, one after the other."""
        out = np.empty(len(starts) * count, self.type)
        size = count * self.type.itemsize
        pieces = out.view(np.uint8).data
        for i, start in enumerate(starts.tolist()):
            self.file.seek(start * self.type.itemsize)
            if self.file.readinto(pieces[i * size : (i + 1) * size]) < size:
                raise OutputError(f"{self.file.name}: cut short by another program; leave the cache to jaxsynth")
        return out


@contextlib.contextmanager
def open_cache(type_: np.dtype[Any], rows: int, where: str | os.PathLike[str] | None) -> Iterator[Cache]:
    """An empty cache with space for so many records.

    Args:
        type_: of a record.
        rows: how many will be written.
        where: an existing directory; by default `JAXSYNTH_CACHE`, or else the directory for temporary files.

    Raises:
        OutputError: the directory cannot be written, or its disk has not enough space; nothing was written.
    """
    folder = Path(where or os.environ.get(VARIABLE) or tempfile.gettempdir())
    try:
        _require_space(folder, rows * type_.itemsize)
        own = tempfile.TemporaryDirectory(prefix="jaxsynth-", dir=folder)
    except OSError as error:
        raise _refused(str(folder), error.strerror or str(error)) from error
    with own, (Path(own.name) / "rows").open("w+b", buffering=0) as file:
        yield Cache(file, type_)


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise _refused(str(folder), f"the rows' codes need {needed:,} bytes and {free:,} are free")


def _refused(where: str, why: str) -> OutputError:
    return OutputError(
        f"cannot keep the rows' codes in {where!r}: {why}; name a directory on a larger disk with cache= or "
        f"{VARIABLE}"
    )
