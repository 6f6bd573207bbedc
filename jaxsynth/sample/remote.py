"""A directory, or the prefix of a bucket, on any filesystem that Arrow or fsspec reaches."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.fs as pafs

from jaxsynth.sample.places import hashed, told

# Stores of whole objects: they have no directories to make, and asking for one could make a bucket.
_FLAT = ("s3", "gcs", "gs", "abfs", "az", "memory")


@dataclass(frozen=True)
class RemotePlace:
    """A directory, or the prefix of a bucket, on a filesystem of pyarrow's."""

    filesystem: pafs.FileSystem
    root: str

    @property
    def name(self) -> str:
        return f"{self.filesystem.type_name.removeprefix('py::fsspec+')}://{self.root.lstrip('/')}"

    def read(self, path: str) -> bytes | None:
        with told(self.name, "read"):
            if not self._is_file(path):
                return None
            with self.filesystem.open_input_stream(self._at(path)) as stream:
                return bytes(stream.read())

    def digest(self, path: str) -> tuple[int, str] | None:
        with told(self.name, "read"):
            if not self._is_file(path):
                return None
            with self.filesystem.open_input_stream(self._at(path)) as stream:
                return hashed(stream)

    def names(self) -> list[str]:
        with told(self.name, "read"):
            self._forget_listings()
            inside = pafs.FileSelector(self.root, allow_not_found=True)
            return sorted(info.base_name for info in self.filesystem.get_file_info(inside))

    @contextlib.contextmanager
    def publishing(self, path: str) -> Iterator[Path]:
        with told(self.name, "write to", OSError), tempfile.TemporaryDirectory(prefix="jaxsynth-") as directory:
            temporary = Path(directory) / "file"
            yield temporary
            with told(self.name, "write to"):
                self._upload(temporary, self._at(path))

    def _upload(self, file: Path, target: str) -> None:
        if not any(flat in self.filesystem.type_name for flat in _FLAT):
            self.filesystem.create_dir(target.rsplit("/", 1)[0], recursive=True)
        here = pafs.LocalFileSystem()
        pafs.copy_files(str(file), target, source_filesystem=here, destination_filesystem=self.filesystem)

    def delete(self, path: str) -> None:
        with told(self.name, "write to"):
            if self._is_file(path):
                self.filesystem.delete_file(self._at(path))

    def sweep(self, mine: Callable[[str], bool]) -> None:
        """Nothing: no temporary file lies there."""

    def _at(self, path: str) -> str:
        return f"{self.root.rstrip('/')}/{path}"

    def _is_file(self, path: str) -> bool:
        self._forget_listings()
        return bool(self.filesystem.get_file_info(self._at(path)).type == pafs.FileType.File)

    def _forget_listings(self) -> None:
        """What fsspec remembers of a directory may be older than what other processes wrote."""
        if isinstance(self.filesystem, pafs.PyFileSystem):
            getattr(getattr(self.filesystem.handler, "fs", None), "invalidate_cache", lambda: None)()
