"""The place that a path or an address names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.fs as pafs
from fsspec.implementations.local import LocalFileSystem

from jaxsynth.errors import OutputError
from jaxsynth.sample.places import LocalPlace, Place, told
from jaxsynth.sample.remote import RemotePlace


def open_place(out: str | os.PathLike[str], filesystem: Any = None) -> LocalPlace | RemotePlace:
    """The directory that `out` names.

    Args:
        out: a local path, or an address such as `s3://bucket/prefix`; with `filesystem`, a path on it.
        filesystem: a `pyarrow.fs.FileSystem` or an fsspec filesystem.

    Raises:
        OutputError: an unknown kind of address, or a filesystem of another kind.
    """
    text = os.fspath(out)
    if filesystem is not None:
        return _place(_arrow(filesystem), text)
    if "://" not in text:
        return LocalPlace(Path(text))
    with told(text, "write to"):
        try:
            return _place(*pafs.FileSystem.from_uri(text))
        except pa.ArrowInvalid as error:
            if "Unrecognized filesystem" not in str(error):
                raise
            found, path = fsspec.core.url_to_fs(text)
            return _place(_arrow(found), path)


def open_file(out: str | os.PathLike[str], filesystem: Any = None) -> tuple[Place, str]:
    """The directory of the file that `out` names, and the file's name in it; else as `open_place`."""
    place = open_place(out, filesystem)
    if isinstance(place, LocalPlace):
        return LocalPlace(place.root.parent), place.root.name
    root, _, name = place.root.rpartition("/")
    return RemotePlace(place.filesystem, root), name


def _arrow(filesystem: Any) -> pafs.FileSystem:
    if isinstance(filesystem, pafs.FileSystem):
        return filesystem
    if isinstance(filesystem, fsspec.AbstractFileSystem):
        local = isinstance(filesystem, LocalFileSystem)
        return pafs.LocalFileSystem() if local else pafs.PyFileSystem(pafs.FSSpecHandler(filesystem))
    raise OutputError(
        f"filesystem is a {type(filesystem).__name__}; give one of pyarrow.fs or of fsspec, or none and an address"
    )


def _place(filesystem: pafs.FileSystem, path: str) -> LocalPlace | RemotePlace:
    if isinstance(filesystem, pafs.LocalFileSystem):
        return LocalPlace(Path(path))
    if not path.strip("/"):
        raise OutputError(f"cannot write to {path!r} of {filesystem.type_name}: no bucket is named; add its name")
    return RemotePlace(filesystem, path)
